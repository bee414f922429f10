"""Left and right of meshes whose halves are known, and of both faces."""

import numpy as np
import pytest
import torch

from meshanim.faces import AnnyFace, IctFace
from meshanim.mesh import Mesh, mirrored_places, mirrored_vertices


@pytest.fixture(scope="module", params=["anny", "ict"])
def neutral(request, shared_data):
    if request.param == "anny":
        return AnnyFace().neutral
    return IctFace.from_path(shared_data / "ict_facekit" / "ict_facekit_light.npz").neutral


def mirror(points):
    return points * points.new_tensor([-1.0, 1.0, 1.0])


def test_a_ball_is_its_own_mirror_image(sphere: Mesh):
    other = mirrored_vertices(sphere)
    torch.testing.assert_close(sphere.vertices[other], mirror(sphere.vertices))
    assert torch.equal(other[other], torch.arange(len(other)))


def test_landmarks_of_a_face_change_sides(neutral: Mesh):
    other = mirrored_vertices(neutral)
    pairs = [(name, name.replace("left", "right")) for name in neutral.landmarks if "left" in name]
    assert len(pairs) >= 3
    for left, right in pairs:
        found, wanted = (
            neutral.vertices[i] for i in (int(other[neutral.landmarks[left]]), neutral.landmarks[right])
        )
        assert (found - wanted).norm() < 1.5e-3, (left, right)


def test_most_vertices_of_a_face_have_a_partner(neutral: Mesh):
    other = mirrored_vertices(neutral)
    distance = (neutral.vertices[other] - mirror(neutral.vertices)).norm(dim=1)
    assert (distance < 5e-4).float().mean() > 0.98
    assert (other[other] == torch.arange(len(other))).float().mean() > 0.98


def test_places_on_a_face_come_back(neutral: Mesh):
    random = np.random.default_rng(0)
    face = torch.from_numpy(random.choice(len(neutral.faces), 2000))
    weights = torch.from_numpy(random.dirichlet(np.ones(3), 2000)).float()

    def places(face, weights):
        return (weights[..., None] * neutral.vertices[neutral.faces[face]]).sum(1)

    found = mirrored_places(neutral, face, weights)
    torch.testing.assert_close(found[1].sum(1), torch.ones(2000))
    away = (places(*found) - mirror(places(face, weights))).norm(dim=1)
    assert (away < 5e-4).float().mean() > 0.97
    back = (places(*mirrored_places(neutral, *found)) - places(face, weights)).norm(dim=1)
    assert (back < 1e-3).float().mean() > 0.97
