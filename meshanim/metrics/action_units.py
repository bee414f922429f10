"""How well action units are told to be there or not."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape

THRESHOLD = 0.5


class UnitScores(NamedTuple):
    """Scores in [0, 1] of each action unit (A,)."""

    f1: Tensor
    accuracy: Tensor

    @property
    def mean(self) -> tuple[float, float]:
        """Unweighted means over units of F1 and accuracy."""
        return float(self.f1.mean()), float(self.accuracy.mean())


def action_unit_scores(predicted: Tensor, truth: Tensor, threshold: float = THRESHOLD) -> UnitScores:
    """F1 of presence, and accuracy, of each action unit over all frames.

    A unit is present where its value is above ``threshold``, in either track; F1 is 0 where a unit is never
    there and never predicted, as in torchmetrics.

    Args:
        predicted: (..., A) probabilities or intensities, or bool.
        truth: (..., A) of the same kind.
        threshold: of presence.

    Raises:
        InputError: different shapes, no frame, a value that is not finite.
    """
    claimed, present = _presence(predicted, truth, threshold)
    hits = (claimed & present).sum(dim=0).double()
    f1 = 2 * hits / (claimed.sum(dim=0) + present.sum(dim=0)).clamp(min=1)
    return UnitScores(f1, (claimed == present).double().mean(dim=0))


def units_in_neither(predicted: Tensor, truth: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """(A,) whether a unit is present in no frame of either track, so that its F1 is 0 by definition.

    Arguments and errors are those of :func:`action_unit_scores`.
    """
    claimed, present = _presence(predicted, truth, threshold)
    return ~(claimed | present).any(dim=0)


def _presence(predicted: Tensor, truth: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """(N, A) of both tracks: where units are present."""
    check_shape("predicted", predicted, (None,), batched=True)
    check_shape("truth", truth, tuple(predicted.shape))
    for name, values in (("predicted", predicted), ("truth", truth)):
        if values.numel() == 0:
            raise InputError(f"{name} must have at least one frame and one unit, got none")
        check_finite(name, values)
    count = predicted.shape[-1]
    return predicted.reshape(-1, count) > threshold, truth.reshape(-1, count) > threshold
