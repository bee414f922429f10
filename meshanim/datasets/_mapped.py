"""Arrays that stay in their files while data sets read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np


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
