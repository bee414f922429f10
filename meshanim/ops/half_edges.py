"""Half-edges: the faces of a mesh seen corner by corner, and which of them run along the same edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meshanim._check import check_indices, check_shape
from meshanim.ops._library import address, check_result, cpu_library
from meshanim.ops.arrays import BoolArray, IntArray, starts


@dataclass(frozen=True)
class HalfEdges:
    """Half-edge ``h = 3 f + k`` runs along corner k of face f, from ``origin[h]`` to ``target[h]``.

    Attributes:
        origin, target: (H,) vertex indices.
        twin: (H,) the half-edge that runs the other way in the neighbouring face; -1 at a boundary, and
            along an edge that has more than two faces or whose two faces disagree in orientation.
        edges: (E, 2) undirected edges, lower index first, sorted.
        edge: (H,) edge index of each half-edge.
        face_count: (E,) number of faces at each edge.
        inconsistent: (E,) True where an edge has two faces that run along it the same way.
    """

    origin: IntArray
    target: IntArray
    twin: IntArray
    edges: IntArray
    edge: IntArray
    face_count: IntArray
    inconsistent: BoolArray


def half_edges(faces: IntArray, vertex_count: int) -> HalfEdges:
    """The half-edges of (F, 3) faces, none of which names a vertex twice, over ``vertex_count`` vertices."""
    check_shape("faces", faces, (None, 3))
    check_indices("faces", faces, vertex_count)
    library = cpu_library()
    if library is None:
        return half_edges_reference(faces, vertex_count)
    origin = np.ascontiguousarray(faces, np.int64).reshape(-1)
    count = len(origin)
    twin, edge, face_count = (np.empty(count, dtype=np.int64) for _ in range(3))
    edges, inconsistent = np.empty((count, 2), dtype=np.int64), np.empty(count, dtype=np.bool_)
    edge_count = np.empty(1, dtype=np.int64)
    results = map(address, (twin, edge, edges, face_count, inconsistent, edge_count))
    check_result(library.meshanim_half_edges(address(origin), count, vertex_count, *results))
    found = slice(int(edge_count[0]))
    per_edge = edges[found].copy(), edge, face_count[found].copy(), inconsistent[found].copy()
    return HalfEdges(origin, _target(faces), twin, *per_edge)


def half_edges_reference(faces: IntArray, vertex_count: int) -> HalfEdges:
    """The same as :func:`half_edges` by sorting one number for each edge."""
    origin, target = faces.reshape(-1), _target(faces)
    key = np.minimum(origin, target) * vertex_count + np.maximum(origin, target)
    keys, edge, count = np.unique(key, return_inverse=True, return_counts=True)
    order = np.argsort(edge, kind="stable")
    pair = starts(count)[count == 2]
    one, other = order[pair], order[pair + 1]
    opposite = origin[one] != origin[other]
    twin = np.full(len(origin), -1, dtype=np.int64)
    twin[one[opposite]], twin[other[opposite]] = other[opposite], one[opposite]
    inconsistent = np.zeros(len(keys), dtype=bool)
    inconsistent[edge[one[~opposite]]] = True
    edges = np.stack([keys // vertex_count, keys % vertex_count], axis=1)
    return HalfEdges(origin, target, twin, edges, edge, count, inconsistent)


def following(half_edge: IntArray) -> IntArray:
    """The next half-edge within the same face."""
    return half_edge - half_edge % 3 + (half_edge + 1) % 3


def preceding(half_edge: IntArray) -> IntArray:
    """The previous half-edge within the same face."""
    return half_edge - half_edge % 3 + (half_edge + 2) % 3


def _target(faces: IntArray) -> IntArray:
    return faces[:, [1, 2, 0]].reshape(-1)
