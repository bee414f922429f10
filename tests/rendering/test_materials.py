"""Colours by group, eyes by the angle from the gaze, brows above the eyes."""

import pytest
import torch

from meshanim.mesh import Mesh, fit_sphere
from meshanim.rendering.materials import (
    brow_coordinates,
    eye_coordinates,
    paint_brows,
    paint_eyes,
    vertex_colours,
    vertex_materials,
)


def test_groups_give_colours(head):
    materials = vertex_materials(head)
    skin, eyes = materials[head.groups["skin"]], materials[head.groups["eyes"]]
    assert (skin[:, 0] > 1.3 * skin[:, 2]).all()
    assert (eyes[:, :3].amax(1) / eyes[:, :3].amin(1) < 1.2).all()


def test_eye_coordinates_lie_on_the_unit_ball(head):
    places = eye_coordinates(head)
    # The sphere is fitted by least squares in float64, the vertices are float32.
    assert torch.allclose(places[head.groups["eyes"]].norm(dim=1), torch.ones(1284), atol=1e-4)
    assert (places[head.groups["skin"]] == 0).all()


def test_irises_are_halfway_between_the_corners(head):
    """A tenth of the ball's radius outwards in both eyes, where the mesh names corners that lie so."""
    vertices, landmarks = [head.vertices], dict[str, int]()
    for sign, name in ((1.0, "eye_left"), (-1.0, "eye_right")):
        ball = fit_sphere(head.vertices[head.groups[name]])
        for corner, aside in (("inner", -0.8), ("outer", 1.0)):
            landmarks[f"{name}_{corner}"] = len(head.vertices) + len(landmarks)
            away = torch.tensor([[sign * aside, 0.0, 0.6]])
            vertices.append(ball.centre + ball.radius * away)
    cornered = Mesh(torch.cat(vertices), head.faces, landmarks=landmarks, groups=head.groups)
    before, after = eye_coordinates(head), eye_coordinates(cornered)[: len(head.vertices)]
    for sign, name in ((1.0, "eye_left"), (-1.0, "eye_right")):
        index = head.groups[name]
        turned = torch.linalg.lstsq(before[index], after[index]).solution
        assert torch.allclose(turned @ turned.T, torch.eye(3), atol=1e-4)
        assert turned[0, 2] == pytest.approx(sign * 0.1, abs=1e-3)


def test_painting_goes_by_the_angle_from_the_gaze():
    angles = torch.deg2rad(torch.tensor([0.0, 15.0, 60.0, 180.0]))
    places = torch.stack([angles.sin(), torch.zeros(4), angles.cos()], 1)
    white = torch.full((4, 3), 0.8)
    painted = paint_eyes(white, places)
    assert painted[0].max() < 0.02
    assert 0.02 < painted[1].mean() < 0.5
    assert torch.equal(painted[2:], white[2:])
    assert torch.equal(paint_eyes(white, torch.zeros(4, 3)), white)


def test_brow_coordinates_mirror_each_other(head):
    places = brow_coordinates(head)
    mirrored = Mesh(
        head.vertices * torch.tensor([-1.0, 1.0, 1.0]),
        head.faces,
        groups={**head.groups, "eye_left": head.groups["eye_right"], "eye_right": head.groups["eye_left"]},
    )
    assert torch.allclose(places, brow_coordinates(mirrored), atol=1e-5)
    assert (places[head.groups["eyes"]] == -1).all()
    front = head.groups["skin"][head.vertices[head.groups["skin"], 2] > 0.09]
    # The eyes are 0.08 m apart and 0.02 m above the origin.
    assert torch.allclose(places[front, 1], (head.vertices[front, 1] - 0.02) / 0.08, atol=1e-3)


def test_brows_are_dark_above_the_eye_and_nowhere_else():
    white = torch.full((5, 3), 0.6)
    places = torch.tensor([[0.1, 0.27], [0.1, 0.0], [0.1, 0.6], [0.9, 0.27], [-1.0, -1.0]])
    painted = paint_brows(white, places)
    assert painted[0].max() < 0.3
    assert torch.equal(painted[1:], white[1:])


def test_a_mesh_without_groups_is_all_skin(head):
    plain = Mesh(head.vertices, head.faces)
    colours = vertex_colours(plain)
    assert torch.allclose(colours, colours[:1].expand_as(colours))
    assert (brow_coordinates(plain) == -1).all() and (eye_coordinates(plain) == 0).all()
