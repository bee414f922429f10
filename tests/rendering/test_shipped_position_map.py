"""The position-map network that ships, by its name, on faces it has not seen and in a whole picture."""

import numpy as np
import pytest
import torch

from meshanim.datasets import RenderedFaces
from meshanim.faces import AnnyFace
from meshanim.rendering import (
    PositionMapModel,
    complete_texture,
    picture_positions,
    picture_scale,
    unproject_texture,
)
from meshanim.rendering.position_map import USUAL

DETECTED = 3
BOUND = 12.0
"""Millimetres; benchmarks/unprojection.py measures the mean over more pictures."""


@pytest.fixture(scope="module")
def face():
    return AnnyFace()


@pytest.fixture(scope="module")
def model():
    return PositionMapModel.from_pretrained("unprojection-small")


@pytest.fixture(scope="module")
def pictures(face):
    drawn = RenderedFaces(face, 6, seed=7)
    return [drawn[item] for item in range(6)]


def distance(found, picture, part):
    """Mean distance (mm) of vertices (V, 3), depth counted from its mean on both sides."""
    away = (found - picture_positions(picture.vertices, picture.camera))[part]
    away[:, 2] -= away[:, 2].mean()
    return float(1000 * away.norm(dim=1).mean() / picture_scale(picture.vertices, picture.camera))


def test_it_finds_unseen_faces(model, face, pictures):
    """Twice as near as the neutral face in the middle of the picture, at least."""
    part, vertices = face.neutral.groups["face"], face.neutral.vertices
    still = (vertices - vertices.mean(0)) * torch.tensor([1.0, -1.0, -1.0]) * USUAL
    errors = []
    for picture in pictures:
        found = model.unproject(picture.image[None])
        places = picture_positions(found.vertices, found.camera)[0]
        errors.append(distance(places, picture, part))
    assert np.mean(errors) < BOUND
    assert np.mean(errors) < 0.5 * np.mean([distance(still, picture, part) for picture in pictures])


def test_a_face_in_a_whole_picture_gives_mesh_and_texture(model, face, pictures):
    """The one that dlib finds, small and aside in a grey picture."""
    pytest.importorskip("dlib")
    image = np.full((400, 600, 3), 90, np.uint8)
    image[100:356, 300:556] = (255 * pictures[DETECTED].image).round().to(torch.uint8).numpy()
    found = model.find(image)
    part, truth = face.neutral.groups["face"], pictures[DETECTED]
    places = found.camera.project(found.vertices)[part, :2]
    wanted = truth.camera.project(truth.vertices)[part, :2] + torch.tensor([300.0, 100.0])
    assert (places - wanted).norm(dim=1).mean() < 12
    seen = unproject_texture(torch.from_numpy(image) / 255, found.vertices, found.camera, model.layout)
    texture = complete_texture(seen, model.layout)
    assert texture.shape == (256, 256, 3) and torch.isfinite(texture).all()
    assert (seen.weight > 0).float().mean() > 0.1
