"""Wavefront OBJ, read with the file's own vertices in the file's own order.

A general reader cuts the mesh along its texture seams, which renumbers the vertices; a template must keep
its numbers. So positions and texture coordinates stay apart here, each with indices of its own.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from numpy.typing import NDArray

from meshanim._check import InputError
from meshanim.mesh.mesh import Mesh
from meshanim.ops.arrays import FloatArray, IntArray, rows, starts

Bytes = NDArray[np.uint8]

_NEWLINE, _SPACE, _SLASH = 10, 32, 47
_BLANKS = bytes.maketrans(b"\t\v\f\r", b"   \n")
_IN_A_CORNER = b"0123456789+-/ \n"


def _without_runs(text: bytes, letter: bytes) -> bytes:
    """The text with one of a letter where it has several in a row."""
    while 2 * letter in text:
        text = text.replace(2 * letter, letter)
    return text


class _Lines:
    """The text of an OBJ file by kind of line."""

    def __init__(self, text: bytes) -> None:
        text = re.sub(rb"#[^\r\n]*", b" ", text).replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
        text = _without_runs(text.translate(_BLANKS), b" ")
        text = _without_runs((b"\n" + text + b"\n").replace(b"\n ", b"\n"), b"\n")
        # two more, so that keywords of two letters can be sought on the last line, however short
        self._bytes = np.frombuffer(text + b"  ", dtype=np.uint8)
        self.begin = np.flatnonzero(self._bytes[:-2] == _NEWLINE)[:-1] + 1
        self._length = np.diff(np.append(self.begin, len(text)))

    def at(self, keyword: bytes) -> IntArray:
        """Numbers of the lines that begin with a keyword and a space."""
        found = np.ones(len(self.begin), dtype=bool)
        for k, letter in enumerate(keyword + b" "):
            found &= self._bytes[self.begin + k] == letter
        return np.flatnonzero(found)

    def after(self, lines: IntArray, keyword: bytes) -> bytes:
        """The text of these lines, each without its keyword and with its line end."""
        skipped = len(keyword) + 1
        slot, _ = rows(self.begin[lines] + skipped, self._length[lines] - skipped)
        return self._bytes[slot].tobytes()


def _numbers(lines: _Lines, keyword: bytes, least: int) -> FloatArray:
    """(N, least) the first numbers on each line of a kind, which must all have as many."""
    at = lines.at(keyword)
    text = lines.after(at, keyword)
    flat = np.array(text.split(), dtype=np.float64)
    if not len(at):
        return np.empty((0, least))
    columns = len(text[: text.index(b"\n")].split())
    if columns < least or len(flat) != columns * len(at):
        raise InputError(f"its {keyword.decode()} lines must have {least} numbers or more, as many on each")
    return flat.reshape(len(at), columns)[:, :least]


def _corners(text: bytes) -> tuple[IntArray, IntArray, IntArray]:
    """Vertex and texture index of every corner (0 = none), and the number of corners in each line."""
    # an absent index between or behind slashes becomes 0, so that a corner has one index more than slashes
    text = text.replace(b"//", b"/0/").replace(b"/ ", b"/0 ").replace(b"/\n", b"/0\n")
    whole = np.frombuffer(text, dtype=np.uint8)
    gap, slash = (whole == _SPACE) | (whole == _NEWLINE), whole == _SLASH
    first = np.flatnonzero(~gap & np.concatenate([[True], gap[:-1]]))
    line = np.searchsorted(np.flatnonzero(whole == _NEWLINE), first)
    count = 1 + np.add.reduceat(slash, first, dtype=np.int64) if len(first) else first
    index = np.array(text.replace(b"/", b" ").split(), dtype=np.int64)
    if text.translate(None, _IN_A_CORNER) or (count > 3).any() or count.sum() != len(index):
        raise ValueError("f line with something else than v, v/vt, v//vn or v/vt/vn")
    begin = starts(count)
    texture = np.where(count > 1, np.append(index, 0)[begin + 1], 0)
    return index[begin], texture, np.bincount(line, minlength=int((whole == _NEWLINE).sum()))


def _absolute(index: IntArray, defined: IntArray) -> IntArray:
    """Indices from 0; below zero they count back from what was defined before their line."""
    return np.where(index < 0, defined + index, index - 1)


def fans(count: IntArray) -> tuple[IntArray, IntArray]:
    """Corners of the triangles (0, 1, 2), (0, 2, 3), ... of polygons, and each triangle's polygon."""
    begin = starts(count)
    second, polygon = rows(begin + 1, count - 2)
    return np.stack([begin[polygon], second, second + 1], axis=1), polygon


def _groups(lines: _Lines, face_line: IntArray, faces: IntArray) -> dict[str, torch.Tensor]:
    """Vertices of the faces below each ``g`` (or, where there are none, ``o``) line, by name."""
    keyword = b"g" if len(lines.at(b"g")) else b"o"
    at = lines.at(keyword)
    names = [name.strip().decode(errors="replace") for name in lines.after(at, keyword).splitlines()]
    owner = np.searchsorted(at, face_line) - 1
    members: dict[str, list[IntArray]] = {}
    for k, name in enumerate(names):
        members.setdefault(name, []).append(faces[owner == k].reshape(-1))
    found = {name: np.unique(np.concatenate(parts)) for name, parts in members.items()}
    return {name: torch.from_numpy(vertices) for name, vertices in found.items() if len(vertices)}


def parse_obj(text: bytes) -> Mesh:
    """The mesh in the text of an OBJ file.

    Polygons become fans of triangles. Texture coordinates are kept if every corner has one. The file's
    groups (or, without any, its objects) become vertex groups. Normals, colours and materials are not
    read.

    Raises:
        InputError, ValueError: the text is no OBJ file; the message says why.
    """
    lines = _Lines(text)
    vertices, uv = _numbers(lines, b"v", 3), _numbers(lines, b"vt", 2)
    at = lines.at(b"f")
    if not len(vertices) or not len(at):
        raise InputError(f"it has {len(vertices)} v lines and {len(at)} f lines")
    vertex, texture, count = _corners(lines.after(at, b"f"))
    if count.min() < 3:
        raise InputError(f"a face must have at least 3 corners, got {count.min()}")
    line = np.repeat(at, count)
    vertex = _absolute(vertex, np.searchsorted(lines.at(b"v"), line))
    corner, polygon = fans(count)
    faces = vertex[corner]
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(
            f"a face names vertex {int(faces.max()) + 1 if faces.min() >= 0 else int(faces.min()) + 1}, "
            f"but there are {len(vertices)} vertices"
        )
    has_uv = bool(len(uv)) and bool((texture != 0).all())
    texture = _absolute(texture, np.searchsorted(lines.at(b"vt"), line))
    return Mesh(
        torch.from_numpy(vertices).float(),
        torch.from_numpy(faces),
        torch.from_numpy(uv).float() if has_uv else None,
        torch.from_numpy(texture[corner]) if has_uv else None,
        groups=_groups(lines, at[polygon], faces),
    )
