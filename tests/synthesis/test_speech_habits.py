"""Habits: found where identities tell them, near zero where they do not."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.synthesis.speech_habits import fit_habits


def people(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 30, generator=torch.Generator().manual_seed(seed))


def test_a_linear_habit_is_found() -> None:
    identities = people(60)
    true = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
    weights = identities @ true + 0.3
    torch.testing.assert_close(fit_habits(identities, weights), true, rtol=0.05, atol=0.02)
    # where people stand, and what all have, is no habit
    torch.testing.assert_close(
        fit_habits(identities + 5, weights - 2), fit_habits(identities, weights), rtol=1e-3, atol=1e-3
    )


def test_with_fewer_people_than_coefficients_it_beats_their_mean() -> None:
    true = torch.randn(30, 4, generator=torch.Generator().manual_seed(1))
    seen, unseen = people(20), people(200, seed=2)
    noise = torch.randn(20, 4, generator=torch.Generator().manual_seed(3))
    said = unseen @ fit_habits(seen, seen @ true + noise)
    assert float((said - unseen @ true).square().mean()) < 0.7 * float((unseen @ true).square().mean())


def test_what_identities_do_not_tell_is_held_back() -> None:
    weights = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    habits = fit_habits(people(40), weights)
    # least squares would say all that was seen, by as much as it is
    assert float((people(200, seed=2) @ habits).square().mean()) < 0.1


def test_nobody_can_be_left_out_of_two() -> None:
    with pytest.raises(InputError, match="identities must be at least 3"):
        fit_habits(people(2), torch.zeros(2, 4))
