"""From a coarse mesh back to the fine one: every fine vertex as a point on a coarse face."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from meshanim.mesh.decimation import Decimation
from meshanim.mesh.geometry import face_normals, vertex_normals
from meshanim.mesh.mesh import Mesh
from meshanim.ops.arrays import FloatArray, IntArray, rows


def _dot(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.einsum("nx,nx->n", one, other)


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
    ff, fs, ss = _dot(first, first), _dot(first, second), _dot(second, second)
    of, os = _dot(offset, first), _dot(offset, second)
    area = ff * ss - fs * fs
    safe = np.where(area > 0, area, 1)
    s, t = (ss * of - fs * os) / safe, (ff * os - fs * of) / safe
    across = _part(os - of - fs + ff, ff - 2 * fs + ss)
    zero = np.zeros_like(s)
    s = np.stack([s, _part(of, ff), zero, 1 - across])
    t = np.stack([t, zero, _part(os, ss), across])
    squared = _dot(offset, offset) - 2 * (s * of + t * os) + s * s * ff + 2 * s * t * fs + t * t * ss
    squared[0, (s[0] < 0) | (t[0] < 0) | (s[0] + t[0] > 1) | (area <= 0)] = np.inf
    best = squared.argmin(axis=0), np.arange(len(point))
    weights = np.stack([np.maximum(1 - s[best] - t[best], 0), s[best], t[best]], axis=1)
    return weights, np.maximum(squared[best], 0)


class _CoarseFaces:
    """The faces of the coarse mesh, and those around each of its vertices."""

    def __init__(self, mesh: Mesh) -> None:
        self.points = mesh.vertices.double().numpy()
        self.faces = mesh.faces.numpy()
        self.corners = np.argsort(self.faces.reshape(-1), kind="stable")
        self.count = np.bincount(self.faces.reshape(-1), minlength=len(self.points))
        self.begin = np.cumsum(self.count) - self.count
        self.normals = face_normals(mesh.vertices.double(), mesh.faces).numpy()
        self.away = float(np.square(np.ptp(self.points, axis=0)).sum())  # farther than any two points

    def around(self, vertices: IntArray) -> tuple[IntArray, IntArray]:
        """Faces around each row of (N, K) vertices, perhaps more than once, and the row they belong to."""
        slot, row = rows(self.begin[vertices].reshape(-1), self.count[vertices].reshape(-1))
        return self.corners[slot] // 3, row // vertices.shape[1]

    def nearest(
        self, point: FloatArray, normal: FloatArray, face: IntArray, row: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Of each row's faces the nearest one (lowest index of several) and the weights on it.

        A face that looks away from the row's normal counts only where all do. Rows come in order, and
        each has a face.
        """
        weight, squared = closest_on_triangle(point[row], self.points[self.faces[face]])
        squared += np.where(_dot(normal[row], self.normals[face]) <= 0, self.away, 0)
        begin = np.flatnonzero(np.diff(row, prepend=-1))
        lowest = np.minimum.reduceat(squared, begin)
        rival = np.where(squared <= lowest[row], face, len(self.faces))
        found = np.minimum.reduceat(rival, begin)
        place = np.flatnonzero(rival == found[row])
        return found, weight[place[np.flatnonzero(np.diff(row[place], prepend=-1))]]


def upsampling_matrix(fine: Mesh, decimation: Decimation) -> tuple[Tensor, Tensor]:
    """The matrix that carries values at coarse vertices to the fine ones, three entries in each row.

    A vertex that stayed takes its own value. Any other takes those at the corners of the nearest coarse
    face with barycentric weights (section 3.2 of Potamias et al., "Learning to Generate Customized
    Dynamic 3D Facial Expressions", ECCV 2020; Ranjan et al., "Generating 3D Faces using Convolutional
    Mesh Autoencoders", ECCV 2018). Nearest is meant along the surface: the search begins where the
    decimation merged the vertex to and goes from face to neighbouring face while it comes closer, and
    passes over faces that look the other way. So it stays within the component, and does not reach
    across from one lip to the other where they touch.

    Returns:
        (V, 3) int64 coarse vertex indices and (V, 3) float32 weights, none negative, rows of sum one.
    """
    coarse, into = _CoarseFaces(decimation.mesh), decimation.merged_into.numpy()
    indices = np.repeat(into[:, None], 3, axis=1)
    weights = np.zeros((len(into), 3))
    weights[:, 0] = 1
    stays = np.zeros(len(into), dtype=bool)
    stays[decimation.kept.numpy()] = True
    seeking = np.flatnonzero(~stays & (coarse.count[into] > 0))
    vertices = fine.vertices.detach().cpu().double()
    points, normals = vertices.numpy(), vertex_normals(vertices, fine.faces.cpu()).numpy()
    hub, found = into[seeking][:, None], np.full(len(seeking), -1)
    while len(seeking):
        face, row = coarse.around(hub)
        face, weight = coarse.nearest(points[seeking], normals[seeking], face, row)
        indices[seeking], weights[seeking] = coarse.faces[face], weight
        closer = face != found
        seeking, found = seeking[closer], face[closer]
        hub = coarse.faces[found]
    return torch.from_numpy(indices), torch.from_numpy(weights).float()
