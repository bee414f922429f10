"""The similarity, or the rigid motion, that takes one set of points to another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import check_shape


class Similarity(NamedTuple):
    """Turn, scale and shift: takes p to ``scale * rotation @ (p - source) + target``.

    ``rotation`` (..., 3, 3) is proper, ``scale`` (...) not negative, ``source`` (3,) and ``target`` (..., 3)
    are mean points.
    """

    rotation: Tensor
    scale: Tensor
    source: Tensor
    target: Tensor

    @property
    def linear(self) -> Tensor:
        """(..., 3, 3): scale times rotation."""
        return self.scale[..., None, None] * self.rotation

    @property
    def translation(self) -> Tensor:
        """(..., 3): where the origin goes."""
        return self.target - self.linear @ self.source

    def point(self, place: Tensor) -> Tensor:
        """Where a point (3,) goes: (..., 3)."""
        return (self.linear @ (place - self.source)) + self.target

    def direction(self, axis: Tensor) -> Tensor:
        """Where a unit vector (3,) points: (..., 3), of unit length."""
        return self.rotation @ axis


def fit_similarity(
    source: Tensor, target: Tensor, scaled: bool = True, shares: Tensor | None = None
) -> Similarity:
    """The similarity that best takes points (N, 3) to (..., N, 3) in least squares (Umeyama 1991).

    Its numbers have the target's floating type.

    Args:
        source: (N, 3), not all on a line.
        target: (..., N, 3).
        scaled: with a scale; else turn and shift only.
        shares: (N,) how much each point counts, not negative; all alike without them.
    """
    check_shape("source", source, (None, 3))
    check_shape("target", target, tuple(source.shape), batched=True)
    first, second = source.double(), target.double()
    if shares is None:
        shares = first.new_ones(len(first))
    check_shape("shares", shares, (len(first),))
    part = (shares.double() / shares.double().sum())[:, None]
    middle, end = (part * first).sum(dim=0), (part * second).sum(dim=-2)
    arm = first - middle
    u, size, vt = torch.linalg.svd((second - end[..., None, :]).mT @ (part * arm))
    handed = torch.ones_like(size)
    handed[..., 2] = torch.linalg.det(u @ vt).sign()
    rotation, scale = (u * handed[..., None, :]) @ vt, torch.ones_like(size[..., 0])
    if scaled:
        scale = (size * handed).sum(dim=-1) / (part * arm.square()).sum()
    return Similarity(*(part.to(target) for part in (rotation, scale, middle, end)))
