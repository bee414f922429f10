"""Hinges and turns, found again where they were put."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces.joint_fitting import fit_hinge, fit_turn, follow_share, turn_displacement

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


def test_shares_are_projections_held_to_one():
    turned = torch.tensor([[0.0, 0.04, 0.0]] * 4)
    share = follow_share(turned * torch.tensor([0.0, 0.5, 1.7, -1.0])[:, None], turned)
    # The fading on the axis takes 1 mm^2 from 40 mm^2 squared: under a thousandth.
    assert torch.allclose(share, torch.tensor([0.0, 0.5, 1.0, 0.0]), atol=1e-3)
    assert follow_share(torch.full((1, 3), 1e-4), torch.full((1, 3), 1e-6)) < 1e-3
