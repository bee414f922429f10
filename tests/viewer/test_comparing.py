"""Distances between performances, in millimetres."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.viewer.comparing import LEAST_SCALE, Comparison


def test_a_performance_is_not_away_from_itself(speaking) -> None:
    same = Comparison(speaking, speaking)
    assert float(same.distances(7).max()) == 0 and same.scale == LEAST_SCALE


def test_distances_are_millimetres_and_the_scale_reaches_the_largest(speaking) -> None:
    away = torch.zeros_like(speaking.motion)
    away[:, 2, 1] = torch.linspace(0, 0.02, len(away))
    compared = Comparison(speaking, replace(speaking, motion=speaking.motion + away))
    assert compared.distances(19).tolist() == pytest.approx([0, 0, 20, 0], abs=1e-3)
    assert compared.scale == pytest.approx(20, abs=1e-3)


def test_heads_are_posed_before_they_are_compared(speaking) -> None:
    posed = replace(speaking, motion=speaking.pose(speaking.vertices()), head_motion=None)
    assert Comparison(speaking, posed).scale < 1e-3 + 1e-6


def test_another_frame_rate_and_a_single_frame_will_do(speaking) -> None:
    assert Comparison(speaking.resample(10.0), speaking.resample(30.0)).scale < 1.0
    first = speaking.slice(0, 1)
    assert float(Comparison(speaking, first).distances(0).max()) == 0


def test_what_cannot_be_compared_is_named(speaking) -> None:
    with pytest.raises(InputError, match=r"must last 2 s or be one frame, got 1 s"):
        Comparison(speaking, speaking.slice(0, 10))
    mesh = replace(speaking.neutral, vertices=torch.zeros(5, 3))
    with pytest.raises(InputError, match="must have 4 vertices, got 5"):
        Comparison(speaking, replace(speaking, neutral=mesh, motion=torch.zeros(20, 5, 3)))
