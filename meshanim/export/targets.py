"""Motion as morph targets: the performance's own basis where that explains it, else principal components."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite
from meshanim.export.frames import Progress, chunk_size, local_chunks
from meshanim.performance import Performance

MOST_COMPONENTS = 1024
"""Beyond this many targets a file helps nobody, and the search for them no longer fits into memory."""
LADDER = 32
"""Numbers of components that are tried, at most."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Displacements of the neutral, and how much of each a frame has.

    Args:
        names: K names.
        basis: (K, V, 3) displacements in metres.
        weights: (T, K).
        error: largest distance in metres between a vertex and its place by these targets, over all frames.
        kind: where they come from, in words.
    """

    names: tuple[str, ...]
    basis: Tensor
    weights: Tensor
    error: float
    kind: str


def own_targets(performance: Performance) -> Targets | None:
    """The performance's own basis, with the error that its residual leaves; None where it has none."""
    weights, basis, residual = performance.weights, performance.basis, performance.residual
    if weights is None or basis is None:
        return None
    check_finite("basis", basis)
    error = 0.0
    for part in () if residual is None else residual.split(chunk_size(performance)):
        check_finite("residual", part)
        error = max(error, float(torch.linalg.vector_norm(part, dim=2).max()))
    names = performance.weight_names
    return Targets(names, basis.detach(), weights.detach(), error, "basis of the performance")


def _grow(rows: Tensor, chunk: Tensor, floor: float) -> Tensor:
    """Merge (n, D) frames into (r, D) scaled principal directions; those weaker than ``floor`` are dropped.

    One step of an incremental singular value decomposition, by the Gram matrix of r + n rows.
    """
    stack = torch.cat([rows, chunk])
    wide = stack.to(torch.float64)
    energy, mixture = torch.linalg.eigh(wide @ wide.mT)
    strong = energy.flip(0) > max(floor, 1e-12) ** 2
    if int(strong.sum()) > MOST_COMPONENTS:
        raise InputError(
            f"the motion needs more than {MOST_COMPONENTS} morph targets; allow a larger max_error, "
            "or choose a format that holds every frame, such as .npz or .pc2"
        )
    return mixture.flip(1).mT[strong].to(stack.dtype) @ stack


def _directions(
    performance: Performance, floor: float, progress: Progress | None, turn: int, turns: int
) -> Tensor:
    """(r, D) orthonormal directions that hold the motion, the strongest first."""
    rest = performance.neutral.vertices.to(torch.float32).flatten()
    rows = torch.zeros(0, len(rest))
    for _, chunk in local_chunks(performance, progress, turn, turns):
        rows = _grow(rows, chunk.flatten(1) - rest, floor)
    if len(rows) == 0:
        return rows
    return torch.linalg.qr(rows.mT.to(torch.float64)).Q.mT.to(torch.float32)


def _weights_and_errors(
    performance: Performance, directions: Tensor, progress: Progress | None, turn: int, turns: int
) -> tuple[Tensor, Tensor, int]:
    """(T, r) weights; the largest error with the first 0, step, 2 step ... directions; and the step."""
    rest = performance.neutral.vertices.to(torch.float32).flatten()
    step = max(1, math.ceil(len(directions) / LADDER))
    errors = torch.zeros(1 + math.ceil(len(directions) / step))
    weights = []
    for _, chunk in local_chunks(performance, progress, turn, turns):
        left = chunk.flatten(1) - rest
        weights.append(left @ directions.mT)
        for rung in range(len(errors)):
            if rung:
                span = slice((rung - 1) * step, rung * step)
                left = left - weights[-1][:, span] @ directions[span]
            distance = torch.linalg.vector_norm(left.view(len(chunk), -1, 3), dim=2).max()
            errors[rung] = torch.maximum(errors[rung], distance)
    return torch.cat(weights), errors, step


