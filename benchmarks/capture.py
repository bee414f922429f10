"""Capture on all 119 clips of the GRID sample, with dlib's landmarks as truth.

Prints and stores for the train, validation and test clips of speaker s1 and for the other speakers: errors of
the landmarks that were used and, fitted to every second one, of those held out (test clips only); processor
seconds of one thread for a second of video; photometric error before and after refinement; how the jaw goes
with the voice, and blinks with the eye aspect ratio. The results file is written anew after each clip, and a
run that was stopped goes on where it was. Draws strips of frames with the mesh on them into ``runs/`` beside
this file, which is not part of the project: the frames are the corpus'.

    python benchmarks/capture.py
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from report import RUNS, table, take_no_arguments, write_results
from rich.progress import track
from torch import Tensor

from meshanim.capture import (
    Clip,
    LandmarkFit,
    Overlay,
    Refinement,
    capture,
    find_clip_landmarks,
    interocular,
    shut_slits,
)
from meshanim.faces import load_face
from meshanim.metrics import correlation, envelope, eye_closure, find_blinks
from meshanim.vision import whole_track, write_image

DATA = Path(__file__).parents[2] / "shared" / "data" / "grid_sample"
PARTS = RUNS / "capture.jsonl"
PROCESSES = 2
SHOWN = ("bbaf2n", "brbk7n", "lrwp9a", "swwp2s", "swiz3n")
TEST = ("s1 test", "speakers")
MOMENTS = (0.15, 0.4, 0.55, 0.7)
"""Of a clip's length, at which strips show it, besides the widest open mouth and the most closed eye."""


def clips() -> list[tuple[str, Path]]:
    """Split and path of every clip; the test clips first."""
    own = sorted((DATA / "s1").glob("*.mpg"))
    splits = {"speakers": sorted((DATA / "speakers").glob("*.mpg")), "s1 test": own[90:]}
    splits |= {"s1 validation": own[80:90], "s1 train": own[:80]}
    return [(split, path) for split, paths in splits.items() for path in paths]


def landmark_errors(fit: LandmarkFit, person: Any, state: Any, truth: Tensor) -> Tensor:
    """(T, 68) distances to dlib's landmarks in inter-ocular distances (outer corners of the eyes)."""
    pixels = fit.residuals(slice(None)).project(state, fit.shape(person.identity), person.focal)
    return (pixels - truth).norm(dim=-1) / interocular(truth)[:, None]


def measure(task: tuple[str, Path]) -> dict[str, Any]:
    """Everything about one clip."""
    torch.set_num_threads(1)
    split, path = task
    face, clip = load_face("anny"), Clip(path)
    start = time.process_time()
    truth = find_clip_landmarks(clip, lambda done, total: None)
    found = time.process_time()
    fit = LandmarkFit(face, shut_slits(truth), clip.size, clip.fps)
    person = fit.person()
    state = fit.track(person)
    fitted = time.process_time()
    refinement = Refinement(clip.frames, fit, person, truth)
    look = refinement.look(state)
    refined = refinement.refine(state, look)
    after = refinement.look(refined)
    done = time.process_time()
    seconds = len(truth) / clip.fps
    columns = {name: column for column, name in enumerate(fit.names)}
    jaw = refined.weights[:, columns["jawOpen"]]
    blink = refined.weights[:, [columns["eyeBlinkLeft"], columns["eyeBlinkRight"]]].mean(dim=1)
    sound = clip.sound()
    assert sound is not None
    frames = (None if bool(points.isnan().any()) else points.numpy() for points in truth)
    whole = torch.from_numpy(whole_track(frames))
    voice = envelope(sound.waveform, sound.sample_rate, len(jaw), clip.fps, lead=0.5)
    return {
        "split": split,
        "clip": path.stem,
        "frames": len(truth),
        "used": float(landmark_errors(fit, person, state, truth).nanmean()),
        "held_out": held_out(face, truth, clip) if split in TEST else None,
        "used_refined": float(landmark_errors(fit, person, refined, truth).nanmean()),
        "photometric_before": refinement.error(state, look),
        "photometric_after": refinement.error(refined, after),
        "landmark_cpu_seconds_per_second": (found - start) / seconds,
        "fit_cpu_seconds_per_second": (fitted - found) / seconds,
        "refine_cpu_seconds_per_second": (done - fitted) / seconds,
        "jaw_envelope_correlation": correlation(jaw, voice),
        "blinks_captured": len(find_blinks(blink, clip.fps).spans),
        "blinks_eye_aspect_ratio": len(find_blinks(eye_closure(whole), clip.fps).spans),
    }


