"""Spiral convolutions, blocks of the mesh decoder and all of it on a GPU, beside eager and compiled PyTorch.

Eager is ``index_select`` and ``linear`` (SpiralNet++), of the decoder after up-sampling by gathered rows;
compiled is ``torch.compile`` of the same. Products in float32 are PyTorch's, without TF32. Convolutions are
on spheres of exactly V vertices, blocks and the decoder on the paper's levels of such a sphere. Rasterizers
draw one in 512 x 512 pixels; their eager side is the references, which cannot be compiled or captured, and of
a batch not be held in memory.

All sides of a row take turns between CUDA events after warm-up calls, first call by call as Python launches
them, then replayed from a CUDA graph of each. Every call of a measurement has inputs of its own, enough of
them to overflow the GPU's cache where eight suffice for that. The memory floor is the bytes that must be read
or written once over the rate of a large copy in the same run. Compiling takes seconds a row, so that it is
done at the largest batch, which the bars are for.

    python benchmarks/bench_gpu.py
"""

from __future__ import annotations

import functools
import statistics
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gpu_pictures
import torch
from gpu_cases import DEVICE, LENGTH, Case, block, convolution, decoder, paper_levels
from report import spread, table, take_no_arguments, write_results
from spiral_layers import LAYERS, PASSES, sphere
from torch import Tensor

from meshanim.mesh import spiral_sequences

LENGTHS, BATCHES = (LENGTH, 27), (1, 16, 64)
WARM_UP, ROUNDS, COPY = 10, 30, 1 << 30
ACCURACY = {torch.float32: 1e-5, torch.bfloat16: 0.03}
BARS = {"eager": 3.0, "compiled": 1.5, "floor": 0.5}
SIDES = ("ours", "eager", "compiled")
FLOOR_LAYERS = LAYERS[2:4]
Call = Callable[[], Any]
Seconds = dict[str, dict[str, float]]


def call_all(call: Callable[..., Tensor], case: Case) -> None:
    with torch.no_grad():
        for values in case.sets:
            call(*values)


def step_all(call: Callable[..., Tensor], case: Case) -> None:
    for values in case.sets:
        torch.autograd.grad(call(*values), values, case.direction)


