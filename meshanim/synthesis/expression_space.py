"""What a speech model predicts: expressions, a code from which ARKit's weights can be read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meshanim._check import check_range, check_shape
from meshanim.faces.arkit import ARKIT_NAMES

_LEAST = 0.05
"""Deviation that a direction is scaled by at least, so that what hardly moves weighs little."""


class ExpressionSpace(nn.Module):
    r"""Expressions :math:`e \in R^E` and the ARKit weights :math:`w = \bar w + e M` that they stand for.

    The rows of M are the principal directions of weights seen in training, in order of their spread, each as
    long as that spread: coordinates of seen expressions have unit variance. Where E is more than the
    directions that move, the other rows are zero: room that ARKit's units do not use.

    Args:
        size: E; 64 in Huang et al. 2023.

    Buffers:
        mean: (52,) weights of the expression 0, in the order of ARKIT_NAMES.
        directions: (E, 52), M.
        inverse: (52, E) back, the pseudo-inverse of M.
    """

    mean: Tensor
    directions: Tensor
    inverse: Tensor

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        check_range("size", size, 1)
        self.size = size
        units = len(ARKIT_NAMES)
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("directions", torch.eye(size, units))
        self.register_buffer("inverse", torch.eye(units, size))

    @torch.no_grad()
    def fit(self, weights: Tensor) -> None:
        """Measure mean and directions on ARKit weights (N, 52)."""
        check_shape("weights", weights, (None, len(ARKIT_NAMES)))
        exact = weights.double()
        mean = exact.mean(dim=0)
        spread, axes = torch.linalg.eigh(torch.cov(exact.T, correction=0))
        order = spread.argsort(descending=True)[: self.size]
        deviation, axes = spread[order].clamp(min=0).sqrt(), axes[:, order]
        # the sign of an eigenvector is left open: the largest part points up, on every machine
        axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
        scale = deviation.clamp(min=_LEAST)
        self.mean.copy_(mean)
        self.directions.zero_()[: len(order)] = (axes * scale).T
        self.inverse.zero_()[:, : len(order)] = axes / scale

    def encode(self, weights: Tensor) -> Tensor:
        """Expressions (..., E) of ARKit weights (..., 52)."""
        return (weights - self.mean) @ self.inverse

    def forward(self, expression: Tensor) -> Tensor:
        """ARKit weights (..., 52) of expressions (..., E), as they come: not yet within [0, 1]."""
        return self.mean + expression @ self.directions

    def extra_repr(self) -> str:
        """Size."""
        return f"{self.size}"
