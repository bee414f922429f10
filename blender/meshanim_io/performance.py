"""A performance in an NPZ of meshanim, read with numpy alone; no pickle is ever loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .checking import check_arrays
from .errors import Refusal

CHUNK_BYTES = 32 * 2**20
STREAMED = ("vertices", "residual")
"""Arrays (T, V, 3) that may be larger than memory, and stay in the file."""
UNREADABLE = (ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError, KeyError)


@dataclass(frozen=True)
class Performance:
    """What an NPZ holds. Metres, Y up; T frames of V vertices.

    Args:
        path: the file.
        arrays: all arrays by name, without those that are :data:`STREAMED`.
    """

    path: Path
    arrays: dict[str, NDArray]

    def __getitem__(self, name: str) -> NDArray:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    @property
    def frame_count(self) -> int:
        """T."""
        return self.shapes["vertices"][0]

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self["fps"])

    @property
    def weight_names(self) -> list[str]:
        """K names, none where the motion is vertices alone."""
        return self["weight_names"].tolist() if "weights" in self else []

    @cached_property
    def groups(self) -> dict[str, NDArray]:
        """Name to (N,) vertex indices."""
        if "group_names" not in self:
            return {}
        parts = np.split(self["group_vertices"], np.cumsum(self["group_sizes"])[:-1])
        return dict(zip(self["group_names"].tolist(), parts, strict=True))

    @property
    def landmarks(self) -> dict[str, int]:
        """Name to vertex index."""
        if "landmark_names" not in self:
            return {}
        return dict(zip(self["landmark_names"].tolist(), self["landmarks"].tolist(), strict=True))

    def stream(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Chunks (n, V, 3) of one of the :data:`STREAMED` arrays."""
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
            shape, kind = _header(member)
            size = kind.itemsize * shape[1] * 3
            step = max(1, CHUNK_BYTES // size)
            for start in range(0, shape[0], step):
                count = min(step, shape[0] - start)
                data = member.read(count * size)
                if len(data) < count * size:
                    raise Refusal(f"{self.path.name} ends before its last frame")
                yield np.frombuffer(data, kind).reshape(count, shape[1], 3).astype(np.float32)

    @cached_property
    def unexplained(self) -> float:
        """Largest distance in metres between a vertex and its place by weights and basis alone."""
        if "residual" not in self.shapes:
            return 0.0
        return max(float(np.linalg.norm(chunk, axis=2).max()) for chunk in self.stream("residual"))

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the streamed arrays that the file has."""
        found = {}
        with zipfile.ZipFile(self.path) as archive:
            for name in STREAMED:
                if f"{name}.npy" in archive.namelist():
                    with archive.open(f"{name}.npy") as member:
                        found[name] = _header(member)[0]
        return found


def _header(member: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array of floats in C order, which is all that a performance has here."""
    version = npy.read_magic(member)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(member)
    if fortran or kind.kind != "f" or len(shape) != 3 or shape[2] != 3:
        raise ValueError("not (T, V, 3) floats")
    return shape, kind


def read_performance(path: Path) -> Performance:
    """Read and check a file.

    Raises:
        Refusal: missing, not an NPZ, not a performance, damaged, or from a later meshanim.
    """
    if not path.is_file():
        raise Refusal(f"{path} is not there, or is not a file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if missing := [n for n in ("vertices", "neutral", "faces", "fps") if n not in archive.files]:
                raise Refusal(f"{path.name} is not a performance of meshanim: it has no {missing[0]}")
            arrays = {name: archive[name] for name in archive.files if name not in STREAMED}
        found = Performance(path, arrays)
        check_arrays(path.name, arrays, found.shapes)
    except UNREADABLE as error:
        raise Refusal(f"{path.name} cannot be read as an NPZ of plain arrays, or is damaged") from error
    return found
