"""Shortest distances along a surface."""

from __future__ import annotations

import numpy as np

from meshanim._check import check_indices, check_shape
from meshanim.ops._library import address, check_result, cpu_library
from meshanim.ops.arrays import FloatArray, IntArray, dot, norm, rows, starts
from meshanim.ops.half_edges import following, preceding

# Vertices within this many mean edge lengths of the nearest unsettled one are updated together: less
# makes more rounds, more makes more updates that are overtaken later.
_BAND = 1.0
# In mean edge lengths: a smaller gain does not go round again.
_GAIN = 1e-9


def surface_distance(points: FloatArray, faces: IntArray, sources: IntArray) -> FloatArray:
    """Distance of each vertex along the surface from the nearest source.

    Distances spread from the sources triangle by triangle: two known corners place the source in the
    plane of the third (Novotni and Klein, "Computing Geodesic Distances on Triangular Meshes", 2002),
    and vertices are updated, a band at a time, until nothing becomes shorter.

    Args:
        points: (V, 3) positions.
        faces: (F, 3) vertex indices, none twice in a face.
        sources: (S,) vertex indices.

    Returns:
        (V,) in the unit of the points; infinite where no source can be reached from.
    """
    check_shape("points", points, (None, 3))
    check_shape("faces", faces, (None, 3))
    check_indices("faces", faces, len(points))
    check_indices("sources", sources, len(points))
    library = cpu_library()
    if library is None:
        return surface_distance_reference(points, faces, sources)
    points = np.ascontiguousarray(points, np.float64)
    faces, sources = (np.ascontiguousarray(array, np.int64) for array in (faces, sources))
    distance = np.empty(len(points))
    surface = (address(points), len(points), address(faces), faces.size)
    settings = (address(sources), len(sources), _BAND, _GAIN)
    check_result(library.meshanim_surface_distance(*surface, *settings, address(distance)))
    return distance


def surface_distance_reference(points: FloatArray, faces: IntArray, sources: IntArray) -> FloatArray:
    """The same as :func:`surface_distance`, a whole band at once."""
    distance = np.full(len(points), np.inf)
    distance[sources] = 0
    if not len(faces):
        return distance
    unfolding = _Unfolding(points, faces.reshape(-1))
    by_vertex = np.argsort(unfolding.apex, kind="stable")
    degree = np.bincount(unfolding.apex, minlength=len(points))
    begin = starts(degree)
    edge = float(np.cumsum(unfolding.from_start)[-1]) / faces.size  # added in this order everywhere
    waiting = np.unique(sources)
    while len(waiting):
        near = distance[waiting] <= distance[waiting].min() + _BAND * edge
        front, waiting = waiting[near], waiting[~near]
        around = by_vertex[rows(begin[front], degree[front])[0]]
        corner = np.concatenate([following(around), preceding(around)])
        apex = unfolding.apex[corner]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = unfolding.through(corner, distance)
        gained = found < distance[apex] - _GAIN * edge
        np.minimum.at(distance, apex[gained], found[gained])
        waiting = np.union1d(waiting, apex[gained])
    return distance


class _Unfolding:
    """Every corner's triangle laid into the plane: the opposite side from (0, 0) to (side, 0)."""

    def __init__(self, points: FloatArray, origin: IntArray) -> None:
        corner = np.arange(len(origin))
        self.apex, self.start, self.end = origin, origin[following(corner)], origin[preceding(corner)]
        along, up = points[self.end] - points[self.start], points[self.apex] - points[self.start]
        self.from_start = norm(up)
        self.side, self.from_end = self.from_start[following(corner)], self.from_start[preceding(corner)]
        self.x = dot(along, up) / np.where(self.side > 0, self.side, 1)
        self.y = np.sqrt(np.maximum(self.from_start**2 - self.x**2, 0))

    def through(self, corner: IntArray, distance: FloatArray) -> FloatArray:
        """Distance of each corner's vertex if the shortest path crosses its triangle.

        The distances of the two other vertices place the source on the far side of the line between
        them; the straight line from there counts if it crosses the side, the two edges if not. Such a
        line is no shorter than the nearer end, but for what half the side can make up.
        """
        first, second = distance[self.start[corner]], distance[self.end[corner]]
        so_far, nearer = distance[self.apex[corner]], np.minimum(first, second)
        side, x, y = self.side[corner], self.x[corner], self.y[corner]
        edges = np.minimum(first + self.from_start[corner], second + self.from_end[corner])
        source_x = (side**2 + first**2 - second**2) / (2 * side)
        depth = np.sqrt(np.maximum(first**2 - source_x**2, 0))
        crossing = source_x * y + x * depth  # where the line meets the side, times (depth + y)
        inside = (crossing >= 0) & (crossing <= side * (depth + y)) & (np.abs(first - second) <= side)
        inside &= nearer**2 - side**2 / 4 < so_far**2
        return np.where(inside, np.minimum(np.hypot(x - source_x, y + depth), edges), edges)
