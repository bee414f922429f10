"""The neighbours of every vertex in their order around it."""

from __future__ import annotations

import numpy as np

from meshanim.ops._library import address, check_result, cpu_library
from meshanim.ops.arrays import IntArray
from meshanim.ops.half_edges import HalfEdges, following, preceding


def one_rings(half_edges: HalfEdges, vertex_count: int) -> tuple[IntArray, IntArray, IntArray]:
    """Neighbours of each vertex, counter-clockwise seen from outside, as CSR.

    The faces around a vertex that follow each other across twin edges form a fan: open fans begin at the
    boundary, closed ones at their neighbour of lowest index. Several fans at one vertex (it is
    non-manifold) follow each other by their first neighbour; a neighbour that two fans share stays where
    it comes first.

    Returns:
        offsets (V + 1,), neighbours (2 E,), fans at each vertex (V,).
    """
    library = cpu_library()
    if library is None:
        return one_rings_reference(half_edges, vertex_count)
    origin, twin = half_edges.origin, half_edges.twin
    neighbours = np.empty(2 * len(half_edges.edges), dtype=np.int64)
    offsets, fans = np.empty(vertex_count + 1, dtype=np.int64), np.empty(vertex_count, dtype=np.int64)
    results = map(address, (offsets, neighbours, fans))
    arrays = (address(origin), address(twin), len(origin), vertex_count, *results)
    check_result(library.meshanim_one_rings(*arrays))
    return offsets, neighbours, fans


def one_rings_reference(half_edges: HalfEdges, vertex_count: int) -> tuple[IntArray, IntArray, IntArray]:
    """The same as :func:`one_rings`, all vertices at once."""
    origin, target = half_edges.origin, half_edges.target
    first, rank = _fan_positions(half_edges)
    begins = np.flatnonzero(first == np.arange(len(first)))
    begins = begins[np.lexsort((target[begins], origin[begins]))]
    last = preceding(np.arange(len(first)))  # the half-edge that comes back to the vertex
    ends = np.flatnonzero((half_edges.twin[last] < 0) if len(first) else first)
    size = np.bincount(first, minlength=len(first)) + np.bincount(first[ends], minlength=len(first))
    begin = np.zeros(len(first), dtype=np.int64)
    begin[begins] = np.cumsum(size[begins]) - size[begins]
    neighbours = np.empty(len(first) + len(ends), dtype=np.int64)
    neighbours[begin[first] + rank] = target
    neighbours[begin[first[ends]] + rank[ends] + 1] = origin[last[ends]]
    owner = np.repeat(origin[begins], size[begins])
    if len(neighbours) != 2 * len(half_edges.edges):
        kept = np.sort(np.unique(owner * vertex_count + neighbours, return_index=True)[1])
        owner, neighbours = owner[kept], neighbours[kept]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=vertex_count))])
    return offsets, neighbours, np.bincount(origin[begins], minlength=vertex_count)


def _fan_positions(half_edges: HalfEdges) -> tuple[IntArray, IntArray]:
    """(H,) first corner of each corner's fan, and (H,) number of steps from there.

    Corner h lies at ``origin[h]`` between the neighbours ``target[h]`` and, counter-clockwise of it,
    ``origin[preceding(h)]``. Ranks come from pointer doubling, so that the work is O(H log(largest
    degree)) without a loop around the vertices.
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