def captured(call: Call) -> Call:
    """The call as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def take_turns(calls: Mapping[str, Call], times: int = 1) -> Seconds:
    """Seconds of each call by CUDA events, over ``times``."""
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    torch.cuda.synchronize()
    events: dict[str, list[tuple[torch.cuda.Event, torch.cuda.Event]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            events[name].append((start, end))
    torch.cuda.synchronize()
    return {
        name: spread([start.elapsed_time(end) / 1e3 / times for start, end in pairs])
        for name, pairs in events.items()
    }


def measure(case: Case) -> dict[str, Any]:
    """Seconds of all sides, by pass, launched one by one and in a CUDA graph."""
    sides = {"ours": case.ours}
    if case.peer:
        sides["eager"] = case.peer
        check(case, case.peer)
    if case.peer and case.fixed and case.name["batch"] == BATCHES[-1]:
        torch._dynamo.reset()
        sides["compiled"] = torch.compile(case.peer, dynamic=False)
    found: dict[str, Any] = {**case.name, "floor_bytes": case.bytes, "input_sets": len(case.sets)}
    for what, run in zip(PASSES, (call_all, step_all), strict=True):
        calls = {name: functools.partial(run, side, case) for name, side in sides.items()}
        launched = take_turns(calls, len(case.sets))
        kept = {name: call for name, call in calls.items() if case.fixed or name == "ours"}
        graphs = {name: captured(call) for name, call in kept.items()}
        found[what] = {"launched": launched, "graph": take_turns(graphs, len(case.sets))}
        del graphs
        torch.cuda.empty_cache()
    print(".", end="", flush=True)
    return found


def check(case: Case, peer: Callable[..., Tensor]) -> None:
    """Raise where the sides do not agree."""
    values = case.sets[0]
    with torch.no_grad():
        ours, wanted = case.ours(*values), peer(*values)
    error = float((ours - wanted).abs().max() / wanted.abs().max())
    if not error <= ACCURACY[ours.dtype]:
        raise RuntimeError(f"the sides must agree on {case.name}, but differ by {error:.1e}")


def copy_rate() -> float:
    """Bytes per second, read and written, of a large copy."""
    source, target = (torch.ones(COPY // 4, device=DEVICE) for _ in range(2))
    return 2 * COPY / take_turns({"copy": lambda: target.copy_(source)})["copy"]["median"]


def measure_all() -> list[dict[str, Any]]:
    """Rows of the table."""
    rows, levels = [], paper_levels()
    spirals = {(v, length): spiral_sequences(sphere(v), length) for v, _, _ in LAYERS for length in LENGTHS}
    for layer in LAYERS:
        for length in LENGTHS:
            for batch in BATCHES:
                case = convolution(layer, length, batch, spirals[layer[0], length], torch.float32)
                rows.append(measure(case))
        case = convolution(layer, LENGTHS[0], BATCHES[-1], spirals[layer[0], LENGTHS[0]], torch.bfloat16)
        rows.append(measure(case))
    for level in reversed(range(len(levels.down))):
        for batch in BATCHES:
            rows.append(measure(block(levels, level, batch, torch.float32)))
        rows.append(measure(block(levels, level, BATCHES[-1], torch.bfloat16)))
    rows += [measure(decoder(levels, batch)) for batch in BATCHES]
    rows += [measure(case) for batch in gpu_pictures.BATCHES for case in gpu_pictures.pictures(batch)]
    print()
    return rows


def ratio(row: dict[str, Any], what: str, how: str, side: str) -> float | None:
    """How many times as fast as another side ours is, None where that was not timed."""
    times = row[what][how]
    return times[side]["median"] / times["ours"]["median"] if side in times else None


def of_floor(row: dict[str, Any], what: str, how: str, rate: float) -> float:
    """The memory floor as a share of our time."""
    return row["floor_bytes"][what] / rate / row[what][how]["ours"]["median"]


def label(row: dict[str, Any]) -> str:
    """Op and sizes of a row."""
    if "layer" in row:
        sizes = f"{row['layer'][0]}, {'>'.join(map(str, row['layer'][1:]))}, L {row['length']}"
    else:
        sizes = f"{row['faces']} faces, {row['size'][0]} x {row['size'][1]}"
    kind = "" if row["type"] == "float32" else f", {row['type']}"
    return f"{row['op']} {sizes}, B {row['batch']}{kind}"


def show(rows: list[dict[str, Any]], rate: float) -> None:
    """Print a table for every pass and way of launching."""

    def cell(times: dict[str, float]) -> str:
        middle, low, high = (times[key] * 1e6 for key in ("median", "lower_quartile", "upper_quartile"))
        return f"{middle:,.1f} ({low:,.1f} to {high:,.1f})"

    header = ["", *SIDES, "floor", "of floor", "times eager"]
    for what in PASSES:
        for how in ("launched", "graph"):
            shown = []
            for row in rows:
                times = row[what][how]
                shown.append([label(row)])
                shown[-1] += [cell(times[side]) if side in times else "" for side in SIDES]
                shown[-1] += [f"{row['floor_bytes'][what] / rate * 1e6:,.1f}"]
                shown[-1] += [
                    f"{of_floor(row, what, how, rate):.2f}",
                    "" if (times_eager := ratio(row, what, how, "eager")) is None else f"{times_eager:.2f}",
                ]
            table(f"{what}, {how}: microseconds, median (quartiles)", header, shown)


def summary(rows: list[dict[str, Any]], rate: float) -> list[dict[str, Any]]:
    """Against the bars, forward in float32 at the largest batch: means, least, and the share of the floor."""
    lines = []
    for op in ("spiral_conv", "spiral_decode", "decoder"):
        chosen = [r for r in rows if (r["op"], r["batch"], r["type"]) == (op, BATCHES[-1], "float32")]
        for how in ("launched", "graph"):
            line: dict[str, Any] = {"op": op, "how": how}
            for side in SIDES[1:]:
                found = [times for row in chosen if (times := ratio(row, PASSES[0], how, side)) is not None]
                line[side] = {"mean": statistics.geometric_mean(found), "least": min(found)}
            line["floor"] = {
                str(row["layer"]): of_floor(row, PASSES[0], how, rate)
                for row in chosen
                if row["layer"] in FLOOR_LAYERS and row["length"] == LENGTHS[0]
            }
            lines.append(line)
    return lines


def show_summary(lines: list[dict[str, Any]]) -> None:
    shown = []
    for line in lines:
        sides = [f"{line[side]['mean']:.2f} ({line[side]['least']:.2f})" for side in SIDES[1:]]
        floor = ", ".join(f"{name}: {share:.2f}" for name, share in line["floor"].items())
        shown.append([line["op"], line["how"], *sides, floor])
    shown.append(["to hold", "", *(f"{BARS[side]:g}" for side in SIDES[1:]), f"{BARS['floor']:g}"])
    title = (
        f"forward, float32, batch {BATCHES[-1]}: times as fast, geometric mean (least), and share of floor"
    )
    table(title, ["op", "", "eager", "compiled", "floor of the last two layers"], shown)


def main() -> int:
    if not torch.cuda.is_available():
        print("bench_gpu.py times CUDA kernels, but PyTorch sees no CUDA device here.", file=sys.stderr)
        return 2
    rate = copy_rate()
    rows = measure_all()
    show(rows, rate)
    lines = summary(rows, rate)
    show_summary(lines)
    settings = {"warm_up": WARM_UP, "rounds": ROUNDS, "cuda": torch.version.cuda, "bars": BARS}
    content = {"settings": settings, "copy_bytes_per_second": rate, "summary": lines, "rows": rows}
    print(f"written: {write_results('bench_gpu', content)}")
    return 0


if __name__ == "__main__":
    take_no_arguments(__doc__)
    sys.exit(main())
