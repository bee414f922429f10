"""Measurements in processes of their own, whose memory and settings nothing before them has touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from typing import Any, TypeVar

KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**33), "MALLOC_TRIM_THRESHOLD_": str(2**34)}
"""Under these, glibc's malloc does not give large blocks back to the system at every call."""
DEFAULT: Mapping[str, str] = {}

_Result = TypeVar("_Result")


def in_new_process(
    function: Callable[..., _Result], *arguments: Any, environment: Mapping[str, str] = DEFAULT
) -> _Result:
    """Call a function in a process that starts under these variables, beside those of this one."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        with get_context("spawn").Pool(1) as pool:
            return pool.apply(function, arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)
