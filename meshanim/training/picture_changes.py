"""Changes to a picture whose effect on the positions in it is known: one drawn face becomes many."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TURN, SIZE, SHIFT = 0.2, 0.12, 0.06
"""Standard deviations of the turn in radians and of the logarithm of the size; shift in half pictures."""
LEVEL, TINT, GAMMA, NOISE = 0.15, 0.07, 0.2, 0.02
"""Standard deviations of logarithms: brightness, single channels, gamma; and most noise, one being white."""


def varied(images: Tensor, positions: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures mirrored or not, cut out otherwise, in other colours, and where their vertices are now.

    What is random comes from PyTorch's own state.

    Args:
        images: (B, S, S, 3) as displayed, in [0, 1].
        positions: (B, V, 3) in the pictures, see :func:`meshanim.rendering.picture_positions`.
        mirror: (V,) the vertex on the other side of the face for each one.
    """
    flipped = torch.rand(len(images), 1, 1) < 0.5
    positions = torch.where(flipped, positions[:, mirror] * positions.new_tensor([-1.0, 1, 1]), positions)
    images = torch.where(flipped[..., None], images.flip(2), images)
    images, positions = _moved(images, positions)
    level = torch.exp(LEVEL * torch.randn(len(images), 1, 1, 1) + TINT * torch.randn(len(images), 1, 1, 3))
    gamma = torch.exp(GAMMA * torch.randn(len(images), 1, 1, 1))
    noise = NOISE * torch.rand(len(images), 1, 1, 1) * torch.randn(images.shape)
    return (level * images.clamp(min=1e-4) ** gamma + noise).clamp(0, 1), positions


def _moved(images: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Turned, resized and shifted in their plane; depth is resized alike."""
    count = len(images)
    angle, size = TURN * torch.randn(count), torch.exp(SIZE * torch.randn(count))
    shift = SHIFT * (2 * torch.rand(count, 1, 2) - 1)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
    flat = size[:, None, None] * (positions[..., :2] @ turn.mT) + shift
    moved = torch.cat([flat, size[:, None, None] * positions[..., 2:]], dim=-1)
    # The sampler asks for the place in the old picture: the inverse.
    back = turn.mT / size[:, None, None]
    theta = torch.cat([back, -(back @ shift.mT)], dim=2)
    planes = images.permute(0, 3, 1, 2)
    grid = functional.affine_grid(theta, list(planes.shape), align_corners=False)
    planes = functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return planes.permute(0, 2, 3, 1), moved
