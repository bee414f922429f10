"""The order of the vertices in the spirals around all vertices of a mesh."""

from __future__ import annotations

import numpy as np

from meshanim._check import InputError, check_indices, check_shape
from meshanim.ops._library import address, check_result, cpu_library
from meshanim.ops.arrays import FloatArray, IntArray, rows

# Vertices that the reference works on at once; bounds memory to some tens of MB.
_CHUNK = 1 << 16
_NOT_MUTUAL = 2


def spiral_order(
    offsets: IntArray,
    neighbours: IntArray,
    distance: FloatArray,
    tie: FloatArray,
    length: int,
    dilation: int = 1,
) -> IntArray:
    """Spirals around all vertices, of the same length.

    A spiral begins with its vertex, whose ring follows from the neighbour of least distance on. Then the
    ring of each vertex that it holds is walked, beginning behind the one that the vertex was reached from,
    and what the spiral does not hold yet is appended. So rings follow rings, and each begins beside the
    last vertex of the ring before.

    Args:
        offsets, neighbours: (V + 1,) and (2 E,) ordered one-rings, see :func:`one_rings`.
        distance: (V,) where each ring begins: at the neighbour of least distance.
        tie: (V,) distances around this vertex that differ by no more count as equal, and of several the
            neighbour of lowest index is taken.
        length: L, the vertex itself counted.
        dilation: take every so manieth vertex of the spiral.

    Returns:
        (V, L) vertex indices, -1 where a component has no more.

    Raises:
        InputError: the rings are not those of a mesh, a length or dilation is below one.
    """
    _check_arguments(offsets, neighbours, distance, tie, length, dilation)
    library = cpu_library()
    if library is None:
        return spiral_order_reference(offsets, neighbours, distance, tie, length, dilation)
    offsets, neighbours = (np.ascontiguousarray(array, np.int64) for array in (offsets, neighbours))
    distance, tie = (np.ascontiguousarray(array, np.float64) for array in (distance, tie))
    spirals = np.empty((len(distance), length), dtype=np.int64)
    arrays = (address(offsets), address(neighbours), len(distance), address(distance), address(tie))
    code = library.meshanim_spiral_order(*arrays, length, dilation, address(spirals))
    if code == _NOT_MUTUAL:
        raise InputError("neighbours must be mutual, got a vertex that its neighbour does not have")
    check_result(code)
    return spirals


def spiral_order_reference(
    offsets: IntArray,
    neighbours: IntArray,
    distance: FloatArray,
    tie: FloatArray,
    length: int,
    dilation: int = 1,
) -> IntArray:
    """The same as :func:`spiral_order`, a step of all spirals at once."""
    rings = _Rings(offsets, neighbours)
    first, reach = rings.first_places(distance, tie), (length - 1) * dilation + 1
    every = np.arange(len(distance))
    chunks = [every[i : i + _CHUNK] for i in every[::_CHUNK]]
    parts = [_grow(rings, chunk, first[chunk], reach)[:, ::dilation] for chunk in chunks]
    return np.concatenate([np.empty((0, length), dtype=np.int64), *parts])


def _check_arguments(
    offsets: IntArray, neighbours: IntArray, distance: FloatArray, tie: FloatArray, length: int, dilation: int
) -> None:
    if length < 1 or dilation < 1:
        raise InputError(f"length and dilation must be at least 1, got {length} and {dilation}")
    check_shape("distance", distance, (None,))
    check_shape("tie", tie, (len(distance),))
    check_shape("offsets", offsets, (len(distance) + 1,))
    check_shape("neighbours", neighbours, (None,))
    if offsets[0] != 0 or offsets[-1] != len(neighbours) or (np.diff(offsets) < 0).any():
        raise InputError(f"offsets must rise from 0 to the {len(neighbours)} neighbours, got others")
    check_indices("neighbours", neighbours, len(distance))


class _Rings:
    """Ordered one-rings as CSR; ``back[s]``: where the owner of slot s stands in its neighbour's ring."""

    def __init__(self, offsets: IntArray, neighbours: IntArray) -> None:
        self.offsets, self.neighbours = offsets, neighbours
        self.degree = np.diff(offsets)
        self.owner = np.repeat(np.arange(len(self.degree)), self.degree)
        by_owner = np.lexsort((neighbours, self.owner))
        by_neighbour = np.lexsort((self.owner, neighbours))
        one, other = neighbours[by_neighbour], self.owner[by_neighbour]
        if not (np.array_equal(one, self.owner[by_owner]) and np.array_equal(other, neighbours[by_owner])):
            raise InputError("neighbours must be mutual, got a vertex that its neighbour does not have")
        self.back = np.empty_like(self.owner)
        self.back[by_neighbour] = by_owner - offsets[self.owner[by_owner]]

    def first_places(self, distance: FloatArray, tie: FloatArray) -> IntArray:
        """(V,) place in each ring of the neighbour of least distance, the lowest of several."""
        place = np.zeros(len(self.degree), dtype=np.int64)
        if not len(self.neighbours):
            return place
        begin, count = self.offsets[:-1][self.degree > 0], self.degree[self.degree > 0]
        away = distance[self.neighbours]
        least = np.repeat(np.minimum.reduceat(away, begin), count)
        near = np.where(away <= least + tie[self.owner], self.neighbours, len(self.degree))
        slot = np.flatnonzero(self.neighbours == np.repeat(np.minimum.reduceat(near, begin), count))
        place[self.owner[slot]] = slot - self.offsets[self.owner[slot]]
        return place

    def turned(self, vertices: IntArray, first: IntArray, most: int) -> tuple[IntArray, IntArray]:
        """Slots of each vertex's ring from place ``first`` on, at most ``most``, and each one's row."""
        step, row = rows(np.zeros_like(vertices), np.minimum(self.degree[vertices], most))
        return self.offsets[vertices][row] + (first[row] + step) % self.degree[vertices][row], row


def _grow(rings: _Rings, seeds: IntArray, first: IntArray, length: int) -> IntArray:
    """(S, length) spirals around ``seeds``; -1 where a component ends."""
    spiral = np.full((len(seeds), length), -1, dtype=np.int64)
    begin = np.zeros((len(seeds), length), dtype=np.int64)
    spiral[:, 0], begin[:, 0] = seeds, first
    filled = np.ones(len(seeds), dtype=np.int64)
    for step in range(length):
        growing = np.flatnonzero((filled > step) & (filled < length))
        if not len(growing):
            break
        # as many as the spiral is long: were all of the seen ones among them, the rest would fill it
        slot, row = rings.turned(spiral[growing, step], begin[growing, step], length)
        row = growing[row]
        found = rings.neighbours[slot]
        new = ~(spiral[row] == found[:, None]).any(axis=1)
        slot, row, found = slot[new], row[new], found[new]
        count = np.bincount(row, minlength=len(seeds))
        place = filled[row] + np.arange(len(row)) - (np.cumsum(count) - count)[row]
        fits = place < length
        spiral[row[fits], place[fits]] = found[fits]
        begin[row[fits], place[fits]] = rings.back[slot[fits]] + 1
        filled = np.minimum(filled + count, length)
    return spiral
