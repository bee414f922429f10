"""How well classes are told apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_indices, check_range, check_shape


class ClassificationScores(NamedTuple):
    """Scores per class (C,), in [0, 1]; 0 where a class was never predicted or never there."""

    precision: Tensor
    recall: Tensor
    f1: Tensor

    @property
    def macro(self) -> tuple[float, float, float]:
        """Unweighted means over classes of precision, recall and F1."""
        return float(self.precision.mean()), float(self.recall.mean()), float(self.f1.mean())


def confusion_matrix(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Counts (C, C) of true class (row) by predicted class (column), of class numbers (N,).

    Raises:
        InputError: different shapes, numbers that are not whole, or none of a class.
    """
    check_range("classes", classes, 1)
    check_shape("truth", truth, tuple(predicted.shape))
    for name, numbers in (("predicted", predicted), ("truth", truth)):
        if numbers.is_floating_point():
            raise InputError(f"{name} must hold whole numbers of classes, got {numbers.dtype}")
    check_indices("predicted", predicted, classes)
    check_indices("truth", truth, classes)
    # Small types do not hold the number of a pair.
    pairs = truth.flatten().long() * classes + predicted.flatten()
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def classification_scores(predicted: Tensor, truth: Tensor, classes: int) -> ClassificationScores:
    """Precision, recall and F1 of every class against all others, from class numbers (N,)."""
    counts = confusion_matrix(predicted, truth, classes).double()
    hits = counts.diagonal()
    chosen, present = counts.sum(dim=0), counts.sum(dim=1)
    return ClassificationScores(
        hits / chosen.clamp(min=1), hits / present.clamp(min=1), 2 * hits / (chosen + present).clamp(min=1)
    )
