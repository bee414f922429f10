"""Nearest points on triangles; the walk itself is tested with the matrices that it makes."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from meshanim._check import InputError
from meshanim.ops import nearest_faces
from meshanim.ops.nearest_faces import closest_on_triangle


def test_closest_point_against_trimesh() -> None:
    generator = np.random.default_rng(0)
    triangle, point = generator.normal(size=(2000, 3, 3)), generator.normal(size=(2000, 3)) * 2
    weights, squared = closest_on_triangle(point, triangle)
    found = np.einsum("nc,ncx->nx", weights, triangle)
    # float64: needles among the random triangles cost some digits
    np.testing.assert_allclose(found, trimesh.triangles.closest_point(triangle, point), atol=1e-8)
    np.testing.assert_allclose(np.sqrt(squared), np.linalg.norm(found - point, axis=1), atol=1e-7)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)


def test_closest_point_without_area() -> None:
    line = np.array([[[0.0, 0, 0], [1, 0, 0], [3, 0, 0]], [[2.0, 2, 2]] * 3])
    weights, squared = closest_on_triangle(np.array([[2.0, 1, 0], [2, 2, 0]]), line)
    np.testing.assert_allclose(np.einsum("nc,ncx->nx", weights, line), [[2, 0, 0], [2, 2, 2]])
    np.testing.assert_allclose(squared, [1, 4])


def test_the_other_side_is_passed_over() -> None:
    """Two sheets, 1 cm apart and back to back, joined along one edge: the nearer one looks away."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0.01]])
    faces, normals = np.array([[0, 2, 1], [0, 1, 3]]), np.array([[0.0, 0, -1], [0, 0, 1]])
    point, up = np.array([[0.2, 0.2, -0.1]]), np.array([[0.0, 0, 1]])
    start = np.array([0])
    assert nearest_faces(point, up, start, vertices, faces, normals)[0].tolist() == [1]
    face, weights = nearest_faces(point, -up, start, vertices, faces, normals)
    assert face.tolist() == [0]
    np.testing.assert_allclose(weights, [[0.6, 0.2, 0.2]], atol=1e-15)


def test_wrong_arguments_are_named() -> None:
    points, faces, normals = np.eye(4, 3), np.array([[0, 1, 2]]), np.eye(1, 3)
    one, up = points[:1], normals[:1]
    with pytest.raises(InputError, match=r"faces must lie in \[0, 2\)"):
        nearest_faces(one, up, np.array([0]), points[:2], faces, normals)
    with pytest.raises(InputError, match=r"start must lie in \[0, 4\)"):
        nearest_faces(one, up, np.array([4]), points, faces, normals)
    with pytest.raises(InputError, match="start must name vertices that faces have, got 3"):
        nearest_faces(one, up, np.array([3]), points, faces, normals)
    with pytest.raises(InputError, match=r"start must have shape \(1,\), got \(2,\)"):
        nearest_faces(one, up, np.array([0, 1]), points, faces, normals)
