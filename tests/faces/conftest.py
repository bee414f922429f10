"""The faces under test: built in, ICT-FaceKit where its data is, FLAME in a made file, and a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from meshanim.faces import AnnyFace, FaceModel, FlameFace, IctFace, face_from_mesh

SHAPES, EXPRESSIONS = 6, 100


def _flame_arrays() -> dict[str, Any]:
    """A head of 126 vertices, a ball with two eyes, under FLAME's keys and with its five joints."""
    random = np.random.default_rng(0)
    ball = trimesh.creation.icosphere(subdivisions=1)
    count = len(ball.vertices)
    places = [(0.0, 0.0, 0.0), (0.03, 0.02, 0.08), (-0.03, 0.02, 0.08)]
    parts = [
        ball.vertices * radius + place for radius, place in zip((0.1, 0.012, 0.012), places, strict=True)
    ]
    vertices = np.concatenate(parts)
    head = np.arange(3 * count) < count
    weights = np.zeros((3 * count, 5))
    weights[:, 2] = head * np.clip(-vertices[:, 1] / 0.05, 0, 1) * (vertices[:, 2] > 0)
    weights[:, 0] = head * (vertices[:, 1] < -0.08) * (1 - weights[:, 2])
    weights[:, 1] = head * (1 - weights[:, 2] - weights[:, 0])
    weights[count : 2 * count, 3] = weights[2 * count :, 4] = 1
    regressor = random.uniform(size=(5, 3 * count)) * head
    regressor[3] = (np.arange(3 * count) // count) == 1
    regressor[4] = (np.arange(3 * count) // count) == 2
    return {
        "v_template": vertices,
        "f": np.concatenate([ball.faces + part * count for part in range(3)]).astype(np.uint32),
        "shapedirs": 2e-3 * random.standard_normal((3 * count, 3, SHAPES + EXPRESSIONS)),
        "posedirs": 1e-3 * random.standard_normal((3 * count, 3, 36)),
        "weights": weights,
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
    }


@pytest.fixture
def flame_arrays() -> dict[str, Any]:
    """Arrays of the made FLAME: 6 shapes, 100 expressions; new ones for every test."""
    return _flame_arrays()


@pytest.fixture
def flame_file(tmp_path: Path, flame_arrays: dict[str, Any]) -> Path:
    path = tmp_path / "flame.npz"
    np.savez(path, **flame_arrays)
    return path


@pytest.fixture(scope="session")
def ict_file(shared_data: Path) -> Path:
    return shared_data / "ict_facekit" / "ict_facekit_light.npz"


@pytest.fixture(scope="session")
def anny(cache_folder: Path) -> AnnyFace:
    return AnnyFace()


@pytest.fixture(scope="session")
def ict(ict_file: Path) -> IctFace:
    return IctFace.from_path(ict_file)


@pytest.fixture(scope="session")
def flame(tmp_path_factory: pytest.TempPathFactory) -> FlameFace:
    path = tmp_path_factory.mktemp("flame") / "flame.npz"
    np.savez(path, **_flame_arrays())
    return FlameFace.from_path(path)


@pytest.fixture(scope="session")
def of_mesh(anny: AnnyFace) -> FaceModel:
    """The built-in head's motion on a mesh of somebody."""
    someone = anny.sample_identity(torch.Generator().manual_seed(7), 1)[0]
    return face_from_mesh(anny.neutral.with_vertices(anny.rest(someone)), anny)


@pytest.fixture(scope="session", params=["anny", "ict", "flame", "of_mesh"])
def face(request: pytest.FixtureRequest) -> FaceModel:
    """Every kind of face in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def someone(face: FaceModel) -> torch.Tensor:
    """Coefficients (I,) of a person who is not the mean."""
    return face.sample_identity(torch.Generator().manual_seed(3), 1)[0]
