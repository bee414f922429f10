"""Time to prepare a mesh for spiral networks: from nothing, from the disk cache, and the spirals alone.

Every hierarchy is timed in a new process, as a user meets it: the first call after the imports, the disk
cache empty or filled. Spirals are timed in one process on a mesh whose topology is not known yet.

    python benchmarks/bench_hierarchy.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from processes import in_new_process
from report import table, take_no_arguments, write_results

from meshanim.mesh import Mesh, MeshHierarchy, spiral_sequences

ICT = Path(__file__).parents[2] / "shared/data/ict_facekit/ict_facekit_light.npz"
FACTORS, LENGTH = (5, 5, 5, 5), 9
FROM_NOTHING, FROM_CACHE, SPIRALS = 5, 9, 9
BARS = {"from nothing": 1.0, "from the cache": 0.3, "spirals": 0.05}
Arrays = tuple[np.ndarray, np.ndarray]
Seconds = tuple[float, float]
Result = TypeVar("Result")


def meshes() -> dict[str, Arrays]:
    """Vertices and faces of the faces that are there."""
    from meshanim.faces import load_face

    neutral = load_face("anny").neutral
    found = {"Anny": (neutral.vertices.numpy(), neutral.faces.numpy())}
    if ICT.is_file():
        with np.load(ICT) as data:
            found["ICT"] = (data["mean"] / 100, data["faces"].astype(np.int64))
    else:
        print(f"without the ICT face: it is not at {ICT}")
    return found


def timed(call: Callable[[], Result]) -> tuple[Result, Seconds]:
    """What a call returns, and the seconds by the clock and of the processor that it took."""
    clock, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, (time.perf_counter() - clock, time.process_time() - processor)


def as_mesh(arrays: Arrays) -> Mesh:
    vertices, faces = arrays
    return Mesh(torch.from_numpy(vertices), torch.from_numpy(faces))


def time_hierarchy(arrays: Arrays, cache: str) -> tuple[Seconds, list[int], int]:
    """Seconds for one call, vertices of each level, components; runs in a process of its own."""
    os.environ["MESHANIM_CACHE"] = cache
    mesh = as_mesh(arrays)
    hierarchy, seconds = timed(lambda: MeshHierarchy.from_mesh(mesh, FACTORS, LENGTH))
    return seconds, [len(level.vertices) for level in hierarchy.meshes], mesh.topology.component_count


def time_spirals(arrays: Arrays) -> Seconds:
    mesh = as_mesh(arrays)
    return timed(lambda: spiral_sequences(mesh, LENGTH))[1]


def spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


def row(arrays: Arrays) -> dict[str, Any]:
    """All measurements of one face."""
    nothing = []
    for _ in range(FROM_NOTHING):
        with tempfile.TemporaryDirectory() as empty:
            seconds, levels, components = in_new_process(time_hierarchy, arrays, empty)
        nothing.append(seconds)
    with tempfile.TemporaryDirectory() as filled:
        in_new_process(time_hierarchy, arrays, filled)
        cached = [in_new_process(time_hierarchy, arrays, filled)[0] for _ in range(FROM_CACHE)]
    time_spirals(arrays)
    spirals = [time_spirals(arrays) for _ in range(SPIRALS)]
    measured = {"from nothing": nothing, "from the cache": cached, "spirals": spirals}
    return {
        "levels": levels,
        "components": components,
        "seconds": {what: spread([clock for clock, _ in runs]) for what, runs in measured.items()},
        "processor_seconds": {what: spread([cpu for _, cpu in runs]) for what, runs in measured.items()},
        "runs": {what: len(runs) for what, runs in measured.items()},
    }


def main() -> None:
    rows = {name: row(arrays) for name, arrays in meshes().items()}
    shown = [
        [name, " > ".join(map(str, r["levels"])), str(r["components"])]
        + [
            f"{s['median']:.3f} ({s['least']:.3f} to {s['most']:.3f}), {cpu['median']:.3f}"
            for s, cpu in zip(r["seconds"].values(), r["processor_seconds"].values(), strict=True)
        ]
        for name, r in rows.items()
    ]
    shown.append(["to hold on ICT", "", "", *(f"{bar:g}" for bar in BARS.values())])
    header = ["face", "vertices of the levels", "components", *BARS]
    table("Mesh hierarchy, seconds: median (least to most), median of processor time", header, shown)
    settings = {"factors": FACTORS, "spiral_length": LENGTH, "numpy": np.__version__}
    print(f"written: {write_results('bench_hierarchy', {'settings': settings, 'rows': rows, 'bars': BARS})}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
