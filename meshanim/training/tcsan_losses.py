"""Losses of TCSAN on the frames it draws (Chen et al. 2022, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.vision import PerceptualFeatures, upper_half

MOUTH = slice(66, 106), slice(32, 80)
"""Rows and columns of :data:`meshanim.vision.TCSAN_CROP` where mouths and chins are."""


def pixel_distance(made: Tensor, truth: Tensor) -> Tensor:
    r"""Mean over all pixels p of :math:`\|\hat F_p - F_p\|_1`, colours summed, of pictures (..., 3, H, W).

    Reconstruction (eq 9) is written without a mean, identity (eq 10) with one over the pixels that it sees;
    both are taken so, or their weights would not be of one kind.
    """
    check_shape("truth", truth, tuple(made.shape))
    return (made - truth).abs().sum(dim=-3).mean()


def mouth_distance(made: Tensor, truth: Tensor) -> Tensor:
    """Pixel distance in :data:`MOUTH` of pictures (..., 3, 112, 112)."""
    rows, columns = MOUTH
    return pixel_distance(made[..., rows, columns], truth[..., rows, columns])


def identity_distance(made: Tensor, identity: Tensor) -> Tensor:
    """Pixel distance of upper halves (eq 10): frames (B, T, 3, H, W) from identity pictures (B, 3, H, W)."""
    upper = upper_half(made)
    return pixel_distance(upper, upper_half(identity)[:, None].expand_as(upper))


def perceptual_distance(features: PerceptualFeatures, made: Tensor, truth: Tensor) -> Tensor:
    """Mean over layers of the mean absolute difference of features (eq 8) of pictures (N, 3, H, W)."""
    with torch.no_grad():
        wanted = features(truth)
    pairs = zip(features(made), wanted, strict=True)
    return torch.stack([(one - other).abs().mean() for one, other in pairs]).mean()
