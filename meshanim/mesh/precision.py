"""Places that are computed in full precision, whatever type they come in and go out as."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(values: Tensor) -> Tensor:
    """In single precision at least: squares of small numbers, as lengths in metres, are none in float16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def as_given(values: Tensor, given: Tensor) -> Tensor:
    """Values in the floating type that was given; whole numbers have none."""
    return values.to(given.dtype) if given.is_floating_point() else values


def exact(like: Tensor) -> torch.autocast:
    """Within ``torch.autocast``, a span of full precision: in 16 bits, places are off by whole pixels."""
    return torch.autocast(like.device.type, enabled=False)
