"""Motion as morph targets: the performance's own basis where that explains it, else principal components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshanim._check import check_finite
from meshanim._progress import Progress
from meshanim.export.frames import chunk_size, local_chunks
from meshanim.mesh.principal import principal_shapes
from meshanim.performance import Performance


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


def own_targets(performance: Performance, progress: Progress | None = None) -> Targets | None:
    """The performance's own basis, with the error of what is beyond it: the residual, or a mover's arcs.

    None where it has no basis.
    """
    weights, basis, residual = performance.weights, performance.basis, performance.residual
    if weights is None or basis is None:
        return None
    check_finite("basis", basis)
    error = 0.0
    if performance.mover is not None:
        for start, chunk in local_chunks(performance, progress):
            missed = chunk - performance.straight(start, start + len(chunk))
            error = max(error, float(torch.linalg.vector_norm(missed, dim=2).max()))
    elif residual is not None:
        for part in residual.split(chunk_size(performance)):
            check_finite("residual", part)
            error = max(error, float(torch.linalg.vector_norm(part, dim=2).max()))
    names = performance.weight_names
    return Targets(names, basis.detach(), weights.detach(), error, "basis of the performance")


def principal_targets(
    performance: Performance, max_error: float, progress: Progress | None = None
) -> Targets:
    """As few principal components of the motion as keep every vertex within ``max_error`` metres."""

    def walk(turn: int) -> Iterator[Tensor]:
        return (chunk for _, chunk in local_chunks(performance, progress, turn, 2))

    found = principal_shapes(performance.neutral.vertices, walk, max_error)
    names = tuple(f"component_{index + 1:03d}" for index in range(len(found.basis)))
    return scaled(Targets(names, *found, "principal components"))


def fitting_targets(
    performance: Performance, own: bool, max_error: float, progress: Progress | None = None
) -> Targets:
    """The performance's ``own`` targets where these are within ``max_error`` metres, else principal ones.

    Where a mover leaves the straight lines of targets, its named ones stay, and their error is told.
    """
    found = own_targets(performance, progress) if own else None
    if found is not None and (found.error <= max_error or performance.mover is not None):
        return found
    return principal_targets(performance, max_error, progress)


def scaled(targets: Targets) -> Targets:
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
    return Targets(names, basis, torch.eye(len(basis)).to(basis), 0.0, "frames")


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
