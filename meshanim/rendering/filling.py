"""Smooth completion of pictures with holes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_shape


def fill_smoothly(values: Tensor, weight: Tensor) -> Tensor:
    """Values (H, W, C) with what is not known filled from around, near things first.

    Pull and push (Gortler et al., "The Lumigraph", SIGGRAPH 1996): known values are averaged to half the
    size, again and again, until nothing is open; on the way back every hole takes what the coarser picture
    has. Values of weight one stay as they are.

    Args:
        values: (H, W, C).
        weight: (H, W) how well each is known, in [0, 1].

    Raises:
        InputError: nothing is known anywhere.
    """
    check_shape("values", values, (None, None, None))
    check_shape("weight", weight, tuple(values.shape[:2]))
    share = weight.to(values).clamp(0, 1)[None, None]
    if not bool((share > 0).any()):
        raise InputError("weight must be above zero somewhere, got none")
    return _filled(values.permute(2, 0, 1)[None], share)[0].permute(1, 2, 0)


def _filled(values: Tensor, share: Tensor) -> Tensor:
    if min(share.shape[2:]) == 1 or bool((share >= 1).all()):
        known = (values * share).sum((2, 3), keepdim=True) / share.sum((2, 3), keepdim=True).clamp(min=1e-12)
        return torch.lerp(known.expand_as(values), values, share)
    total = functional.avg_pool2d(share, 2, ceil_mode=True)
    mean = functional.avg_pool2d(values * share, 2, ceil_mode=True) / total.clamp(min=1e-12)
    # A quarter of a block known is enough to speak for it.
    coarse = _filled(mean, (4 * total).clamp(max=1))
    smooth = functional.interpolate(coarse, values.shape[2:], mode="bilinear", align_corners=False)
    return torch.lerp(smooth, values, share)
