import math

import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import PeriodicPositionalEncoding


def test_it_is_equation_1() -> None:
    added = PeriodicPositionalEncoding(6, 25)(torch.zeros(60, 6))
    for t, i in [(0, 0), (3, 1), (24, 2), (25, 0), (57, 2)]:
        angle = (t % 25) / 10000 ** (2 * i / 6)
        assert added[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
        assert added[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_it_begins_anew_every_period_and_goes_on_from_any_start() -> None:
    encode, features = PeriodicPositionalEncoding(5, 7), torch.randn(2, 30, 5)
    whole = encode(features)
    torch.testing.assert_close(whole[:, 7:14] - features[:, 7:14], whole[:, :7] - features[:, :7])
    assert torch.equal(encode(features[:, 11:], start=11), whole[:, 11:])


def test_repr_and_checks() -> None:
    assert repr(PeriodicPositionalEncoding(6)) == "PeriodicPositionalEncoding(6, period=25)"
    assert not PeriodicPositionalEncoding(6).state_dict()
    with pytest.raises(InputError, match="period must be at least 1, got 0"):
        PeriodicPositionalEncoding(6, 0)
