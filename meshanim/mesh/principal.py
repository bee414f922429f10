"""Few shapes for much motion: principal components of displacements, to within a stated error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError

MOST_COMPONENTS = 1024
"""Beyond this many shapes a file helps nobody, and the search for them no longer fits into memory."""
LADDER = 32
"""Numbers of components that are tried, at most."""

Walk = Callable[[int], Iterable[Tensor]]
"""Gives the positions in chunks (n, V, 3), in metres, on the first walk (0) and on the second (1)."""


class PrincipalShapes(NamedTuple):
    """Displacements (K, V, 3), weights (T, K), and the largest distance in metres that they leave."""

    basis: Tensor
    weights: Tensor
    error: float


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


def _moved(rest: Tensor, chunk: Tensor) -> Tensor:
    """(n, D) displacements of (n, V, 3) positions of any floating type, in float32."""
    return (chunk.flatten(1) - rest).to(torch.float32)


def _directions(rest: Tensor, chunks: Iterable[Tensor], floor: float) -> Tensor:
    """(r, D) orthonormal directions that hold the motion, the strongest first."""
    rows = torch.zeros(0, len(rest), dtype=torch.float32)
    for chunk in chunks:
        rows = _grow(rows, _moved(rest, chunk), floor)
    if len(rows) == 0:
        return rows
    return torch.linalg.qr(rows.mT.to(torch.float64)).Q.mT.to(torch.float32)


def _weights_and_errors(
    rest: Tensor, chunks: Iterable[Tensor], directions: Tensor
) -> tuple[Tensor, Tensor, int]:
    """(T, r) weights; the largest error with the first 0, step, 2 step ... directions; and the step."""
    step = max(1, math.ceil(len(directions) / LADDER))
    errors = torch.zeros(1 + math.ceil(len(directions) / step))
    weights = []
    for chunk in chunks:
        left = _moved(rest, chunk)
        weights.append(left @ directions.mT)
        for rung in range(len(errors)):
            if rung:
                span = slice((rung - 1) * step, rung * step)
                left = left - weights[-1][:, span] @ directions[span]
            distance = torch.linalg.vector_norm(left.view(len(chunk), -1, 3), dim=2).max()
            errors[rung] = torch.maximum(errors[rung], distance)
    return torch.cat(weights), errors, step


def principal_shapes(neutral: Tensor, walk: Walk, max_error: float) -> PrincipalShapes:
    """As few principal components of a motion as keep every vertex within ``max_error`` metres.

    Two walks by chunks: an incremental singular value decomposition of the displacements from the neutral,
    then weights and the error really made. Directions are kept far below the tolerance at first, since many
    small ones may add up; where that still was not enough, the walks are repeated with finer ones.

    Args:
        neutral: (V, 3) in metres.
        walk: called for each walk.
        max_error: in metres.

    Raises:
        InputError: more than :data:`MOST_COMPONENTS` are needed.
    """
    rest = neutral.flatten()
    for floor in (max_error / 10, max_error / 100, 0.0):
        directions = _directions(rest, walk(0), floor)
        weights, errors, step = _weights_and_errors(rest, walk(1), directions)
        enough = (errors <= max_error).nonzero()
        if len(enough):
            break
    rung = int(enough[0]) if len(enough) else len(errors) - 1
    # Motion that is none still has one shape, so that readers find its weights and its length.
    count = max(1, min(rung * step, len(directions)))
    if len(directions) == 0:
        directions, weights = torch.zeros(1, directions.shape[1]), torch.zeros(len(weights), 1)
    basis = directions[:count].view(count, -1, 3)
    return PrincipalShapes(basis, weights[:, :count], float(errors[rung]))
