"""Quadric error metric: squared distance to a set of planes in ten numbers."""

from __future__ import annotations

import numpy as np

from meshanim.ops.arrays import FloatArray, IntArray, cross, dot, norm
from meshanim.ops.half_edges import half_edges_reference


def _plane_quadrics(normal: FloatArray, offset: FloatArray, weight: FloatArray) -> FloatArray:
    """(N, 10) upper triangle of ``weight * [n d]^T [n d]`` for the planes ``n x + d = 0``."""
    plane = np.concatenate([normal, offset[:, None]], axis=1)
    row, column = np.triu_indices(4)
    return weight[:, None] * plane[:, row] * plane[:, column]


def _through(points: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit normal, plane offset and length for planes through points."""
    size = norm(normal)
    direction = normal / np.where(size > 0, size, 1)[:, None]
    return direction, -dot(direction, points), size


def vertex_quadrics(points: FloatArray, faces: IntArray, boundary: float) -> FloatArray:
    """(V, 10) sums over the planes of the faces around each vertex, weighted by area.

    Each boundary edge adds a plane through it, across its face, weighted by its length squared times
    ``boundary``. Garland and Heckbert, "Surface
    Simplification Using Quadric Error Metrics", SIGGRAPH 1997, sections 5 and 6.
    """
    edges = half_edges_reference(faces, len(points))
    first, second, third = points[faces.T]
    normal, offset, doubled = _through(first, cross(second - first, third - first))
    per_face = _plane_quadrics(normal, offset, doubled / 2)
    alone = np.flatnonzero(edges.face_count[edges.edge] == 1)
    start, end = edges.origin[alone], edges.target[alone]
    side = points[end] - points[start]
    across, shift, _ = _through(points[start], cross(side, normal[alone // 3]))
    per_edge = _plane_quadrics(across, shift, boundary * dot(side, side))
    vertex = np.concatenate([faces.T.reshape(-1), start, end])
    quadric = np.concatenate([per_face, per_face, per_face, per_edge, per_edge])
    return np.stack([np.bincount(vertex, column, minlength=len(points)) for column in quadric.T], axis=1)


def quadric_error(quadrics: FloatArray, points: FloatArray) -> FloatArray:
    """(N,) weighted sum of squared distances of N points to the planes of N quadrics."""
    xx, xy, xz, x1, yy, yz, y1, zz, z1, one = quadrics.T
    x, y, z = points.T
    along_x = x * (xx * x + 2 * (xy * y + xz * z + x1))
    return np.maximum(along_x + y * (yy * y + 2 * (yz * z + y1)) + z * (zz * z + 2 * z1) + one, 0)


def quadric_weight(quadrics: FloatArray) -> FloatArray:
    """(N,) total weight of the planes in each quadric (their normals have unit length)."""
    return quadrics[:, 0] + quadrics[:, 4] + quadrics[:, 7]
