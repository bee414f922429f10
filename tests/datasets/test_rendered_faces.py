"""Rendered faces: the same for a seed, each another, and drawn where their vertices are."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.datasets import RenderedFaces
from meshanim.faces import AnnyFace
from meshanim.mesh import axis_angle_to_matrix


@pytest.fixture(scope="module")
def face():
    return AnnyFace()


@pytest.fixture(scope="module")
def pictures(face):
    return RenderedFaces(face, 12, seed=3, size=64)


def test_the_same_seed_gives_the_same_bytes(face, pictures):
    again = RenderedFaces(face, 5, seed=3, size=64)
    one, other = pictures[2], again[2]
    assert torch.equal(one.image, other.image) and torch.equal(one.vertices, other.vertices)
    assert torch.equal(one.camera.project(one.vertices), other.camera.project(other.vertices))
    assert not torch.equal(pictures[2].image, pictures[3].image)
    assert not torch.equal(RenderedFaces(face, 5, seed=4, size=64)[2].image, pictures[2].image)


def test_vertices_are_what_identity_weights_and_motion_say(face, pictures):
    item = pictures[0]
    turn = axis_angle_to_matrix(item.head_motion[:3])
    torch.testing.assert_close(face.vertices(item.identity, item.weights) @ turn.T, item.vertices)


def test_pictures_show_faces_from_many_sides(face, pictures):
    yaws = []
    for index in range(len(pictures)):
        item = pictures[index]
        assert item.image.shape == (64, 64, 3) and item.image.min() >= 0 and item.image.max() <= 1
        yaws.append(float(item.head_motion[1].rad2deg()))
        place = item.camera.project(item.vertices[face.neutral.groups["face"]])
        inside = ((place[:, :2] > 0) & (place[:, :2] < 64)).all(1)
        assert inside.float().mean() > 0.9
    assert min(yaws) < -30 and max(yaws) > 30 and max(map(abs, yaws)) <= 60


def test_bad_arguments_are_named(face, pictures):
    with pytest.raises(IndexError, match="item must be at least -12 and at most 11, got 12"):
        pictures[12]
    with pytest.raises(InputError, match="count must be at least 1"):
        RenderedFaces(face, 0)
    with pytest.raises(InputError, match="seed must be at least 0"):
        RenderedFaces(face, 1, -1)
