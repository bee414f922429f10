"""What is in a glTF file, GLB or JSON: untrusted, so that every number is checked before it is followed."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_KNOWN = ("KHR_mesh_quantization", "KHR_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_")
"""Beginnings of the names of required extensions that change no position that is read."""
MOST_ROWS = 2**28
"""Rows of an array that takes no room in the file, since all of it is zero."""


class GltfFile:
    """A document with its buffers; entries by kind and number, arrays by the number of their accessor.

    Args:
        path: a ``.glb``, or a ``.gltf`` whose buffers are inside it or beside it.

    Raises:
        InputError: not glTF 2, cut short, or compressed by an extension that is not read.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        text, self._binary = (data, b"") if path.suffix.lower() == ".gltf" else _chunks(data)
        try:
            self.document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("its JSON is damaged") from error
        if not isinstance(self.document, dict):
            raise InputError("its JSON is no glTF document")
        version = str(self.document.get("asset", {}).get("version", ""))
        if not version.startswith("2"):
            raise InputError(f"it must be glTF 2, got version {version or 'none'}")
        required = set(self.document.get("extensionsRequired", ()))
        unknown = sorted(name for name in required if not str(name).startswith(_KNOWN))
        if unknown:
            raise InputError(f"it needs {', '.join(unknown)}, which is not read; export it without")
        self._folder = path.parent
        self._buffers: dict[int, bytes] = {}

    def entry(self, kind: str, number: Any) -> dict[str, Any]:
        """The ``number``-th of the document's list ``kind``."""
        entries = self.document.get(kind, [])
        if not isinstance(number, int) or not 0 <= number < len(entries):
            raise InputError(f"it refers to number {number} of {len(entries)} {kind}")
        return entries[number]

    def buffer(self, number: int) -> bytes:
        """Bytes of a buffer, wherever they are."""
        if number not in self._buffers:
            entry = self.entry("buffers", number)
            data = self._load(entry["uri"]) if "uri" in entry else self._binary
            if len(data) < entry.get("byteLength", 0):
                raise InputError(f"it is cut short: buffer {number} has {len(data)} bytes")
            self._buffers[number] = data
        return self._buffers[number]

    def _load(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise InputError("a buffer inside it is no base64") from error
        # Spaces and other letters are written as %20 and the like.
        place = Path(unquote(uri))
        if place.is_absolute() or len(place.parts) != 1 or place.name == "..":
            raise InputError(f"its buffer {uri} must lie beside it")
        return (self._folder / place).read_bytes()

    def _rows(self, view: int, offset: int, count: int, width: int, kind: str) -> NDArray:
        """(count, width) numbers of a buffer view, copied."""
        entry = self.entry("bufferViews", view)
        data, size = self.buffer(entry.get("buffer", 0)), np.dtype(kind).itemsize
        begin, stride = entry.get("byteOffset", 0), entry.get("byteStride") or width * size
        end = begin + entry["byteLength"]
        last = begin + offset + (count - 1) * stride + width * size
        if min(begin, offset, count - 1) < 0 or stride < width * size or last > min(end, len(data)):
            raise InputError(f"buffer view {view} does not hold {count} rows")
        start = np.frombuffer(data, np.uint8, last - begin - offset, begin + offset)
        shape, strides = (count, width * size), (stride, 1)
        packed = np.lib.stride_tricks.as_strided(start, shape, strides, writeable=False)
        return np.ascontiguousarray(packed).view(kind)

    def array(self, number: Any) -> NDArray:
        """(N, C) values of an accessor; normalized integers as float32 in [-1, 1] or [0, 1]."""
        entry = self.entry("accessors", number)
        kind, width = _TYPES.get(entry.get("componentType", 0)), _WIDTHS.get(entry.get("type", ""))
        count = entry.get("count")
        if kind is None or width is None or not isinstance(count, int) or not 0 < count <= MOST_ROWS:
            raise InputError(f"accessor {number} is damaged, or of a kind that is not read")
        if "bufferView" in entry:
            values = self._rows(entry["bufferView"], entry.get("byteOffset", 0), count, width, kind)
        else:
            values = np.zeros((count, width), kind)
        if "sparse" in entry:
            values = values.copy()
            self._fill(values, entry["sparse"], kind)
        if entry.get("normalized") and values.dtype.kind in "iu":
            return (values / np.float32(np.iinfo(values.dtype).max)).clip(-1, 1).astype(np.float32)
        return values

    def _fill(self, values: NDArray, sparse: dict[str, Any], kind: str) -> None:
        count, where, what = sparse["count"], sparse["indices"], sparse["values"]
        index_kind = _TYPES[where["componentType"]]
        if index_kind not in ("u1", "<u2", "<u4"):
            raise InputError("a sparse accessor has indices that are no numbers of rows")
        index = self._rows(where["bufferView"], where.get("byteOffset", 0), count, 1, index_kind)[:, 0]
        if index.max() >= len(values):
            raise InputError(f"a sparse accessor names row {index.max()} of {len(values)}")
        rows = self._rows(what["bufferView"], what.get("byteOffset", 0), count, values.shape[1], kind)
        values[index] = rows


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """JSON and binary chunk of a GLB."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise InputError("it is no GLB: its first letters are not glTF")
    _, version, total = struct.unpack_from("<4sII", data)
    if version != 2:
        raise InputError(f"it must be glTF 2, got version {version}")
    if total > len(data):
        raise InputError(f"it is cut short: {len(data)} of {total} bytes")
    found: dict[bytes, bytes] = {}
    place = 12
    while place + 8 <= total:
        size, kind = struct.unpack_from("<I4s", data, place)
        if place + 8 + size > total:
            raise InputError("it is cut short: a chunk goes beyond the end")
        found.setdefault(kind, data[place + 8 : place + 8 + size])
        place += 8 + size
    if b"JSON" not in found:
        raise InputError("it is no GLB: it has no JSON")
    return found[b"JSON"], found.get(b"BIN\0", b"")
