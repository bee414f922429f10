"""Half-edges: the faces of a mesh seen corner by corner, and the order of the corners around a vertex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def usable_faces(faces: IntArray) -> tuple[IntArray, IntArray]:
    """Indices of the faces that name a vertex twice, and of those that repeat an earlier face.

    A repeat has the same three vertices in the same cyclic order. Neither kind takes part in topology.
    """
    degenerate = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    first = np.argmin(faces, axis=1)
    turned = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
    order = np.lexsort(turned.T[::-1])
    same = np.zeros(len(faces), dtype=bool)
    same[order[1:]] = (turned[order[1:]] == turned[order[:-1]]).all(axis=1)
    return np.flatnonzero(degenerate), np.flatnonzero(same & ~degenerate)


def rows(begin: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Flat slots of ragged rows that begin at ``begin``, and the number of the row each belongs to."""
    row = np.repeat(np.arange(len(count)), count)
    return np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(len(row)), row


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
    inconsistent: NDArray[np.bool_]

    @staticmethod
    def from_faces(faces: IntArray, vertex_count: int) -> HalfEdges:
        """Build from (F, 3) faces, none of which names a vertex twice."""
        origin, target = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
        key = np.minimum(origin, target) * vertex_count + np.maximum(origin, target)
        keys, edge, count = np.unique(key, return_inverse=True, return_counts=True)
        order = np.argsort(edge, kind="stable")
        pair = (np.cumsum(count) - count)[count == 2]
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


def fan_positions(half_edges: HalfEdges) -> tuple[IntArray, IntArray]:
    """Order the corners around each vertex, counter-clockwise seen from outside.

    Corner h lies at ``origin[h]`` between the neighbours ``target[h]`` and, counter-clockwise of it,
    ``origin[preceding(h)]``. Corners that share twin edges form a fan: open fans begin at the boundary,
    closed ones at their neighbour of lowest index. Ranks come from pointer doubling, so that the work is
    O(H log(largest degree)) without a loop around the vertices.

    Returns:
        (H,) first corner of each corner's fan, and (H,) number of steps from there.
    """
    count = len(half_edges.origin)
    corners = np.arange(count)
    twin = half_edges.twin
    before = np.where(twin >= 0, following(twin), corners)
    largest = int(np.bincount(half_edges.origin).max()) if count else 0
    jump, lowest = before, half_edges.target
    for _ in range(largest.bit_length()):
        lowest, jump = np.minimum(lowest, lowest[jump]), jump[jump]
    closed = before[jump] != jump
    before = np.where(closed & (lowest == half_edges.target), corners, before)
    first, rank = before, (before != corners).astype(np.int64)
    for _ in range(largest.bit_length()):
        rank, first = rank + rank[first], first[first]
    return first, rank


def ordered_neighbours(half_edges: HalfEdges, vertex_count: int) -> tuple[IntArray, IntArray, IntArray]:
    """Neighbours of each vertex in the order of its fans (see ``fan_positions``), as CSR.

    Several fans at one vertex (it is non-manifold) follow each other by their first neighbour; a
    neighbour that two fans share stays where it comes first.

    Returns:
        offsets (V + 1,), neighbours (2 E,), fans at each vertex (V,).
    """
    origin, target = half_edges.origin, half_edges.target
    first, rank = fan_positions(half_edges)
    starts = np.flatnonzero(first == np.arange(len(first)))
    starts = starts[np.lexsort((target[starts], origin[starts]))]
    last = preceding(np.arange(len(first)))  # the half-edge that comes back to the vertex
    ends = np.flatnonzero((half_edges.twin[last] < 0) if len(first) else first)
    size = np.bincount(first, minlength=len(first)) + np.bincount(first[ends], minlength=len(first))
    begin = np.zeros(len(first), dtype=np.int64)
    begin[starts] = np.cumsum(size[starts]) - size[starts]
    neighbours = np.empty(len(first) + len(ends), dtype=np.int64)
    neighbours[begin[first] + rank] = target
    neighbours[begin[first[ends]] + rank[ends] + 1] = origin[last[ends]]
    owner = np.repeat(origin[starts], size[starts])
    if len(neighbours) != 2 * len(half_edges.edges):
        kept = np.sort(np.unique(owner * vertex_count + neighbours, return_index=True)[1])
        owner, neighbours = owner[kept], neighbours[kept]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=vertex_count))])
    return offsets, neighbours, np.bincount(origin[starts], minlength=vertex_count)
