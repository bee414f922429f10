"""Meshes with known answers, and the ICT face."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from meshanim.mesh import Decimation, Mesh, axis_angle_to_matrix, decimate


def _mesh(vertices, faces) -> Mesh:
    return Mesh(
        torch.tensor(vertices, dtype=torch.float32), torch.tensor(faces, dtype=torch.int64).reshape(-1, 3)
    )


@pytest.fixture
def tetrahedron() -> Mesh:
    return _mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])


@pytest.fixture
def strip() -> Mesh:
    """Two rows of four vertices in the plane: every vertex is on the boundary.

    4-5-6-7 above 0-1-2-3, seen from +Z.
    """
    vertices = [[x, y, 0] for y in (0, 1) for x in range(4)]
    faces = [corner for i in range(3) for corner in ([i, i + 1, i + 5], [i, i + 5, i + 4])]
    return _mesh(vertices, faces)


@pytest.fixture
def bow_tie() -> Mesh:
    """Two triangles that share only vertex 0."""
    vertices = [[0, 0, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0], [-1, -1, 0]]
    return _mesh(vertices, [[0, 1, 2], [0, 3, 4]])


@pytest.fixture
def with_isolated() -> Mesh:
    """A triangle, and vertex 1 apart from it."""
    return _mesh([[0, 0, 0], [5, 5, 5], [1, 0, 0], [0, 1, 0]], [[0, 2, 3]])


@pytest.fixture
def single_vertex() -> Mesh:
    return _mesh([[0, 0, 0]], [])


@pytest.fixture
def grid() -> Mesh:
    """A flat 21 x 21 grid of one metre in the plane Z = 0, vertex 220 in its centre."""
    y, x = np.mgrid[0:21, 0:21]
    vertices = np.stack([x.ravel() / 20 - 0.5, y.ravel() / 20 - 0.5, np.zeros(441)], axis=1)
    corner = (y[:-1, :-1] * 21 + x[:-1, :-1]).ravel()
    quads = np.stack([corner, corner + 1, corner + 22, corner + 21], axis=1)
    return Mesh(torch.tensor(vertices, dtype=torch.float32), torch.tensor(quads))


@pytest.fixture
def sphere() -> Mesh:
    """A unit sphere of 2,562 vertices."""
    ball = trimesh.creation.icosphere(subdivisions=4)
    return Mesh(torch.tensor(ball.vertices, dtype=torch.float32), torch.tensor(ball.faces))


@pytest.fixture
def torus() -> Mesh:
    ring = trimesh.creation.torus(1.0, 0.3, major_sections=48, minor_sections=24)
    return Mesh(torch.tensor(ring.vertices, dtype=torch.float32), torch.tensor(ring.faces))


@pytest.fixture(scope="session")
def ict(shared_data: Path) -> Mesh:
    """The ICT face: 26,719 vertices in 56 components."""
    data = np.load(shared_data / "ict_facekit/ict_facekit_light.npz")
    return Mesh(torch.from_numpy(data["mean"]) / 100, torch.from_numpy(data["faces"].astype(np.int64)))


@pytest.fixture(scope="session")
def ict_step(ict: Mesh) -> Decimation:
    """The ICT face with a fifth of its vertices."""
    return decimate(ict, 5344)


@pytest.fixture
def rotation() -> torch.Tensor:
    """A rotation about no special axis."""
    return axis_angle_to_matrix(torch.tensor([0.7, -1.1, 0.4], dtype=torch.float64))
