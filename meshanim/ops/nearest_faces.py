"""The nearest point of a surface, found by walking along it."""

from __future__ import annotations

import numpy as np

from meshanim._check import InputError, check_indices, check_shape
from meshanim.ops._library import address, check_result, cpu_library
from meshanim.ops.arrays import FloatArray, IntArray, dot, rows, starts


def nearest_faces(
    points: FloatArray,
    normals: FloatArray,
    start: IntArray,
    vertices: FloatArray,
    faces: IntArray,
    face_normals: FloatArray,
) -> tuple[IntArray, FloatArray]:
    """The face of a surface that is nearest to each point, as one comes to it along the surface.

    The search compares the faces around a vertex, then those around the corners of the nearest one, and
    goes on while it comes closer. A face that looks away from the point's normal counts only where all do;
    of several that are equally near it is the one of lowest index.

    Args:
        points, normals: (N, 3) positions, and directions that tell one side from the other.
        start: (N,) the vertex of the surface to begin at; a face must have it.
        vertices, faces, face_normals: the surface, (V, 3), (F, 3) and (F, 3).

    Returns:
        (N,) face indices and (N, 3) barycentric weights of the nearest points, none negative, of sum one.

    Raises:
        InputError: an index out of range, a start without faces, arrays that do not fit together.
    """
    check_shape("points", points, (None, 3))
    check_shape("normals", normals, (len(points), 3))
    check_shape("start", start, (len(points),))
    check_shape("vertices", vertices, (None, 3))
    check_shape("faces", faces, (None, 3))
    check_shape("face_normals", face_normals, (len(faces), 3))
    check_indices("faces", faces, len(vertices))
    check_indices("start", start, len(vertices))
    lonely = start[~np.isin(start, faces)]
    if len(lonely):
        raise InputError(f"start must name vertices that faces have, got {lonely[0]}")
    library = cpu_library()
    if library is None:
        return nearest_faces_reference(points, normals, start, vertices, faces, face_normals)
    floats = (points, normals, vertices, face_normals)
    points, normals, vertices, face_normals = (np.ascontiguousarray(array, np.float64) for array in floats)
    start, faces = (np.ascontiguousarray(array, np.int64) for array in (start, faces))
    away = _farther_than_any(vertices)
    face, weights = np.empty(len(points), dtype=np.int64), np.empty((len(points), 3))
    seeking = (address(points), address(normals), address(start), len(points))
    surface = (address(vertices), len(vertices), address(faces), address(face_normals), len(faces))
    check_result(library.meshanim_nearest_faces(*seeking, *surface, away, address(face), address(weights)))
    return face, weights


def nearest_faces_reference(
    points: FloatArray,
    normals: FloatArray,
    start: IntArray,
    vertices: FloatArray,
    faces: IntArray,
    face_normals: FloatArray,
) -> tuple[IntArray, FloatArray]:
    """The same as :func:`nearest_faces`, a step of all points at once."""
    surface = _Surface(vertices, faces, face_normals)
    found, weights = np.full(len(points), -1), np.zeros((len(points), 3))
    seeking, hub = np.arange(len(points)), start[:, None]
    while len(seeking):
        face, row = surface.around(hub)
        face, weights[seeking] = surface.nearest(points[seeking], normals[seeking], face, row)
        closer = face != found[seeking]
        found[seeking] = face
        seeking, hub = seeking[closer], faces[face[closer]]
    return found, weights


def _part(value: FloatArray, whole: FloatArray) -> FloatArray:
    return np.clip(value / np.where(whole > 0, whole, 1), 0, 1)


def closest_on_triangle(point: FloatArray, triangle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nearest point of each triangle to its point.

    The foot of the perpendicular where it lies inside, else the nearest of the nearest points of the
    three sides; all from six dot products.

    Args:
        point: (N, 3).
        triangle: (N, 3, 3), corner by corner; may be without area.

    Returns:
        (N, 3) barycentric weights, none negative, of sum one; (N,) squared distances.
    """
    corner = triangle[:, 0]
    first, second, offset = triangle[:, 1] - corner, triangle[:, 2] - corner, point - corner
    ff, fs, ss = dot(first, first), dot(first, second), dot(second, second)
    of, os = dot(offset, first), dot(offset, second)
    area = ff * ss - fs * fs
    safe = np.where(area > 0, area, 1)
    s, t = (ss * of - fs * os) / safe, (ff * os - fs * of) / safe
    across = _part(os - of - fs + ff, ff - 2 * fs + ss)
    zero = np.zeros_like(s)
    s = np.stack([s, _part(of, ff), zero, 1 - across])
    t = np.stack([t, zero, _part(os, ss), across])
    squared = dot(offset, offset) - 2 * (s * of + t * os) + s * s * ff + 2 * s * t * fs + t * t * ss
    squared[0, (s[0] < 0) | (t[0] < 0) | (s[0] + t[0] > 1) | (area <= 0)] = np.inf
    best = squared.argmin(axis=0), np.arange(len(point))
    weights = np.stack([np.maximum(1 - s[best] - t[best], 0), s[best], t[best]], axis=1)
    return weights, np.maximum(squared[best], 0)


def _farther_than_any(vertices: FloatArray) -> float:
    """What is added to the squared distance of a face that looks away: that of a box around the vertices."""
    return float(np.square(np.ptp(vertices, axis=0)).sum())


class _Surface:
    """Faces, and those around each vertex."""

    def __init__(self, vertices: FloatArray, faces: IntArray, face_normals: FloatArray) -> None:
        self.vertices, self.faces, self.face_normals = vertices, faces, face_normals
        self.away = _farther_than_any(vertices)
        self.corners = np.argsort(faces.reshape(-1), kind="stable")
        self.count = np.bincount(faces.reshape(-1), minlength=len(vertices))
        self.begin = starts(self.count)

    def around(self, vertices: IntArray) -> tuple[IntArray, IntArray]:
        """Faces around each row of (N, K) vertices, perhaps more than once, and the row they belong to."""
        slot, row = rows(self.begin[vertices].reshape(-1), self.count[vertices].reshape(-1))
        return self.corners[slot] // 3, row // vertices.shape[1]

    def nearest(
        self, point: FloatArray, normal: FloatArray, face: IntArray, row: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Of each row's faces the nearest one and the weights on it; rows come in order."""
        weight, squared = closest_on_triangle(point[row], self.vertices[self.faces[face]])
        squared += np.where(dot(normal[row], self.face_normals[face]) <= 0, self.away, 0)
        begin = np.flatnonzero(np.diff(row, prepend=-1))
        lowest = np.minimum.reduceat(squared, begin)
        rival = np.where(squared <= lowest[row], face, len(self.faces))
        found = np.minimum.reduceat(rival, begin)
        place = np.flatnonzero(rival == found[row])
        return found, weight[place[np.flatnonzero(np.diff(row[place], prepend=-1))]]
