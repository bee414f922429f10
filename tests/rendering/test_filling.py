"""Holes are filled smoothly, and what is known stays."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering.filling import fill_smoothly


def test_a_constant_fills_a_constant():
    known = torch.zeros(37, 21)
    known[5, 7] = 1
    values = known[..., None] * torch.tensor([0.3, 0.6])
    torch.testing.assert_close(fill_smoothly(values, known), torch.tensor([0.3, 0.6]).expand(37, 21, 2))


def test_what_is_known_stays_and_holes_lie_between_their_rims():
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 1, 64).expand(64, 64)[..., None]
    known = (torch.rand(64, 64, generator=generator) < 0.3).float()
    known[20:40, 20:40] = 0
    filled = fill_smoothly(ramp * known[..., None], known)
    assert torch.equal(filled[known > 0], ramp[known > 0])
    assert filled.min() >= 0 and filled.max() <= 1
    assert (filled - ramp)[20:40, 20:40].abs().max() < 0.15


def test_a_quarter_of_a_block_speaks_for_all_of_it():
    values, known = torch.zeros(4, 4, 1), torch.ones(4, 4)
    known[:2, :2] = 0
    values[1, 1], known[1, 1] = 1.0, 1.0
    filled = fill_smoothly(values, known)
    # The corner is nearest to the block's own mean, whatever stands in the blocks beside it.
    assert float(filled[0, 0]) == 1 and torch.equal(filled[known > 0], values[known > 0])


def test_half_known_values_give_way_by_half():
    values, weight = torch.ones(8, 8, 1), torch.ones(8, 8)
    values[4, 4], weight[4, 4] = 3.0, 0.5
    # Around it ones, and itself in the coarser picture with a small share.
    assert 1.9 < float(fill_smoothly(values, weight)[4, 4]) < 2.3


def test_nothing_known_is_refused():
    with pytest.raises(InputError, match="weight must be above zero"):
        fill_smoothly(torch.zeros(4, 4, 1), torch.zeros(4, 4))