def principal_targets(
    performance: Performance, max_error: float, progress: Progress | None = None
) -> Targets:
    """As few principal components of the motion as keep every vertex within ``max_error`` metres.

    Two walks by chunks: an incremental singular value decomposition of the displacements from the neutral,
    then weights and the error really made. Directions are kept far below the tolerance at first, since many
    small ones may add up; where that still was not enough, the walks are repeated with finer ones.
    """
    for floor in (max_error / 10, max_error / 100, 0.0):
        directions = _directions(performance, floor, progress, 0, 2)
        weights, errors, step = _weights_and_errors(performance, directions, progress, 1, 2)
        enough = (errors <= max_error).nonzero()
        if len(enough):
            break
    rung = int(enough[0]) if len(enough) else len(errors) - 1
    # A file whose head never moves still has one target, so that readers find its weights and its length.
    count = max(1, min(rung * step, len(directions)))
    if len(directions) == 0:
        directions, weights = torch.zeros(1, directions.shape[1]), torch.zeros(len(weights), 1)
    names = tuple(f"component_{index + 1:03d}" for index in range(count))
    basis = directions[:count].view(count, -1, 3)
    found = Targets(names, basis, weights[:, :count], float(errors[rung]), "principal components")
    return _scaled(found)


def fitting_targets(
    performance: Performance, own: bool, max_error: float, progress: Progress | None = None
) -> Targets:
    """The performance's ``own`` targets where these are within ``max_error`` metres, else principal ones."""
    found = own_targets(performance) if own else None
    if found is not None and found.error <= max_error:
        return found
    return principal_targets(performance, max_error, progress)


def _scaled(targets: Targets) -> Targets:
    """The same motion with weights whose largest absolute value is one, and positive."""
    low, high = targets.weights.amin(0), targets.weights.amax(0)
    scale = torch.where(-low > high, low, high)
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return replace(targets, basis=targets.basis * scale[:, None, None], weights=targets.weights / scale)


def frame_targets(performance: Performance, progress: Progress | None = None) -> Targets:
    """Every frame its own target, exact and large."""
    rest = performance.neutral.vertices.to(torch.float32)
    basis = torch.cat([chunk - rest for _, chunk in local_chunks(performance, progress)])
    names = tuple(f"frame_{index + 1:06d}" for index in range(len(basis)))
    return Targets(names, basis, torch.eye(len(basis)), 0.0, "frames")


def within_unit(targets: Targets) -> Targets:
    """The same motion with all weights in [0, 1].

    Blender clamps the value of a shape key that it imports to this range, so that weights below or above
    it would be lost there. What exceeds one or falls below zero goes to a target of its own, "jawOpen above
    1" or "jawOpen below 0", whose displacements are scaled to need no more than one.
    """
    names, basis, weights = list(targets.names), [targets.basis], [targets.weights.clamp(0, 1)]
    for words, extra, sign in (
        ("above 1", (targets.weights - 1).clamp(min=0), 1.0),
        ("below 0", (-targets.weights).clamp(min=0), -1.0),
    ):
        most = extra.amax(0)
        used = (most > 1e-7).nonzero()[:, 0]
        names += [f"{targets.names[index]} {words}" for index in used.tolist()]
        basis.append(targets.basis[used] * (sign * most[used])[:, None, None])
        weights.append(extra[:, used] / most[used])
    return replace(targets, names=tuple(names), basis=torch.cat(basis), weights=torch.cat(weights, dim=1))


def beyond_unit(targets: Targets) -> Targets:
    """Undo :func:`within_unit`: "jawOpen above 1" and "jawOpen below 0" go back into jawOpen."""
    names, basis, weights = list(targets.names), targets.basis, targets.weights.clone()
    kept = []
    for column, name in enumerate(names):
        base = next((name[: -len(words)] for words in (" above 1", " below 0") if name.endswith(words)), None)
        if base is None or base not in names:
            kept.append(column)
            continue
        own, extra = basis[names.index(base)].flatten(), basis[column].flatten()
        share = (own @ extra) / (own @ own).clamp(min=1e-30)
        if float((extra - share * own).abs().max()) > 1e-5 * float(extra.abs().max()):
            kept.append(column)
            continue
        weights[:, names.index(base)] += share * targets.weights[:, column]
    found = tuple(names[column] for column in kept)
    return replace(targets, names=found, basis=basis[kept], weights=weights[:, kept])
