"""torchmetrics, from the extra ``metrics``; slow to import, so that it is asked for when it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from meshanim._check import MissingExtra


def torchmetrics(name: str) -> Any:
    """A module of torchmetrics, such as ``functional.image``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module(f"torchmetrics.{name}")
    except ImportError as error:
        raise MissingExtra("torchmetrics", "metrics") from error
