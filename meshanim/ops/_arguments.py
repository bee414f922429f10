"""What all ops ask of their tensors' types and devices."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from meshanim._check import InputError


def check_kinds(
    x: Tensor, values: Mapping[str, Tensor], indices: Mapping[str, Tensor], called: str = "x"
) -> None:
    """Floating ``x``, ``called`` so, values of its type, int64 indices, all on its device.

    Raises:
        InputError: names the argument that differs.
    """
    if not x.is_floating_point():
        raise InputError(f"{called} must be of a floating type, got {x.dtype}")
    for name, value in indices.items():
        if value.dtype != torch.int64:
            raise InputError(f"{name} must be int64, got {value.dtype}")
    for name, value in values.items():
        if value.dtype != x.dtype:
            raise InputError(f"{name} must be {x.dtype} as {called} is, got {value.dtype}")
    for name, value in {**values, **indices}.items():
        if value.device != x.device:
            raise InputError(f"{name} must be on {x.device} as {called} is, got {value.device}")
