"""What all ops ask of their tensors' types and devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from meshanim._check import InputError


def autocast(x: Tensor, *values: Tensor | None) -> tuple[Any, ...]:
    """Values of the type of ``x`` where ``torch.autocast`` is on; elsewhere as they are.

    So features in a lower type, which PyTorch's own layers give there, meet weights in theirs. Features that
    come in float32 stay: they may be positions.
    """
    for value in values:
        if value is not None and isinstance(x, Tensor) and value.dtype != x.dtype:
            break
    else:
        return values
    kind = x.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return values
    return tuple(None if value is None else value.to(x.dtype) for value in values)


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
