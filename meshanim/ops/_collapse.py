"""Which edges of a mesh may be collapsed onto one of their ends, and which of them at the same time."""

from __future__ import annotations

import numpy as np

from meshanim.ops.arrays import BoolArray, FloatArray, IntArray, cross, dot, norm, rows, starts


class Neighbourhood:
    """Directed edges (two for each edge, by origin) and the corners around each vertex.

    Attributes:
        faces: (F, 3), none of which names a vertex twice.
        count: V.
        origin, target, edge: (2 E,) ends and undirected edge of each directed edge.
        face_count: (E,) faces at each edge.
        degree, begin: (V,) number of edges that leave each vertex, and the first of them.
        boundary: (V,) True on a boundary edge.
    """

    def __init__(self, faces: IntArray, count: int) -> None:
        self.faces, self.count = faces, count
        self._keys, self.face_count = np.unique(
            self.edge_key(faces, np.roll(faces, -1, axis=1)), return_counts=True
        )
        low, high = self._keys // count, self._keys % count
        order = np.argsort(np.concatenate([low, high]), kind="stable")
        self.origin, self.target = np.concatenate([[low, high], [high, low]], axis=1)[:, order]
        self.edge = np.tile(np.arange(len(low)), 2)[order]
        self.degree = np.bincount(self.origin, minlength=count)
        self.begin = starts(self.degree)
        alone = self.face_count == 1
        self.boundary = np.zeros(count, dtype=bool)
        self.boundary[low[alone]] = self.boundary[high[alone]] = True
        self._corners = np.argsort(faces.reshape(-1), kind="stable")
        self._corner_count = np.bincount(faces.reshape(-1), minlength=count)
        self._corner_begin = starts(self._corner_count)

    def edge_key(self, one: IntArray, other: IntArray) -> IntArray:
        """A number for each pair of vertices, whichever comes first."""
        return np.minimum(one, other) * self.count + np.maximum(one, other)

    def is_edge(self, keys: IntArray) -> BoolArray:
        """True for the pairs that are joined by an edge."""
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._keys[place] == keys

    def around(self, vertices: IntArray) -> tuple[IntArray, IntArray]:
        """Directed edges that leave each of ``vertices``, and which of them they belong to."""
        return rows(self.begin[vertices], self.degree[vertices])

    def corners(self, vertices: IntArray) -> tuple[IntArray, IntArray]:
        """Corners (three for each face) at each of ``vertices``, and which of them they belong to."""
        slot, row = rows(self._corner_begin[vertices], self._corner_count[vertices])
        return self._corners[slot], row


def keeps_manifold(hood: Neighbourhood, directed: IntArray) -> tuple[BoolArray, IntArray, IntArray]:
    """The link condition, for a collapse of each directed edge's origin onto its target.

    Both ends must share as many neighbours as their edge has faces: then no two sheets are glued
    together (Dey, Edelsbrunner, Guha and Nekhayev, "Topology Preserving Edge Contraction", 1999).

    Returns:
        True where it holds; and the keys of the edges that the collapses would make, with the row of the
        collapse that makes each.
    """
    target = hood.target[directed]
    slot, row = hood.around(hood.origin[directed])
    other = hood.target[slot]
    keys = hood.edge_key(target[row], other)
    shared = hood.is_edge(keys)
    holds = np.bincount(row, shared, minlength=len(directed)) == hood.face_count[hood.edge[directed]]
    made = ~shared & (other != target[row])
    return holds, keys[made], row[made]


def _shape(triangle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit normals (zero where there is no area), and heights as parts of the longest sides."""
    side = triangle - np.roll(triangle, 1, axis=1)
    normal = cross(side[:, 1], side[:, 2])
    size = norm(normal)
    longest = dot(side, side).max(axis=1)
    return normal / np.where(size > 0, size, 1)[:, None], size / np.where(longest > 0, longest, 1)


def keeps_sides(
    hood: Neighbourhood, directed: IntArray, points: FloatArray, turn: float, flat: float
) -> BoolArray:
    """True where no face turns over or becomes a line when the origin is drawn to the target.

    A face turns where the cosine between its normals is ``turn`` or less, and is a line where its height is
    no more than ``flat`` times its longest side; one that is a line already may do as it likes.
    """
    target = hood.target[directed]
    corner, row = hood.corners(hood.origin[directed])
    face = hood.faces[corner // 3]
    stays = (face != target[row][:, None]).all(axis=1)
    face, corner, row = face[stays], corner[stays], row[stays]
    before, height_before = _shape(points[face])
    face[np.arange(len(face)), corner % 3] = target[row]
    after, height = _shape(points[face])
    worse = (height_before > flat) & ((dot(before, after) <= turn) | (height <= flat))
    return np.bincount(row, worse, minlength=len(directed)) == 0


def first_of_each(values: IntArray) -> IntArray:
    """Places where each value comes first, in order."""
    return np.sort(np.unique(values, return_index=True)[1])


def independent(hood: Neighbourhood, directed: IntArray) -> IntArray:
    """Those of the collapses, given cheapest first and one for each origin, that can be done together.

    Two cannot if their origins are neighbours, or if both would make the same edge. The choice is that
    of going through them one by one: in each pass those are taken that no cheaper open one stands
    against, and those that a taken one stands against are out.
    """
    count = len(directed)
    every = np.arange(count)
    rank = np.full(hood.count, count)
    rank[hood.origin[directed]] = every
    slot, one = hood.around(hood.origin[directed])
    other = rank[hood.target[slot]]
    one, other = one[other < count], other[other < count]
    _, keys, maker = keeps_manifold(hood, directed)
    made, edge = np.unique(keys, return_inverse=True)
    is_open, taken = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    while is_open.any():
        standing = np.where(is_open, every, count)
        cheapest = np.full(len(made), count)
        np.minimum.at(cheapest, edge, standing[maker])
        rival = standing.copy()
        np.minimum.at(rival, one, standing[other])
        np.minimum.at(rival, maker, cheapest[edge])
        won = is_open & (rival == every)
        taken |= won
        is_open &= ~won
        is_open[other[won[one]]] = False
        is_made = np.zeros(len(made), dtype=bool)
        is_made[edge[won[maker]]] = True
        is_open[maker[is_made[edge]]] = False
    return directed[taken]
