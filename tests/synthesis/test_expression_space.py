import pytest
import torch

from meshanim._check import InputError
from meshanim.synthesis import ExpressionSpace


def tracks(rank: int = 5) -> torch.Tensor:
    """Weights that move along a few directions, by different amounts."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([0.5, 0.3, 0.2, 0.15, 0.1])[:rank]
    axes = torch.linalg.qr(torch.randn(52, rank, generator=generator)).Q
    return 0.3 + (torch.randn(400, rank, generator=generator) * spread) @ axes.T


def test_seen_weights_come_back_and_spread_by_one() -> None:
    space, weights = ExpressionSpace(8), tracks()
    space.fit(weights)
    expression = space.encode(weights)
    # float32 sums of 52 numbers below 1
    torch.testing.assert_close(space(expression), weights, rtol=0, atol=1e-5)
    deviation = expression.std(dim=0, correction=0)
    torch.testing.assert_close(deviation[:5], torch.ones(5), rtol=1e-3, atol=0)
    assert float(deviation[5:].max()) < 1e-3


def test_fewer_directions_keep_what_moves_most() -> None:
    space, weights = ExpressionSpace(3), tracks()
    space.fit(weights)
    left = (space(space.encode(weights)) - weights).square().sum(dim=1).mean()
    assert float(left) == pytest.approx(0.15**2 + 0.1**2, rel=0.2)


def test_room_beyond_the_units_is_not_used() -> None:
    space, weights = ExpressionSpace(64), torch.rand(200, 52, generator=torch.Generator().manual_seed(0))
    space.fit(weights)
    assert not space.directions[52:].any() and not space.encode(weights)[:, 52:].any()
    torch.testing.assert_close(space(space.encode(weights)), weights, rtol=0, atol=1e-5)


def test_a_mirrored_order_of_frames_gives_the_same_space() -> None:
    first, second = ExpressionSpace(4), ExpressionSpace(4)
    first.fit(tracks())
    second.fit(tracks().flip(0))
    # the same sums in another order
    torch.testing.assert_close(first.directions, second.directions, rtol=1e-4, atol=1e-5)


def test_repr_and_checks() -> None:
    assert repr(ExpressionSpace(5)) == "ExpressionSpace(5)"
    with pytest.raises(InputError, match="size must be at least 1, got 0"):
        ExpressionSpace(0)
    with pytest.raises(InputError, match=r"weights must have shape \(any, 52\)"):
        ExpressionSpace().fit(torch.zeros(3, 51))
