"""Maps from face to face: smooth on skin, whole on what is rigid."""

from __future__ import annotations

import pytest
import torch

from meshanim.faces import AnnyFace
from meshanim.faces.carrying import SMOOTHNESS, Carrier, _Smoother
from meshanim.mesh import Mesh, axis_angle_to_matrix


@pytest.fixture(scope="module")
def carrier(anny: AnnyFace) -> Carrier:
    return Carrier(anny.neutral, anny.joints())


def test_nothing_changes_between_a_face_and_itself(anny, carrier):
    # Rows of both averages sum to one; the rest is float32.
    assert (carrier.maps(anny.neutral.vertices) - torch.eye(3)).abs().max() < 1e-5


def test_a_turn_is_found_at_every_vertex_of_every_batch(anny, carrier):
    turns = axis_angle_to_matrix(torch.tensor([[0.3, 0.1, -0.2], [0.0, 1.0, 0.0]]))
    maps = carrier.maps(anny.neutral.vertices @ turns.mT)
    assert maps.shape == (2, len(anny.neutral.vertices), 3, 3)
    assert (maps - turns[:, None]).abs().max() < 1e-4


def test_a_spike_on_one_vertex_is_spread_thin(anny, carrier):
    tip = anny.neutral.landmarks["nose_tip"]
    vertices = anny.neutral.vertices.clone()
    vertices[tip, 2] += 0.004
    change = (carrier.maps(vertices) - torch.eye(3)).flatten(1).norm(dim=1)
    # Its own faces lean by 45 degrees; the mean over 12 mm by a tenth of that.
    assert 0 < change.max() < 0.2
    far = (anny.neutral.vertices - anny.neutral.vertices[tip]).norm(dim=1) > 0.1
    assert change[far].max() < 1e-5


def test_eyeballs_take_one_map(anny, carrier):
    someone = anny.sample_identity(torch.Generator().manual_seed(4), 1)[0]
    ball = (anny.joints()["eye_left"].weights > 1 - 1e-6) & (anny.neutral.topology.components != 0)
    assert ball.sum() > 40
    maps = carrier.maps(anny.rest(someone))[ball]
    assert (maps - maps[0]).abs().max() < 1e-5
    size = maps[0].det().abs() ** (1 / 3)
    assert (maps[0] @ maps[0].T - size**2 * torch.eye(3)).abs().max() < 1e-4


def test_joints_go_with_a_head_that_turns_and_grows(anny, carrier):
    turn = axis_angle_to_matrix(torch.tensor([0.3, 0.5, -0.2]))
    moved = carrier.joints(1.2 * anny.neutral.vertices @ turn.mT + 0.1)
    for name, joint in anny.joints().items():
        torch.testing.assert_close(moved[name].position, 1.2 * turn @ joint.position + 0.1, atol=1e-5, rtol=0)
        torch.testing.assert_close(moved[name].axis, turn @ joint.axis, atol=1e-5, rtol=0)


def test_skin_is_averaged_over_twelve_millimetres():
    """A mean with weights of deviation s lifts the square of a coordinate by s squared."""
    row, column = torch.meshgrid(torch.arange(81), torch.arange(81), indexing="ij")
    vertices = torch.stack([column, row, torch.zeros_like(row)], dim=-1).flatten(0, 1) * 0.003 - 0.12
    corner = (row[:-1, :-1] * 81 + column[:-1, :-1]).flatten()
    faces = torch.stack([corner, corner + 1, corner + 82, corner, corner + 82, corner + 81], dim=1)
    sheet = Mesh(vertices, faces.view(-1, 3))
    smooth = _Smoother(sheet, torch.ones(len(vertices), dtype=torch.bool), SMOOTHNESS)
    middle = vertices[:, :2].abs().amax(dim=1) < 0.06
    lifted = (smooth(vertices.square()) - vertices.square())[middle][:, :2].mean()
    # Places a deviation apart are a coarse grid to average over.
    assert float(lifted) ** 0.5 == pytest.approx(SMOOTHNESS, rel=0.1)


def test_maps_are_differentiable(anny, carrier):
    vertices = (1.1 * anny.neutral.vertices).requires_grad_()
    carrier.maps(vertices).square().sum().backward()
    assert torch.isfinite(vertices.grad).all() and vertices.grad.abs().max() > 0
