"""Hinges, turns and similarities, found again where they were put."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces.joint_fitting import (
    fit_hinge,
    fit_similarity,
    fit_turn,
    follow_share,
    turn_displacement,
)
from meshanim.mesh import axis_angle_to_matrix

# Points of a tenth of a metre in float64, through one singular value decomposition.
EXACT = 1e-9


@pytest.fixture
def points():
    return 0.1 * torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("angle", [0.02, 0.44, -1.2])
def test_a_hinge_is_found_from_what_turns_about_it(points, angle):
    axis = torch.nn.functional.normalize(torch.tensor([0.9, 0.1, -0.2], dtype=torch.float64), dim=0)
    position = torch.tensor([0.0, 0.01, 0.02], dtype=torch.float64)
    moved = points + turn_displacement(points, position, angle * axis)
    found = fit_hinge(points, moved)
    assert (found.axis - axis).abs().max() < 1e-7 and found.angle == pytest.approx(angle, abs=1e-7)
    assert (found.position - position).abs().max() < 1e-7


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.3, -0.1, 0.02), (0.0, 2.9, 0.0)])
def test_a_turn_about_the_origin_is_found_again(points, turn):
    turn = torch.tensor(turn, dtype=torch.float64)
    moved = points + turn_displacement(points, torch.zeros(3, dtype=torch.float64), turn)
    assert (fit_turn(points, moved) - turn).abs().max() < EXACT


def test_points_that_do_not_turn_have_no_hinge(points):
    with pytest.raises(InputError, match="must turn"):
        fit_hinge(points, points + 0.1)


def test_a_similarity_is_found_again_in_every_batch(points):
    turns = axis_angle_to_matrix(torch.tensor([[0.1, 0.5, -0.2], [3.0, 0.2, 0.1]], dtype=torch.float64))
    scales = torch.tensor([0.7, 1.9], dtype=torch.float64)[:, None, None]
    moved = points @ (scales * turns).mT + 0.3
    found = fit_similarity(points, moved)
    assert (found.linear - scales * turns).abs().max() < EXACT
    assert (found.point(points[4]) - moved[:, 4]).abs().max() < EXACT
    assert (found.direction(points[4] / points[4].norm()).norm(dim=-1) - 1).abs().max() < EXACT
    rigid = fit_similarity(points, moved, scaled=False)
    assert (rigid.linear - turns).abs().max() < EXACT


def test_a_mirrored_copy_is_met_by_a_rotation(points):
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    linear = fit_similarity(points, mirrored, scaled=False).linear
    assert torch.linalg.det(linear) == pytest.approx(1, abs=EXACT)


def test_shares_are_projections_held_to_one():
    turned = torch.tensor([[0.0, 0.04, 0.0]] * 4)
    share = follow_share(turned * torch.tensor([0.0, 0.5, 1.7, -1.0])[:, None], turned)
    # The fading on the axis takes 1 mm^2 from 40 mm^2 squared: under a thousandth.
    assert torch.allclose(share, torch.tensor([0.0, 0.5, 1.0, 0.0]), atol=1e-3)
    assert follow_share(torch.full((1, 3), 1e-4), torch.full((1, 3), 1e-6)) < 1e-3
