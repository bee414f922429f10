"""Shortest distances along a surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError, check_indices
from meshanim.mesh.half_edges import IntArray, following, preceding
from meshanim.mesh.mesh import Mesh

FloatArray = NDArray[np.float64]

# Vertices within this many mean edge lengths of the nearest unsettled one are updated together: less
# makes more rounds, more makes more updates that are overtaken later.
_BAND = 2.0
# In mean edge lengths: a smaller gain does not go round again.
_GAIN = 1e-9


class _Unfolding:
    """Every corner's triangle laid into the plane: the opposite side from (0, 0) to (side, 0)."""

    def __init__(self, points: FloatArray, origin: IntArray) -> None:
        corner = np.arange(len(origin))
        self.apex, self.start, self.end = origin, origin[following(corner)], origin[preceding(corner)]
        along, up = points[self.end] - points[self.start], points[self.apex] - points[self.start]
        self.side = np.linalg.norm(along, axis=1)
        self.from_start = np.linalg.norm(up, axis=1)
        self.from_end = np.linalg.norm(points[self.apex] - points[self.end], axis=1)
        safe = np.where(self.side > 0, self.side, 1)
        self.x = (along * up).sum(axis=1) / safe
        self.y = np.sqrt(np.maximum(self.from_start**2 - self.x**2, 0))

    def through(self, corner: IntArray, distance: FloatArray) -> FloatArray:
        """Distance of each corner's vertex if the shortest path crosses its triangle.

        The distances of the two other vertices place the source on the far side of the line between
        them; the straight line from there counts if it crosses the side, the two edges if not.
        """
        first, second = distance[self.start[corner]], distance[self.end[corner]]
        side, x, y = self.side[corner], self.x[corner], self.y[corner]
        edges = np.minimum(first + self.from_start[corner], second + self.from_end[corner])
        source_x = (side**2 + first**2 - second**2) / (2 * side)
        depth = np.sqrt(np.maximum(first**2 - source_x**2, 0))
        crossing = source_x * y + x * depth  # where the line meets the side, times (depth + y)
        inside = (crossing >= 0) & (crossing <= side * (depth + y)) & (np.abs(first - second) <= side)
        return np.where(inside, np.minimum(np.hypot(x - source_x, y + depth), edges), edges)


def surface_distance(points: FloatArray, origin: IntArray, sources: IntArray) -> FloatArray:
    """``geodesic_distance`` on arrays: (V, 3) points and the (H,) origins of the half-edges."""
    distance = np.full(len(points), np.inf)
    distance[sources] = 0
    if not len(origin):
        return distance
    unfolding = _Unfolding(points, origin)
    by_vertex = np.argsort(origin, kind="stable")
    degree = np.bincount(origin, minlength=len(points))
    begin = np.cumsum(degree) - degree
    edge = float(unfolding.side.mean())
    waiting = np.unique(sources)
    while len(waiting):
        near = distance[waiting] <= distance[waiting].min() + _BAND * edge
        front, waiting = waiting[near], waiting[~near]
        count = degree[front]
        slot = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        around = by_vertex[np.repeat(begin[front], count) + slot]
        corner = np.concatenate([following(around), preceding(around)])
        apex = unfolding.apex[corner]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = unfolding.through(corner, distance)
        gained = found < distance[apex] - _GAIN * edge
        np.minimum.at(distance, apex[gained], found[gained])
        waiting = np.union1d(waiting, apex[gained])
    return distance


def geodesic_distance(mesh: Mesh, sources: int | Sequence[int] | Tensor) -> Tensor:
    """Shortest distance along the surface from the nearest of some vertices.

    Distances spread from the sources triangle by triangle: two known corners place the source in the
    plane of the third (Novotni and Klein, "Computing Geodesic Distances on Triangular Meshes", 2002),
    and vertices are updated, a band at a time, until nothing becomes shorter. Exact on a plane; on a
    sphere of 2,562 vertices 0.6 % short in the middle, 1.3 % at the far side, half that with edges half
    as long; up to 3 % long behind an inner corner.

    Args:
        mesh: V vertices.
        sources: vertex index or indices.

    Returns:
        (V,) in metres; infinite in components that have no source.

    Raises:
        InputError: no source, or an index out of range.
    """
    index = torch.as_tensor(sources).flatten()
    if index.numel() == 0 or index.is_floating_point():
        raise InputError(f"sources must hold at least one vertex index, got {sources!r}")
    check_indices("sources", index, len(mesh.vertices))
    points = mesh.vertices.detach().cpu().double().numpy()
    origin = mesh.topology.half_edges[:, 0].numpy()
    distance = surface_distance(points, origin, index.cpu().numpy().astype(np.int64))
    return torch.from_numpy(distance).to(mesh.vertices)
