import pytest
import torch
import trimesh

from meshanim.mesh import Mesh, MeshHierarchy


@pytest.fixture(scope="session")
def face() -> Mesh:
    """A round face of 162 vertices, 10 cm across."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    return Mesh(torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces.copy()))


@pytest.fixture(scope="session")
def hierarchy(face: Mesh) -> MeshHierarchy:
    """Three levels of it."""
    return MeshHierarchy.from_mesh(face, factors=(4, 4), cache=False)