def held_out(face: Any, truth: Tensor, clip: Clip) -> float:
    """Error of the landmarks with odd numbers after a fit to the even ones."""
    used = torch.arange(68) % 2 == 0
    fit = LandmarkFit(face, shut_slits(truth), clip.size, clip.fps, used)
    person = fit.person()
    return float(landmark_errors(fit, person, fit.track(person), truth)[:, ~used].nanmean())


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over the clips of each split, of all test clips, and of all clips."""
    groups = {
        split: [row for row in rows if row["split"] == split] for split in sorted({r["split"] for r in rows})
    }
    groups["test and speakers"] = [row for row in rows if row["split"] in TEST]
    groups["all"] = rows
    return {name: _means(group) for name, group in groups.items()}


def _means(rows: list[dict[str, Any]]) -> dict[str, float]:
    numbers: dict[str, float] = {"clips": len(rows)}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        if key not in ("split", "clip") and values:
            numbers[key] = float(np.mean(values))
    lowered = [row["photometric_after"] < row["photometric_before"] for row in rows]
    numbers["photometric_lowered_share"] = float(np.mean(lowered))
    numbers["landmark_error_raised_most"] = max(row["used_refined"] / row["used"] - 1 for row in rows)
    return numbers


def show(summary: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    rows = []
    for name, n in summary.items():
        rows.append(
            [
                name,
                f"{n['clips']:.0f}",
                f"{n['used']:.4f}",
                f"{n['held_out']:.4f}" if "held_out" in n else "",
                f"{n['photometric_before']:.2f}",
                f"{n['photometric_after']:.2f}",
                f"{100 * n['photometric_lowered_share']:.0f} %",
                f"{100 * n['landmark_error_raised_most']:+.1f} %",
                f"{n['landmark_cpu_seconds_per_second'] + n['fit_cpu_seconds_per_second']:.1f}",
                f"{n['jaw_envelope_correlation']:.2f}",
                f"{n['blinks_captured']:.2f}/{n['blinks_eye_aspect_ratio']:.2f}",
            ]
        )
    header = (
        "clips of", "n", "used", "held out", "photo", "refined", "lowered", "worst landmarks", "CPU s/s",
        "jaw~voice", "blinks/EAR",
    )  # fmt: skip
    table(
        "Capture on GRID: landmark error in inter-ocular distances, photometric in levels of 255",
        header,
        rows,
    )


def strip(path: Path) -> np.ndarray:
    """Frames above the same with the captured face on them."""
    captured = capture(path, load_face("anny"))
    performance, images = captured.performance, list(Clip(path).frames())
    assert performance.weights is not None
    columns = {name: column for column, name in enumerate(performance.weight_names)}
    chosen = [round(moment * len(images)) for moment in MOMENTS]
    chosen += [int(performance.weights[:, columns[name]].argmax()) for name in ("jawOpen", "eyeBlinkLeft")]
    overlay = Overlay(performance, captured.appearance)
    tiles = []
    for index in chosen:
        drawn = overlay.frame(images[index], index)
        plain = Image.fromarray(images[index]).resize(drawn.shape[1::-1], Image.Resampling.BICUBIC)
        tiles.append(np.asarray(Image.fromarray(np.concatenate([np.asarray(plain), drawn])).reduce(2)))
    return np.concatenate(tiles, axis=1)


def measured() -> Iterator[dict[str, Any]]:
    """Rows of all clips, as they come; those of a run that was stopped are kept in ``PARTS``."""
    PARTS.parent.mkdir(exist_ok=True)
    known = [json.loads(line) for line in PARTS.read_text().splitlines()] if PARTS.is_file() else []
    yield from known
    done = {(row["split"], row["clip"]) for row in known}
    tasks = [(split, path) for split, path in clips() if (split, path.stem) not in done]
    with get_context("spawn").Pool(PROCESSES) as pool, PARTS.open("a") as parts:
        for row in track(pool.imap_unordered(measure, tasks), "capturing", total=len(tasks)):
            parts.write(json.dumps(row) + "\n")
            parts.flush()
            yield row


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"the GRID sample is not there: {DATA}")
    rows = []
    for row in measured():
        rows.append(row)
        print(
            f"  {row['split']} {row['clip']}: {row['used']:.4f}, "
            f"{row['photometric_before']:.2f} to {row['photometric_after']:.2f} levels",
            file=sys.stderr,
        )
        rows.sort(key=lambda row: (row["split"], row["clip"]))
        settings = {"face": "anny", "processes": PROCESSES, "threads_per_process": 1}
        settings |= {"clips_in_all": len(clips())}
        write_results("capture", {"settings": settings, "summary": summarise(rows), "clips": rows})
    show(summarise(rows))
    for name in SHOWN:
        write_image(RUNS / f"capture_{name}.jpg", strip(DATA / "speakers" / f"{name}.mpg"))
    PARTS.unlink()


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
