"""Export of the ICT face: seconds for 300 frames, beside trimesh for OBJ, and peak memory of ten minutes.

Sequences of OBJ: ours, with texture coordinates, and a loop of ``trimesh.Trimesh.export`` over the same
positions, without, in turns of 30 frames in one process after ten frames each to warm up. Other formats write
300 frames at 30 fps, all weights over the face's basis and a moving head, the median of three. Peak memory is
the most that a process of its own had resident (VmHWM), imports, face and performance included, while writing
a performance at 60 fps: ten minutes in formats with curves; a quarter of a minute and one in formats with
every position, of which ten are 11.5 GB, to see that it does not grow.

    python benchmarks/bench_export.py
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import trimesh
from processes import in_new_process
from report import table, take_no_arguments, write_results

from meshanim.export import export
from meshanim.faces import load_face
from meshanim.performance import Performance

ICT = Path(__file__).parents[2] / "shared/data/ict_facekit/ict_facekit_light.npz"
THREADS, TURN, TURNS, WARM_UP, REPEATS = 2, 30, 10, 10, 3
LONG: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("a.glb", 600, {}),
    ("a.usdc", 600, {}),
    ("a.csv", 600, {}),
    ("a.pc2", 15, {}),
    ("a.pc2", 60, {}),
    ("a.npz", 15, {}),
    ("a.npz", 60, {}),
    ("a.usdc", 15, {"targets": "points"}),
    ("a.usdc", 60, {"targets": "points"}),
)


def performance_of(seconds: float, fps: float) -> Performance:
    """All weights swing, each at a rate of its own, and the head with them."""
    face = load_face(f"ict={ICT}")
    generator = torch.Generator().manual_seed(0)
    moment = torch.arange(round(seconds * fps))[:, None] / fps
    paces = 6 * torch.rand(1, len(face.weight_names) + 6, generator=generator)
    swing = torch.sin(moment * paces)
    return Performance(
        neutral=face.neutral,
        fps=fps,
        weights=0.25 + 0.25 * swing[:, 6:],
        basis=face.basis(),
        weight_names=face.weight_names,
        head_motion=0.05 * swing[:, :6],
    )


def seconds_of(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def obj_by_trimesh(performance: Performance, folder: Path) -> None:
    faces = performance.neutral.faces.numpy()
    folder.mkdir(parents=True, exist_ok=True)
    for index, vertices in enumerate(performance.pose(performance.vertices()).numpy()):
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        mesh.export(folder / f"a_{index + 1:06d}.obj")


def obj_sequences(performance: Performance, folder: Path) -> dict[str, float]:
    """Seconds for all frames, of ours and of trimesh's, taken in turns."""
    obj_by_trimesh(performance.slice(0, WARM_UP), folder / "theirs")
    export(performance.slice(0, WARM_UP), f"{folder}/ours/")
    total = {"meshanim": 0.0, "trimesh": 0.0}
    for turn in range(TURNS):
        part = performance.slice(turn * TURN, (turn + 1) * TURN)
        total["meshanim"] += seconds_of(partial(export, part, f"{folder}/ours/"))
        total["trimesh"] += seconds_of(partial(obj_by_trimesh, part, folder / "theirs"))
    return total


def short() -> dict[str, Any]:
    """Seconds for 300 frames; runs in a process of its own."""
    torch.set_num_threads(THREADS)
    performance, folder = performance_of(TURN * TURNS / 30, 30.0), Path(tempfile.mkdtemp())
    try:
        rows = {}
        for suffix in ("glb", "usdc", "usdz", "npz", "pc2", "mdd", "csv"):
            taken = [seconds_of(partial(export, performance, folder / f"a.{suffix}")) for _ in range(REPEATS)]
            size = (folder / f"a.{suffix}").stat().st_size
            rows[suffix] = {"median_s": statistics.median(taken), "slowest_s": max(taken), "bytes": size}
        return {"formats": rows, "obj_s": obj_sequences(performance, folder)}
    finally:
        shutil.rmtree(folder)


def peak(name: str, seconds: float, options: dict[str, Any]) -> dict[str, Any]:
    """Most resident bytes while a file is written; runs in a process of its own."""
    torch.set_num_threads(THREADS)
    performance, folder = performance_of(seconds, 60.0), Path(tempfile.mkdtemp())
    try:
        taken = seconds_of(partial(export, performance, folder / name, **options))
        status = Path("/proc/self/status").read_text().splitlines()
        most = 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
        size = (folder / name).stat().st_size
        return {"peak_bytes": most, "seconds": taken, "bytes": size, "options": options}
    finally:
        shutil.rmtree(folder)


def main() -> None:
    found = in_new_process(short)
    rows = [
        [suffix, f"{row['median_s']:.2f}", f"{row['slowest_s']:.2f}", f"{row['bytes'] / 1e6:.1f}"]
        for suffix, row in found["formats"].items()
    ]
    table("300 frames of the ICT face", ["format", "median s", "slowest s", "MB"], rows)
    obj = found["obj_s"]
    ratio = obj["trimesh"] / obj["meshanim"]
    cells = [f"{obj['meshanim']:.1f}", f"{obj['trimesh']:.1f}", f"{ratio:.1f}"]
    table("300 OBJ files, s", ["meshanim", "trimesh", "times faster"], [cells])
    memory = [
        {"name": name, "performance_s": seconds, **in_new_process(peak, name, seconds, options)}
        for name, seconds, options in LONG
    ]
    rows = [
        [
            row["name"],
            f"{row['performance_s']} s",
            *(f"{row[key] / 1e6:.0f}" for key in ("peak_bytes", "bytes")),
        ]
        for row in memory
    ]
    table("Peak memory at 60 fps", ["file", "performance", "peak MB", "file MB"], rows)
    bars = [
        {"what": "GLB of 300 frames, s", "found": found["formats"]["glb"]["slowest_s"], "at_most": 5.0},
        {"what": "OBJ sequence / trimesh's", "found": 1 / ratio, "at_most": 0.2},
        {"what": "peak memory, bytes", "found": max(row["peak_bytes"] for row in memory), "at_most": 1e9},
    ]
    settings = {"threads": THREADS, "turn": TURN, "turns": TURNS, "warm_up": WARM_UP, "repeats": REPEATS}
    content = {"settings": settings, **found, "memory": memory, "bars": bars}
    print(f"written: {write_results('bench_export', content)}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
