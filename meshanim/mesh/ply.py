"""Stanford PLY, text or binary: the file's own vertices in the file's own order, polygons of any size.

A general reader takes all polygons of a binary file for as large as the first; other programs write triangles
and quads side by side.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from meshanim._check import InputError
from meshanim.mesh.mesh import Mesh
from meshanim.mesh.obj import fans
from meshanim.ops.arrays import IntArray

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))


class _Property(NamedTuple):
    """A number of each row, or where ``size`` names a type, a list of numbers behind their count."""

    name: str
    kind: str
    size: str | None = None


class _Element(NamedTuple):
    """``length`` rows of like properties."""

    name: str
    length: int
    properties: list[_Property]


def _header(text: bytes) -> tuple[str, list[_Element]]:
    """The format's name, and the elements in their order."""
    form, elements = "", []
    for line in text.decode("latin-1").splitlines():
        words = line.split()
        match words[:1]:
            case ["format"]:
                form = words[1]
            case ["element"]:
                elements.append(_Element(words[1], int(words[2]), []))
            case ["property"] if words[1] == "list":
                elements[-1].properties.append(_Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
            case ["property"]:
                elements[-1].properties.append(_Property(words[2], _TYPES[words[1]]))
    if form not in _ORDERS:
        raise InputError(f"its format must be one of {', '.join(_ORDERS)}, got {form or 'none'}")
    return form, elements


class _Body:
    """Numbers behind the header, taken one after the other; text as float64, binary as its types say."""

    def __init__(self, data: bytes, form: str) -> None:
        self._order = _ORDERS[form]
        text = np.array(data.split(), dtype=np.float64) if form == "ascii" else None
        self._data = np.frombuffer(data, np.uint8) if text is None else text.view(np.uint8)
        self._place = 0

    def _type(self, kind: str) -> np.dtype:
        return np.dtype(self._order + kind if self._order else "f8")

    def take(self, layout: np.dtype, count: int) -> NDArray:
        """The next ``count`` records."""
        size = layout.itemsize * count
        if count < 0 or size > len(self._data) - self._place:
            raise InputError("it is cut short")
        taken = self._data[self._place : self._place + size].view(layout) if size else np.empty(0, layout)
        self._place += size
        return taken

    def rows(self, element: _Element) -> dict[str, tuple[NDArray, IntArray]]:
        """By property all its values in a row, and how many (N,) of them each row has."""
        begin = self._place
        sizes = self._sizes(element) if element.length else [1] * len(element.properties)
        fields: list = []
        for number, (one, size) in enumerate(zip(element.properties, sizes, strict=True)):
            fields += [(f"count {number}", self._type(one.size))] if one.size else []
            fields += [(f"value {number}", self._type(one.kind), (size,))]
        self._place = begin
        layout = np.dtype(fields)
        if layout.itemsize * element.length <= len(self._data) - begin:
            found = self.take(layout, element.length)
            lists = [number for number, one in enumerate(element.properties) if one.size]
            if all((found[f"count {number}"] == sizes[number]).all() for number in lists):
                counts = [np.full(element.length, size, dtype=np.int64) for size in sizes]
                values = [found[f"value {number}"].reshape(-1) for number in range(len(sizes))]
                return self._named(element, values, counts)
            self._place = begin
        return self._ragged(element)

    def _sizes(self, element: _Element) -> list[int]:
        """How many numbers each property has in the next row."""
        sizes = []
        for one in element.properties:
            sizes.append(int(self.take(self._type(one.size), 1)[0]) if one.size else 1)
            self.take(self._type(one.kind), sizes[-1])
        return sizes

    def _ragged(self, element: _Element) -> dict[str, tuple[NDArray, IntArray]]:
        """As :meth:`rows`, row by row."""
        parts: list[list[NDArray]] = [[] for _ in element.properties]
        for _ in range(element.length):
            for one, found in zip(element.properties, parts, strict=True):
                size = int(self.take(self._type(one.size), 1)[0]) if one.size else 1
                found.append(self.take(self._type(one.kind), size))
        counts = [np.array([len(row) for row in found], dtype=np.int64) for found in parts]
        return self._named(element, [np.concatenate(found) for found in parts], counts)

    def _named(
        self, element: _Element, values: list[NDArray], counts: list[IntArray]
    ) -> dict[str, tuple[NDArray, IntArray]]:
        names = [one.name for one in element.properties]
        return dict(zip(names, zip(values, counts, strict=True), strict=True))


def parse_ply(data: bytes) -> Mesh:
    """The mesh in a PLY file.

    Polygons become fans of triangles; texture coordinates are those of vertices. Normals, colours and other
    elements are not read.

    Raises:
        InputError, ValueError, KeyError, IndexError: the data is no PLY file.
    """
    end = re.search(rb"\nend_header[ \t]*\r?\n", data)
    if not data.startswith(b"ply") or end is None:
        raise InputError("it is no PLY: it has no header from ply to end_header")
    form, elements = _header(data[: end.start()])
    body = _Body(data[end.end() :], form)
    found = {element.name: body.rows(element) for element in elements}
    points, polygons = found.get("vertex", {}), found.get("face", {})
    lacking = {"x", "y", "z"} - points.keys()
    if lacking:
        raise InputError(f"its vertices have no {' and no '.join(sorted(lacking))}")
    corners = polygons.get("vertex_indices", polygons.get("vertex_index"))
    if corners is None:
        raise InputError("it has no faces")
    index, count = corners[0].astype(np.int64), corners[1]
    if len(count) and count.min() < 3:
        raise InputError(f"a face must have at least 3 corners, got {count.min()}")
    faces = torch.from_numpy(index[fans(count)[0]])
    vertices = np.stack([points[axis][0] for axis in "xyz"], axis=1).astype(np.float32)
    named = next((pair for pair in _UV if set(pair) <= points.keys()), None)
    uv = None
    if named is not None:
        uv = torch.from_numpy(np.stack([points[axis][0] for axis in named], axis=1).astype(np.float32))
    return Mesh(torch.from_numpy(vertices), faces, uv, None if uv is None else faces)
