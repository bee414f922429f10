"""A fixed linear basis of motion."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_finite, check_range, check_shape

_SPARE = 16
_PASSES = 6


class PrincipalComponents(nn.Module):
    """Mean, leading principal components and their standard deviations; nothing in it is learned by gradient.

    Args:
        vertex_count: vertices V.
        count: components K.

    Buffers:
        mean (V, 3); components (K, V, 3), orthonormal; deviation (K,), largest first.
    """

    mean: Tensor
    components: Tensor
    deviation: Tensor

    def __init__(self, vertex_count: int, count: int = 64) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(vertex_count, 3))
        self.register_buffer("components", torch.zeros(count, vertex_count, 3))
        self.register_buffer("deviation", torch.ones(count))

    def encode(self, samples: Tensor) -> Tensor:
        """Coefficients (..., K) of samples (..., V, 3), in standard deviations."""
        centred = (samples - self.mean).flatten(-2)
        scale = torch.where(self.deviation > 0, 1 / self.deviation, torch.zeros_like(self.deviation))
        return centred @ self.components.flatten(1).T * scale

    def decode(self, coefficients: Tensor) -> Tensor:
        """Samples (..., V, 3) from coefficients (..., K) in standard deviations."""
        flat = (coefficients * self.deviation) @ self.components.flatten(1)
        return self.mean + flat.unflatten(-1, (-1, 3))

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"components={len(self.deviation)}, vertices={len(self.mean)}"

    @torch.no_grad()
    def fit(self, samples: Callable[[], Iterable[Tensor]], seed: int = 0) -> PrincipalComponents:
        """Find the components by subspace iteration: a few passes over samples that need not fit in memory.

        Args:
            samples: called once per pass; yields blocks (N, V, 3), the same ones in every pass.
            seed: of the starting subspace.

        Raises:
            InputError: no more samples than components, more components than coordinates, another number of
                vertices, a sample that is not finite.
        """
        wanted = len(self.deviation)
        check_range("components", wanted, 1, self.mean.numel())
        total, count = torch.zeros_like(self.mean, dtype=torch.float64), 0
        for block in samples():
            check_shape("samples", block, (None, *self.mean.shape))
            check_finite("samples", block)
            total += block.sum(dim=0, dtype=torch.float64)
            count += len(block)
        if count <= wanted:
            raise InputError(f"{wanted} components need more than {wanted} samples, got {count}")
        self.mean.copy_(total / count)
        basis = torch.randn(
            self.mean.numel(),
            min(wanted + _SPARE, self.mean.numel()),
            generator=torch.Generator().manual_seed(seed),
        ).to(self.mean)
        for _ in range(_PASSES):
            basis = self._spread(samples, torch.linalg.qr(basis).Q)
        self._finish(samples, torch.linalg.qr(basis).Q, count)
        return self

    def _spread(self, samples: Callable[[], Iterable[Tensor]], basis: Tensor) -> Tensor:
        """The covariance, unscaled, applied to a basis (3V, K)."""
        result = torch.zeros_like(basis)
        for block in samples():
            centred = (block.to(self.mean) - self.mean).flatten(1)
            result += centred.T @ (centred @ basis)
        return result

    def _finish(self, samples: Callable[[], Iterable[Tensor]], basis: Tensor, count: int) -> None:
        """Turn the subspace so that its axes are the components."""
        small = basis.T @ self._spread(samples, basis)
        values, axes = torch.linalg.eigh((small + small.T) / 2)
        order = torch.arange(len(values) - 1, -1, -1)[: len(self.deviation)]
        components = (basis @ axes[:, order]).T
        largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
        self.components.copy_((components * largest.sign()).view_as(self.components))
        self.deviation.copy_((values[order].clamp(min=0) / count).sqrt())
