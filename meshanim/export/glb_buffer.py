"""The container of a glTF or GLB: accessors, buffer views and the two chunks."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError

LARGEST = 2**32 - 1
"""Bytes in a GLB: its header counts them in 32 bits."""
ROOM_FOR_JSON = 64 * 2**20
VERTEX_DATA, INDEX_DATA = 34962, 34963
_COMPONENTS = {"<f4": 5126, "<u4": 5125, "<u2": 5123, "|u1": 5121}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def _padded(data: bytes, fill: bytes) -> bytes:
    return data + fill * (-len(data) % 4)


class GlbBuffer:
    """Gathers arrays; :meth:`write` puts them behind a document that refers to them by number."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, 0
        self.accessors: list[dict[str, Any]] = []
        self._views: list[dict[str, Any]] = []
        self._parts: list[bytes] = []

    def reserve(self, size: int) -> None:
        """Raise where ``size`` more bytes would not fit: better before they are worked out than after."""
        total = self.size + size
        if total > LARGEST - ROOM_FOR_JSON:
            raise InputError(
                f"{self.path} would take {total / 2**30:.1f} GiB and a GLB ends at 4 GiB; "
                "cut the performance, or choose a format without that limit, such as .npz or .pc2"
            )

    def _view(self, array: NDArray, target: int | None) -> int:
        return self._stored(array.tobytes(), {} if target is None else {"target": target})

    def _stored(self, content: bytes, more: dict[str, Any]) -> int:
        data = _padded(content, b"\0")
        self.reserve(len(data))
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": len(content)}
        self._views.append(view | more)
        self._parts.append(data)
        self.size += len(data)
        return len(self._views) - 1

    def file(self, content: bytes) -> int:
        """Number of the buffer view that holds a whole file, such as a picture."""
        return self._stored(content, {})

    def _add(self, accessor: dict[str, Any]) -> int:
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def array(
        self, array: NDArray, target: int | None = None, bounds: bool = False, normalized: bool = False
    ) -> int:
        """Number of the accessor for (N,) or (N, C) values; ``bounds`` states their least and largest."""
        array = np.ascontiguousarray(array)
        rows = array.reshape(len(array), -1)
        accessor: dict[str, Any] = {
            "bufferView": self._view(array, target),
            "componentType": _COMPONENTS[array.dtype.str],
            "count": len(rows),
            "type": _KINDS[rows.shape[1]],
        }
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        return self._add(accessor | ({"normalized": True} if normalized else {}))

    def displacements(self, array: NDArray[np.float32]) -> int:
        """Number of the accessor for (N, 3) float32; where most rows are zero, only the others are stored."""
        moved = np.flatnonzero((array != 0).any(axis=1))
        index = moved.astype("<u2" if len(array) <= 2**16 else "<u4")
        if len(moved) * (12 + index.itemsize) >= len(array) * 12:
            return self.array(array, VERTEX_DATA, bounds=True)
        accessor: dict[str, Any] = {"componentType": 5126, "count": len(array), "type": "VEC3"}
        accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        if len(moved):
            accessor["sparse"] = {
                "count": len(moved),
                "indices": {
                    "bufferView": self._view(index, None),
                    "componentType": _COMPONENTS[index.dtype.str],
                },
                "values": {"bufferView": self._view(array[moved], None)},
            }
        return self._add(accessor)

    def write(self, place: Path, document: dict[str, Any]) -> None:
        """Write the file with ``document`` as its JSON, completed by what this buffer holds.

        A ``.gltf`` is that JSON alone, one file too: the buffer is inside it as text.
        """
        buffer: dict[str, Any] = {"byteLength": self.size}
        alone = self.path.suffix.lower() == ".gltf"
        if alone:
            content = base64.b64encode(b"".join(self._parts)).decode()
            buffer["uri"] = f"data:application/octet-stream;base64,{content}"
        tables = {"accessors": self.accessors, "bufferViews": self._views, "buffers": [buffer]}
        text = _padded(json.dumps(document | tables, separators=(",", ":")).encode(), b" ")
        if alone:
            place.write_bytes(text)
            return
        total = 12 + 8 + len(text) + 8 + self.size
        with open(place, "wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, total))
            file.write(struct.pack("<I4s", len(text), b"JSON") + text)
            file.write(struct.pack("<I4s", self.size, b"BIN\0"))
            for part in self._parts:
                file.write(part)
