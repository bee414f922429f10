"""From vertices to blendshape weights: bounded least squares, smooth in time and sparse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_range, check_shape
from meshanim.mesh.blendshapes import Blendshapes
from meshanim.mesh.bounded_weights import bounded_weights, curvature_scale

SMOOTHNESS = SPARSITY = 1e-5
"""What decides where the vertices do not; little enough to leave true weights within some thousandths."""
_RIDGE = 1e-6
"""Of a shape's own curvature, added to it: of two equal shapes, each takes half."""
_MILLIMETRES = 1000.0
_CHUNK = 64

Bounds = tuple[float | Tensor, float | Tensor]


class SolvedWeights(NamedTuple):
    """Weights (T, K), and each frame's mean and largest distance (T,) in mm between vertex and basis."""

    weights: Tensor
    mean_mm: Tensor
    largest_mm: Tensor


class WeightSolver:
    """Finds the weights of a basis that explain vertices, which come in chunks.

    Minimises, over all frames t of a sequence together::

        sum_t |x_t - rest - w_t B|^2 / 2
            + smoothness / 2 sum_t sum_k g_k (w_{t+1,k} - w_{t,k})^2 + sparsity sum_t sum_k g_k w_{t,k}

    with w within bounds and g_k the squared length of shape k; sparsity leaves shapes alone whose weight may
    be negative. Of a frame only its K products with the shapes are kept. A shape that overlaps with no other
    loses ``sparsity`` of its weight, and its curve is smoothed over sqrt(smoothness) frames; shapes that
    nearly say the same as others, such as a jaw to the left and one to the right, are held more.

    Args:
        basis: K shapes of V vertices.
        bounds: lowest and highest weight, numbers or (K,).
        smoothness: 0 or more; 0.01 to 1 for noisy vertices.
        sparsity: 0 or more; 0.001 to 0.1 where too many shapes take part.

    Raises:
        InputError: a negative setting, or bounds that leave no weight between them.
    """

    def __init__(
        self,
        basis: Blendshapes,
        bounds: Bounds = (0.0, 1.0),
        smoothness: float = SMOOTHNESS,
        sparsity: float = SPARSITY,
    ) -> None:
        check_range("smoothness", smoothness, 0)
        check_range("sparsity", sparsity, 0)
        self.basis, self.smoothness, self.sparsity = basis, smoothness, sparsity
        self.scale = curvature_scale(basis.gram)
        for bound in map(torch.as_tensor, bounds):
            check_shape("bounds", bound, (len(basis.names),) if bound.ndim else ())
        low, high = (torch.as_tensor(bound).double().expand(len(basis.names)) for bound in bounds)
        if not bool((low <= high).all()):  # as of NaN
            raise InputError("bounds must be lowest weights, then highest, got some the other way round")
        self.bounds = low, high

    def __repr__(self) -> str:
        return f"WeightSolver({self.basis!r}, smoothness={self.smoothness:g}, sparsity={self.sparsity:g})"

    def weights(self, chunks: Iterable[Tensor]) -> Tensor:
        """Weights (T, K) float64 of the frames that come in chunks (n, V, 3), in metres.

        Raises:
            InputError: no frame, another number of vertices, or a frame that is not finite.
        """
        products: list[Tensor] = []
        for chunk in chunks:
            products.append(self.basis.project(chunk))
            check_frames(chunk, sum(map(len, products[:-1])))
        if sum(map(len, products)) == 0:
            raise InputError("vertices must have at least one frame, got none")
        pull = torch.cat(products)
        return self.minimise(self.basis.gram, pull, torch.zeros_like(pull))

    def minimise(self, curvature: Tensor, pull: Tensor, start: Tensor) -> Tensor:
        """Weights (T, K) for other curvature, (K, K) or (T, K, K), and products than a linear basis has."""
        own = self.scale.square()
        away = torch.where(self.bounds[0] < 0, 0.0, self.sparsity)
        curvature = curvature + torch.diag(_RIDGE * own)
        return bounded_weights(curvature, pull - away * own, self.scale, self.bounds, self.smoothness, start)


def check_frames(chunk: Tensor, start: int) -> None:
    """Raise where a frame of (n, V, 3), whose first is frame ``start``, is not finite, naming it."""
    finite = torch.isfinite(chunk).flatten(1).all(1)
    if not bool(finite.all()):
        frame = start + int((~finite).nonzero()[0])
        raise InputError(f"vertices must be finite, got a NaN or an infinity in frame {frame}")


def distances_mm(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and largest distance (T,) in mm between vertices (T, V, 3)."""
    distance = torch.linalg.vector_norm(found - wanted, dim=2) * _MILLIMETRES
    return distance.mean(dim=1), distance.amax(dim=1)


def solve_weights(
    vertices: Tensor,
    basis: Blendshapes,
    bounds: Bounds = (0.0, 1.0),
    smoothness: float = SMOOTHNESS,
    sparsity: float = SPARSITY,
) -> SolvedWeights:
    """Weights of a basis that explain vertices (T, V, 3) in metres, and what they leave; see the solver.

    Raises:
        InputError: as :class:`WeightSolver`.
    """
    check_shape("vertices", vertices, (None, None, 3))
    chunks = vertices.split(_CHUNK)
    weights = WeightSolver(basis, bounds, smoothness, sparsity).weights(chunks)
    pieces = zip(weights.split(_CHUNK), chunks, strict=True)
    errors = [distances_mm(basis.vertices(part), chunk) for part, chunk in pieces]
    mean, largest = (torch.cat(part) for part in zip(*errors, strict=True))
    return SolvedWeights(weights.float(), mean, largest)
