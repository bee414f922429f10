"""What data sets keep on disk: arrays that stay in their files while they are read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from safetensors import SafetensorError

from meshanim._check import InputError


@contextmanager
def reading_kept(place: Path) -> Iterator[None]:
    """Read what was kept once, and can be made again.

    Raises:
        InputError: it is damaged.
    """
    try:
        yield
    except (ValueError, EOFError, KeyError, TypeError, SafetensorError, FileNotFoundError) as error:
        cause = " ".join(str(error).split())
        raise InputError(
            f"{place} is damaged ({cause}); remove it, and it is made again where it is asked for"
        ) from None


def make_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """An array of zeros in a new NPY file, in which it is written.

    Its room is taken at once: a disk that is full later ends a process at a write into a mapped file,
    without a word.

    Raises:
        OSError: there is no room; no file is left.
    """
    try:
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        # Of a place beyond what a file system counts to, Linux says no more than "Invalid argument".
        number = errno.EFBIG if error.errno == errno.EINVAL else error.errno
        raise OSError(number, os.strerror(number or 0), str(path)) from None
    return array


class MappedArray:
    """An array in an NPY file, read where it lies.

    Copied or pickled, as for the workers of a ``DataLoader``, it is its path and is opened anew there: a
    ``numpy.memmap`` would go as all that it holds.

    Args:
        path: of the file.
        mode: ``r+`` writes what is assigned into the file.

    Raises:
        ValueError, EOFError: the file holds something else.
    """

    def __init__(self, path: Path, mode: Literal["r", "r+"] = "r") -> None:
        self.path, self.mode = path, mode
        self.array: np.ndarray = np.load(path, mmap_mode=mode, allow_pickle=False)

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str]]:
        return type(self), (self.path, self.mode)

    def __getitem__(self, place: int | slice) -> Any:
        return self.array[place]
