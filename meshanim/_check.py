"""Checks at the door: every message names the input, what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SEEDS = 2**63
"""How many there are: from 0 on, all that both NumPy and PyTorch take."""


class InputError(ValueError):
    """Something that came from outside does not fit; the message is one sentence for a person."""


class MissingExtra(ImportError):
    """An optional package is needed that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; it comes with: pip install 'meshanim[{extra}]'")


def _shape_text(shape: Iterable[int | None]) -> str:
    sizes = ["any" if size is None else str(size) for size in shape]
    return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"


def check_tensor(name: str, value: Any) -> None:
    """Raise unless ``value`` is a tensor."""
    if not isinstance(value, Tensor):
        kind = type(value)
        came = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        raise InputError(f"{name} must be a tensor, got {came}")


def check_shape(
    name: str, value: Tensor | np.ndarray, shape: Sequence[int | None], batched: bool = False
) -> None:
    """Raise unless ``value`` has ``shape`` (None: any size); ``batched`` allows leading dimensions.

    Kernels and readers work on arrays, so that these pass; :func:`check_tensor` is for where they do not.
    """
    if not isinstance(value, np.ndarray):
        check_tensor(name, value)
    given = tuple(value.shape)
    tail = given[-len(shape) :] if batched and len(shape) else given
    fits = len(tail) == len(shape) and all(w is None or w == g for w, g in zip(shape, tail, strict=True))
    if not fits:
        wanted = _shape_text(shape)
        lead = "a shape ending in " if batched else "shape "
        raise InputError(f"{name} must have {lead}{wanted}, got {_shape_text(given)}")


def check_finite(name: str, value: Tensor) -> None:
    """Raise where a value is NaN or infinite, naming the first place; a traced tensor has no values yet."""
    check_tensor(name, value)
    if value.is_meta or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        place = [int(i) for i in (~finite).nonzero()[0]]
        raise InputError(f"{name} must be finite, got {float(value[tuple(place)])} at index {place}")


def check_indices(name: str, value: Tensor | np.ndarray, count: int, lowest: int = 0) -> None:
    """Raise unless all integers lie in [lowest, count)."""
    if 0 in value.shape:
        return
    low, high = int(value.min()), int(value.max())
    if low < lowest or high >= count:
        raise InputError(f"{name} must lie in [{lowest}, {count}), got values from {low} to {high}")


def check_range(
    name: str, value: float, low: float = -math.inf, high: float = math.inf, open_low: bool = False
) -> None:
    """Raise unless low <= value <= high (low < value where ``open_low``)."""
    if not math.isfinite(value) or value < low or value > high or (open_low and value == low):
        at_least = f"above {low:g}" if open_low else f"at least {low:g}"
        wanted = at_least if math.isinf(high) else f"{at_least} and at most {high:g}"
        wanted += "" if math.isfinite(value) else " and finite"
        raise InputError(f"{name} must be {wanted}, got {value:g}")


def check_count(name: str, value: Any) -> None:
    """Raise unless ``value`` is a whole number, of Python or NumPy, from 1 on."""
    if not isinstance(value, Integral) or value < 1:
        raise InputError(f"{name} must be a whole number, at least 1, got {value!r}")


def check_size(size: Any, lowest: int = 1, highest: float = math.inf) -> None:
    """Raise unless ``size`` is a picture's (height, width) in pixels, both from ``lowest`` to ``highest``."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise InputError(f"size must be a pair (height, width) in pixels, got {size!r}") from None
    check_range("height", height, lowest, highest)
    check_range("width", width, lowest, highest)


def check_seed(seed: int) -> None:
    """Raise unless NumPy and PyTorch both take ``seed`` as one."""
    check_range("seed", seed, 0, SEEDS - 1)


def check_item(name: str, item: int, count: int) -> int:
    """The place of an item of ``count``, which may be counted from the end, as -1.

    Raises:
        IndexError: there is none; iteration ends by it.
    """
    if not -count <= item < count:
        raise IndexError(f"{name} must be at least {-count} and at most {count - 1}, got {item}")
    return item % count


def check_numbering(files: Sequence[Path], numbers: Sequence[int]) -> None:
    """Raise where files, one a frame, do not stand at equal steps: after a gap all would come too early."""
    steps = np.diff(numbers)
    if (steps != steps[:1]).any():
        before = files[int((steps > steps.min()).argmax())]
        raise InputError(
            f"files must be numbered in equal steps, got a gap after {before.name} in {before.parent}"
        )


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise unless ``value`` is one of ``choices``."""
    known = list(choices)
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(map(str, known))}, got {value!r}")
