from dataclasses import dataclass

import pytest
import torch
import trimesh

from meshanim.mesh import Mesh, MeshHierarchy
from meshanim.synthesis import EXPRESSIONS, expression_labels

SUBJECTS = 4


@dataclass
class Sequence:
    subject: int
    expression: str
    neutral: torch.Tensor
    labels: torch.Tensor
    vertices: torch.Tensor


@pytest.fixture(scope="session")
def face() -> Mesh:
    """A round face of 162 vertices, 10 cm across."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    return Mesh(torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces.copy()))


@pytest.fixture(scope="session")
def hierarchy(face: Mesh) -> MeshHierarchy:
    """Three levels of it."""
    return MeshHierarchy.from_mesh(face, factors=(4, 4), cache=False)


@pytest.fixture(scope="session")
def corpus(face: Mesh) -> list[Sequence]:
    """Four people; every expression pushes another side of the face out, by 5 mm times a person's gain."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(len(EXPRESSIONS), 3, generator=generator), dim=1)
    side = torch.nn.functional.normalize(face.vertices, dim=1) @ directions.T
    push = 0.005 * side.clamp(min=0)[..., None] * face.vertices[:, None] / 0.05
    sequences = []
    for subject in range(SUBJECTS):
        gain = 0.7 + 0.2 * subject
        neutral = face.vertices * (1 + 0.05 * subject)
        for column, name in enumerate(EXPRESSIONS):
            labels = expression_labels(name, duration=0.6 + 0.1 * column + 0.2 * subject, fps=12)
            moved = neutral + gain * labels[:, column, None, None] * push[:, column]
            sequences.append(Sequence(subject, name, neutral, labels, moved))
    return sequences
