"""Pictures as networks see them."""

from __future__ import annotations

from torch import Tensor

from meshanim._check import check_shape


def to_network(frames: Tensor) -> Tensor:
    """(..., 3, H, W) float32 in [-1, 1] of (..., H, W, 3) uint8."""
    check_shape("frames", frames, (None, None, 3), batched=True)
    return frames.movedim(-1, -3).float() / 127.5 - 1


def from_network(pictures: Tensor) -> Tensor:
    """(..., H, W, 3) uint8 of (..., 3, H, W) in [-1, 1]; what lies beyond is cut off."""
    check_shape("pictures", pictures, (3, None, None), batched=True)
    scaled = (pictures.detach().movedim(-3, -1) + 1) * 127.5
    return scaled.round().clamp(0, 255).byte()
