"""The quadratic programme behind the weight solver: weights in a box, coupled in time."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError

TOLERANCE = 1e-6
"""How far a weight would still go, at most, if all others stood still: the KKT conditions in weights."""
MOST_STEPS = 20_000
_CHECKED_EVERY = 10
_FLOOR = 1e-12
"""Of the largest curvature: a shape that moves nothing is not divided by zero."""


def curvature_scale(gram: Tensor) -> Tensor:
    """(K,) square roots of the diagonal of (K, K) inner products, above zero."""
    diagonal = gram.diagonal()
    most = float(diagonal.max())
    return diagonal.clamp(min=_FLOOR * most if most else 1.0).sqrt()


def _bending(track: Tensor) -> Tensor:
    """Gradient (T, K) of half the sum of squared differences between neighbouring frames."""
    step = track.diff(dim=0)
    edge = step.new_zeros(1, step.shape[1])
    return torch.cat([edge, step]) - torch.cat([step, edge])


def bounded_weights(
    curvature: Tensor,
    pull: Tensor,
    scale: Tensor,
    bounds: tuple[Tensor, Tensor],
    smoothness: float,
    start: Tensor,
) -> Tensor:
    """The weights (T, K) within bounds that minimise a convex quadratic function.

    It is the sum over frames of ``w H w / 2 - pull w``, plus ``smoothness / 2`` times the sum over
    neighbouring frames of ``(scale * (w' - w))^2``. Accelerated projected gradient (Beck and Teboulle 2009),
    restarted where momentum points uphill (O'Donoghue and Candes 2015), in weights times ``scale``. It ends
    where the Karush-Kuhn-Tucker conditions hold to :data:`TOLERANCE`; the same input gives the same bits.

    Args:
        curvature: H, (K, K) for all frames or (T, K, K), positive definite.
        pull: (T, K).
        scale: (K,) above zero, best the square roots of H's diagonal.
        bounds: lower and upper ones (K,).
        smoothness: of neighbouring frames, 0 or more.
        start: (T, K) where the search begins.

    Raises:
        InputError: no end within :data:`MOST_STEPS`, which a basis of nearly equal shapes brings about, or a
            smoothness of thousands.
    """
    hessian = curvature / scale[:, None] / scale
    pull, low, high = pull / scale, bounds[0] * scale, bounds[1] * scale
    step = 1 / (torch.linalg.eigvalsh(hessian)[..., -1:] + 4 * smoothness)

    def gradient(point: Tensor) -> Tensor:
        curved = point @ hessian if hessian.ndim == 2 else (hessian @ point[..., None])[..., 0]
        return curved + smoothness * _bending(point) - pull

    point = ahead = (start * scale).clamp(low, high)
    pace = 1.0
    for index in range(MOST_STEPS):
        if index % _CHECKED_EVERY == 0:
            left = point - (point - gradient(point)).clamp(low, high)
            if float((left / scale).abs().max()) <= TOLERANCE:
                return point / scale
        reached = (ahead - step * gradient(ahead)).clamp(low, high)
        if float(((ahead - reached) * (reached - point)).sum()) > 0:
            pace = 1.0
        faster = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = reached + (pace - 1) / faster * (reached - point)
        point, pace = reached, faster
    raise InputError(
        f"weights must settle within {MOST_STEPS} steps, and did not with smoothness {smoothness:g}; bring "
        "that nearer to 1, raise sparsity, or leave out shapes that say the same as others"
    )
