"""Spiral convolution on a CPU with two threads: our op, what SpiralNet++ does, that compiled, and ChebConv.

The reference is ``index_select`` and ``linear``; ``torch.compile`` of it and torch-geometric's ``ChebConv``
(K = 6, as CoMA has it) are timed at spiral length 9. All sides of a row take turns in one process after ten
warm-up calls each; in every turn a side is called twice and the second call timed, since the first finds the
caches and the second thread as its neighbour left them (after ChebConv's long stretches on one thread: cold
and asleep). Spirals are those of a sphere of exactly V vertices (a Fibonacci lattice and its convex
hull, numbered along the lattice), so that a fresh clone measures the same; features are random normal.

glibc gives blocks above 32 MiB back at each ``free`` and maps them anew, which slows the reference's gathered
copy more than anything of ours. The table is therefore measured with that turned off; rows of batch 16 and
length 9 are measured with the default as well.

    python benchmarks/bench_spiral_conv.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from processes import KEPT_MEMORY, in_new_process
from report import by_instruction_set, spread, table, take_no_arguments, write_results
from spiral_layers import LAYERS, PASSES, Layer, floors, inputs, reference, sphere
from torch import Tensor

from meshanim.mesh import Mesh, spiral_sequences
from meshanim.ops import kernels_in_use, spiral_conv

LENGTHS, BATCHES = (9, 27), (1, 16)
THREADS, WARM_UP, ROUNDS, SECONDS, CHEBYSHEV = 2, 10, (5, 100), 0.6, 6
BARS = {"forward": 5.0, "forward and backward": 6.0, "every layer": 2.0}
ACCURACY = {"forward": 2e-6, "gradient of x": 2e-6, "gradient of weight": 1e-5}
Side = tuple[Callable[[], Tensor], tuple[Tensor, ...]]
Row = dict[str, Any]


def sides(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor) -> dict[str, Side]:
    """Ours and the reference, each as a call and the tensors that it is differentiated by."""
    flat, leaves = spirals.flatten(), (x, weight, bias)
    return {
        "ours": (lambda: spiral_conv(x, spirals, weight, bias), leaves),
        "reference": (lambda: reference(x, flat, weight, bias), leaves),
    }


def more_sides(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor, mesh: Mesh) -> dict[str, Side]:
    """The compiled reference, and ChebConv between the same widths."""
    from torch_geometric.nn import ChebConv

    torch._dynamo.reset()
    compiled = torch.compile(reference, dynamic=False)
    flat, edges = spirals.flatten(), mesh.topology.edges
    both = torch.cat((edges, edges.flip(1))).t().contiguous()
    chebyshev = ChebConv(x.shape[2], weight.shape[0], K=CHEBYSHEV)
    return {
        "compiled": (lambda: compiled(x, flat, weight, bias), (x, weight, bias)),
        "ChebConv": (lambda: chebyshev(x, both), (x, *chebyshev.parameters())),
    }


def take_turns(calls: dict[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """Seconds of each call."""
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    end, done = time.perf_counter() + SECONDS, 0
    while done < ROUNDS[0] or (done < ROUNDS[1] and time.perf_counter() < end):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
        done += 1
    return {name: spread(times) for name, times in seconds.items()}


def step(side: Side, direction: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """Forward and backward."""
    call, leaves = side
    return lambda: torch.autograd.grad(call(), leaves, direction)


def measure(layer: Layer, length: int, batch: int, mesh: Mesh, more: bool) -> Row:
    """Seconds of every side, by pass."""
    spirals = spiral_sequences(mesh, length)
    assert spirals.shape == (layer[0], length) and bool((spirals >= 0).all())
    x, weight, bias, direction = inputs(layer, length, batch)
    found = sides(x, spirals, weight, bias)
    if more:
        found |= more_sides(x, spirals, weight, bias, mesh)
    with torch.no_grad():
        forward = take_turns({name: call for name, (call, _) in found.items()})
    steps = {name: step(side, direction) for name, side in found.items()}
    return dict(zip(PASSES, (forward, take_turns(steps)), strict=True))


def measure_rows(settings: list[tuple[Layer, int, int]], more: bool) -> list[Row]:
    """All rows, in this process."""
    torch.set_num_threads(THREADS)
    meshes = {vertices: sphere(vertices) for vertices, _, _ in LAYERS}
    rows = []
    for layer, length, batch in settings:
        mesh, others = meshes[layer[0]], more and length == LENGTHS[0]
        rows.append({"layer": layer, "length": length, "batch": batch, "floor": floors(layer, length, batch)})
        rows[-1]["seconds"] = measure(layer, length, batch, mesh, others)
    return rows


def rates() -> dict[str, float]:
    """Operations per second of a large matrix product, bytes per second (both ways) of a large copy."""
    torch.set_num_threads(THREADS)
    a, b, c = (torch.randn(1536, 1536) for _ in range(3))
    source, target = torch.zeros(1 << 25), torch.zeros(1 << 25)
    calls = {"product": lambda: torch.mm(a, b, out=c), "copy": lambda: target.copy_(source)}
    seconds = {name: times["median"] for name, times in take_turns(calls).items()}
    return {"operations": 2 * 1536**3 / seconds["product"], "bytes": 2 * 4 * (1 << 25) / seconds["copy"]}


def accuracy() -> dict[str, dict[str, float]]:
    """Relative errors against float64, at the most vertices and the largest batch."""
    torch.set_num_threads(THREADS)
    return {f"{layer[1]}>{layer[2]}": layer_accuracy(layer) for layer in LAYERS if layer[0] == LAYERS[-1][0]}


def layer_accuracy(layer: Layer) -> dict[str, float]:
    spirals = spiral_sequences(sphere(layer[0]), LENGTHS[0])
    x, weight, bias, direction = inputs(layer, LENGTHS[0], BATCHES[-1])
    y = spiral_conv(x, spirals, weight, bias)
    grad_x, grad_weight, _ = torch.autograd.grad(y, (x, weight, bias), direction)
    found = (y, grad_x, grad_weight)
    leaves = [leaf.detach().double().requires_grad_() for leaf in (x, weight, bias)]
    exact, exact_x, exact_weight = [], [], torch.zeros_like(leaves[1])
    for member in range(len(x)):  # the gathered copy of the whole batch in float64 would be 1 GB
        one = reference(leaves[0][member : member + 1], spirals.flatten(), *leaves[1:])
        gradients = torch.autograd.grad(one, leaves[:2], direction[member : member + 1].double())
        exact.append(one.detach())
        exact_x.append(gradients[0][member : member + 1])
        exact_weight += gradients[1]
    wanted = (torch.cat(exact), torch.cat(exact_x), exact_weight)
    errors = ((a.detach() - b).abs().max() / b.abs().max() for a, b in zip(found, wanted, strict=True))
    return dict(zip(ACCURACY, map(float, errors), strict=True))


def ratios(rows: list[Row], what: str, side: str = "reference") -> list[float]:
    """How many times as fast as another side ours is, row by row."""
    passes = [row["seconds"][what] for row in rows]
    return [times[side]["median"] / times["ours"]["median"] for times in passes if side in times]


def in_microseconds(times: dict[str, float]) -> str:
    middle, low, high = (times[key] * 1e6 for key in ("median", "lower_quartile", "upper_quartile"))
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"


def floor(row: Row, what: str, rate: dict[str, float]) -> float:
    """Seconds that the operations take at the product's rate, or the bytes at the copy's."""
    least = row["floor"][what]
    return max(least["operations"] / rate["operations"], least["bytes"] / rate["bytes"])


def show(title: str, rows: list[Row], rate: dict[str, float]) -> None:
    """Print the table of one pass after the other."""
    names = list(dict.fromkeys(name for row in rows for name in row["seconds"][PASSES[0]]))
    for what in PASSES:
        shown = []
        for row in rows:
            times, least = row["seconds"][what], floor(row, what, rate)
            vertices, channels, outputs = row["layer"]
            shown.append([f"{vertices}, {channels}>{outputs}, L {row['length']}, B {row['batch']}"])
            shown[-1] += [in_microseconds(times[name]) if name in times else "" for name in names]
            shown[-1] += [f"{least * 1e6:,.0f}", f"{ratios([row], what)[0]:.2f}"]
        table(
            f"{title}: {what}, microseconds, median (quartiles)", ["layer", *names, "floor", "times"], shown
        )


def summary(rows: list[Row], rate: dict[str, float]) -> dict[str, dict[str, float]]:
    """Geometric mean and least of the ratios to the reference, and what the mean were at the floors."""
    found = {}
    for what in PASSES:
        times = ratios(rows, what)
        best = [row["seconds"][what]["reference"]["median"] / floor(row, what, rate) for row in rows]
        mean, at_the_floors = map(statistics.geometric_mean, (times, best))
        found[what] = {"mean": mean, "least": min(times), "at_the_floors": at_the_floors}
    return found


def main() -> None:
    settings = [(layer, length, batch) for layer in LAYERS for length in LENGTHS for batch in BATCHES]
    some = [(layer, LENGTHS[0], BATCHES[-1]) for layer in LAYERS]
    rate = in_new_process(rates, environment=KEPT_MEMORY)
    rows = in_new_process(measure_rows, settings, True, environment=KEPT_MEMORY)
    default_rows = in_new_process(measure_rows, some, False)
    errors = in_new_process(accuracy, environment=KEPT_MEMORY)
    show("memory kept", rows, rate)
    show("glibc's default", default_rows, rate)
    means = summary(rows, rate)
    shown = [
        [
            *(what, f"{found['mean']:.2f}", f"{BARS[what]:g}", f"{found['at_the_floors']:.2f}"),
            *(f"{found['least']:.2f}", f"{BARS['every layer']:g}"),
        ]
        for what, found in means.items()
    ]
    header = ["pass", "geometric mean", "to hold", "at the floors", "least", "to hold"]
    table(f"times as fast as the reference, {len(rows)} rows", header, shown)
    shown = [[name, *(f"{error:.1e}" for error in found.values())] for name, found in errors.items()]
    shown.append(["to hold", *(f"{bar:.0e}" for bar in ACCURACY.values())])
    table(f"relative error, {LAYERS[-1][0]} vertices, batch {BATCHES[-1]}", ["layer", *ACCURACY], shown)
    content = {
        "settings": {
            "threads": THREADS,
            "warm_up": WARM_UP,
            "kernels": kernels_in_use(),
            "malloc": KEPT_MEMORY,
        },
        "rates": rate,
        "rows": rows,
        "default_malloc": default_rows,
        "times_as_fast": means,
        "relative_error": errors,
        "bars": {**BARS, **ACCURACY},
    }
    print(f"written: {write_results(by_instruction_set('bench_spiral_conv'), content)}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
