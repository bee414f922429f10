import pytest
import torch

from meshanim._check import InputError
from meshanim.training import motion_losses


def test_a_case_worked_by_hand() -> None:
    truth = torch.zeros(3, 2, 3)
    predicted = truth.clone()
    predicted[0, 0] = torch.tensor([0.001, -0.002, 0])
    predicted[2, 1, 2] = 0.006
    losses = motion_losses(predicted, truth, [3])
    # L1 norms in mm: 3 and 6 over 3 frames of 2 vertices; steps: 3 and 6 over 2 pairs of 2 vertices
    assert float(losses["reconstruction"]) == pytest.approx(9 / 6)
    assert float(losses["coherence"]) == pytest.approx(9 / 4)


def test_sequences_side_by_side_do_not_touch() -> None:
    first, second = torch.randn(2, 9, 5, 3)
    together = motion_losses(first, second, [4, 1, 4])
    spans = [slice(0, 4), slice(4, 5), slice(5, 9)]
    apart = [motion_losses(first[span], second[span], [len(first[span])]) for span in spans]
    weights = torch.tensor([4.0, 1, 4]) / 9
    expected = sum(w * part["reconstruction"] for w, part in zip(weights, apart, strict=True))
    torch.testing.assert_close(together["reconstruction"], expected)
    expected = (3 * apart[0]["coherence"] + 3 * apart[2]["coherence"]) / 6
    torch.testing.assert_close(together["coherence"], expected)
    assert float(apart[1]["coherence"]) == 0


def test_a_constant_offset_is_coherent() -> None:
    truth = torch.randn(6, 5, 3, dtype=torch.float64)
    losses = motion_losses(truth + 0.001, truth, [6])
    assert float(losses["reconstruction"]) == pytest.approx(3.0)
    assert float(losses["coherence"]) == pytest.approx(0, abs=1e-9)


def test_lengths_must_add_up() -> None:
    with pytest.raises(InputError, match="lengths must add up to 6 frames, got 5"):
        motion_losses(torch.zeros(6, 1, 3), torch.zeros(6, 1, 3), [2, 3])
