"""Object File Format, with the file's own vertices in the file's own order and polygons of any size."""

from __future__ import annotations

import re

import numpy as np
import torch

from meshanim._check import InputError
from meshanim.mesh.mesh import Mesh
from meshanim.mesh.obj import fans


def parse_off(text: bytes) -> Mesh:
    """The mesh in the text of an OFF file, or of one with colours, COFF; polygons become fans of triangles.

    Raises:
        InputError, ValueError, IndexError: the text is no OFF file.
    """
    lines = [line.split() for line in re.sub(rb"#[^\r\n]*", b"", text).splitlines() if line.strip()]
    if not lines or lines[0][0] not in (b"OFF", b"COFF"):
        raise InputError("it is no OFF: it does not begin with OFF or COFF")
    # The numbers of vertices and faces may stand behind the keyword.
    lines = ([lines[0][1:]] if len(lines[0]) > 1 else []) + lines[1:]
    points, polygons = int(lines[0][0]), int(lines[0][1])
    if min(points, polygons) < 0 or len(lines) < 1 + points + polygons:
        raise InputError(f"it is cut short: it states {points} vertices and {polygons} faces")
    vertices = np.array([line[:3] for line in lines[1 : 1 + points]], dtype=np.float32).reshape(-1, 3)
    rows = lines[1 + points : 1 + points + polygons]
    count = np.array([int(row[0]) for row in rows], dtype=np.int64)
    if any(len(row) <= size for row, size in zip(rows, count.tolist(), strict=True)) or (count < 3).any():
        raise InputError("a face must have at least 3 corners, and as many as it states")
    corners = [row[1 : 1 + size] for row, size in zip(rows, count.tolist(), strict=True)]
    index = np.array([int(corner) for row in corners for corner in row], dtype=np.int64)
    return Mesh(torch.from_numpy(vertices), torch.from_numpy(index[fans(count)[0]]))
