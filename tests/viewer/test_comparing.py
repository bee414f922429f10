"""Distances between performances, in millimetres."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.viewer.comparing import LEAST_SCALE, Comparison, words_on_lengths


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


def test_the_last_frame_of_a_shorter_one_is_held(speaking) -> None:
    compared = Comparison(speaking, speaking.slice(0, 19))
    held = speaking.pose(speaking.vertices(18, 19), 18) - speaking.pose(speaking.vertices(19), 19)
    assert compared.distances(18).tolist() == [0, 0, 0, 0]
    assert torch.equal(compared.distances(19), 1000 * held[0].norm(dim=1)) and float(held.norm()) > 0


def test_the_end_of_a_longer_one_is_left_out(speaking) -> None:
    assert Comparison(speaking.slice(0, 19), speaking).scale == LEAST_SCALE


def test_unlike_lengths_are_told(speaking) -> None:
    short = speaking.slice(0, 19)
    assert words_on_lengths(speaking, short) == (
        "the file to compare with ends after 1.90 s; its last frame is held to 2.00 s"
    )
    assert words_on_lengths(short, speaking) == (
        "the file to compare with goes on after 1.90 s; its end, to 2.00 s, is not shown"
    )
    for other in (speaking, speaking.resample(30.0), speaking.slice(0, 1)):
        assert words_on_lengths(speaking, other) is None


def test_what_cannot_be_compared_is_named(speaking) -> None:
    mesh = replace(speaking.neutral, vertices=torch.zeros(5, 3))
    with pytest.raises(InputError, match="must have 4 vertices, got 5"):
        Comparison(speaking, replace(speaking, neutral=mesh, motion=torch.zeros(20, 5, 3)))
