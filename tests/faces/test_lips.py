"""Lips by landmark: pairs that face each other, and their gap."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import ARKIT_NAMES, FaceModel, FlameFace, articulate
from meshanim.faces.lips import lip_pairs, lip_vertices, upper_face_vertices


@pytest.fixture(scope="session", params=["anny", "ict", "of_mesh"])
def face(request: pytest.FixtureRequest) -> FaceModel:
    """Every kind of face that has the landmarks."""
    return request.getfixturevalue(request.param)


def test_pairs_face_each_other_from_right_to_left(face: FaceModel) -> None:
    pairs, rest = lip_pairs(face), face.neutral.vertices
    assert (rest[pairs.upper, 1] > rest[pairs.lower, 1]).all()
    assert torch.allclose(rest[pairs.upper, 0], rest[pairs.lower, 0], atol=1e-3)
    assert (rest[pairs.upper, 0].diff() > 0).all()
    assert not set(pairs.upper.tolist()) & set(pairs.lower.tolist())


def test_the_gap_opens_with_the_jaw_and_closes_with_the_lips(face: FaceModel) -> None:
    weights = torch.zeros(3, len(ARKIT_NAMES))
    weights[1:, ARKIT_NAMES.index("jawOpen")] = 0.3
    weights[2, ARKIT_NAMES.index("mouthClose")] = 0.3
    gap = lip_pairs(face).gap(articulate(face, face.weights_from_arkit(weights)))
    assert abs(gap[0]) < 2.5e-3
    assert gap[1] > gap[0] + 4e-3
    assert gap[2] < gap[1] - 4e-3


def test_the_gap_is_the_mean_height_of_the_pairs(face: FaceModel) -> None:
    pairs = lip_pairs(face)
    vertices = torch.zeros(2, len(face.neutral.vertices), 3)
    vertices[1, pairs.upper, 1] = torch.tensor([0.001, 0.002, 0.006])
    assert torch.allclose(pairs.gap(vertices), torch.tensor([0.0, 0.003]))


def test_regions_lie_where_they_should(face: FaceModel) -> None:
    lips, upper = (face.neutral.vertices[part(face)] for part in (lip_vertices, upper_face_vertices))
    nose = face.neutral.vertices[face.neutral.landmarks["landmark68_33"], 1]
    assert len(lips) > 100 and (lips[:, 1] < nose).all()
    assert len(upper) > 100 and (upper[:, 1] > nose).all()


def test_a_face_without_landmarks_is_refused(flame: FlameFace) -> None:
    with pytest.raises(InputError, match="landmark68_61"):
        lip_pairs(flame)
