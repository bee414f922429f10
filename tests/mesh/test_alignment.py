"""Similarities and rigid motions, found again where they were put."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import axis_angle_to_matrix, fit_similarity

# Points of a tenth of a metre in float64, through one singular value decomposition.
EXACT = 1e-9


@pytest.fixture
def points():
    return 0.1 * torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_similarity_is_found_again_in_every_batch(points):
    turns = axis_angle_to_matrix(torch.tensor([[0.1, 0.5, -0.2], [3.0, 0.2, 0.1]], dtype=torch.float64))
    scales = torch.tensor([0.5, 30.0], dtype=torch.float64)[:, None, None]
    moved = points @ (scales * turns).mT + 0.3
    found = fit_similarity(points, moved)
    assert (found.linear - scales * turns).abs().max() < EXACT
    assert (found.scale - scales[:, 0, 0]).abs().max() < EXACT
    assert (found.rotation - turns).abs().max() < EXACT
    assert (found.translation - 0.3).abs().max() < EXACT
    assert (found.point(points[4]) - moved[:, 4]).abs().max() < EXACT
    assert (found.direction(points[4] / points[4].norm()).norm(dim=-1) - 1).abs().max() < EXACT
    rigid = fit_similarity(points, moved, scaled=False)
    assert (rigid.linear - turns).abs().max() < EXACT


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_similarity_has_the_type_of_its_target(points, dtype):
    moved = 2 * points + 0.3
    found = fit_similarity(points.float(), moved.to(dtype))
    assert {part.dtype for part in found} == {dtype}
    torch.testing.assert_close(found.translation.double(), torch.full((3,), 0.3).double(), atol=1e-6, rtol=0)
    place = points[0].to(dtype)
    torch.testing.assert_close(found.point(place), moved[0].to(dtype), atol=1e-6, rtol=0)


def test_a_mirrored_copy_is_met_by_a_rotation(points):
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    linear = fit_similarity(points, mirrored, scaled=False).linear
    assert torch.linalg.det(linear) == pytest.approx(1, abs=EXACT)
    assert torch.linalg.det(fit_similarity(points, mirrored).rotation) == pytest.approx(1, abs=EXACT)


def test_the_scale_is_the_best_for_a_mirrored_copy(points):
    mirrored = points * torch.tensor([-2.0, 2.0, 2.0], dtype=torch.float64)
    found = fit_similarity(points, mirrored)
    arm, end = (points - found.source) @ found.rotation.mT, mirrored - found.target
    left = [
        float((scale * arm - end).square().sum()) for scale in found.scale * torch.tensor([0.999, 1, 1.001])
    ]
    assert left[1] < min(left[0], left[2])


def test_points_without_a_share_do_not_count(points):
    turn = axis_angle_to_matrix(torch.tensor([0.1, 0.5, -0.2], dtype=torch.float64))
    moved = points @ turn.mT + 0.3
    moved[:20] += 0.05
    shares = torch.ones(50, dtype=torch.float64)
    shares[:20] = 0
    found = fit_similarity(points, moved, scaled=False, shares=shares)
    assert (found.linear - turn).abs().max() < EXACT
    assert (found.point(points[4]) - (points[4] @ turn.mT + 0.3)).abs().max() < EXACT
    assert (fit_similarity(points, moved, scaled=False).linear - turn).abs().max() > 1e-2
    assert float(fit_similarity(points, moved, shares=shares).scale) == pytest.approx(1, abs=EXACT)


def test_shares_are_one_for_each_point(points):
    with pytest.raises(InputError, match=r"shares must have shape \(50,\), got \(49,\)"):
        fit_similarity(points, points, shares=torch.ones(49))
