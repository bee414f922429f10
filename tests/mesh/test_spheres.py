"""Spheres, found again where they were put."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import fit_sphere

# Points of a tenth of a metre in float64, through one least-squares solution.
EXACT = 1e-9


@pytest.fixture
def points():
    return 0.1 * torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_sphere_is_found_from_a_cap_of_it(points):
    centre = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64)
    cap = torch.nn.functional.normalize(points + torch.tensor([0, 0, 0.1], dtype=torch.float64), dim=1)
    found = fit_sphere(0.012 * cap + centre)
    assert (found.centre - centre).abs().max() < EXACT and found.radius == pytest.approx(0.012, abs=EXACT)


def test_a_sphere_needs_four_points(points):
    with pytest.raises(InputError, match=r"at least four .* got 3"):
        fit_sphere(points[:3])
