"""Training of the judge that names expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_choice
from meshanim.faces.facs import EXPRESSIONS
from meshanim.nn import ExpressionClassifier, PrincipalComponents
from meshanim.training.batches import Sequences
from meshanim.training.loop import train
from meshanim.training.recipe import Recipe

COMPONENTS = 64


@dataclass(frozen=True)
class ClassifierRecipe(Recipe):
    """Recipe of the expression classifier (Potamias et al. 2020, section 5.3)."""

    epochs: int = 13
    learning_rate_decay: float = 1.0
    weight_decay: float = 5e-3


class ClassifierTask:
    """Described sequences (N, features) with their classes (N,), by cross entropy."""

    def __init__(self, model: ExpressionClassifier, described: Tensor, classes: Tensor) -> None:
        self.model, self.described, self.classes = model, described, classes

    def __len__(self) -> int:
        return len(self.classes)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Cross entropy of a batch."""
        rows = torch.tensor(items)
        return {
            "cross_entropy": functional.cross_entropy(self.model(self.described[rows]), self.classes[rows])
        }

    def validate(self) -> dict[str, float]:
        """Share of the training sequences that are named rightly."""
        right = self.model(self.described).argmax(dim=1) == self.classes
        return {"training_accuracy": float(right.float().mean())}


def train_classifier(
    sequences: Sequences, recipe: ClassifierRecipe, folder: str | Path, progress: bool = True
) -> ExpressionClassifier:
    """Train the classifier on sequences that have ``expression``, ``neutral`` and ``vertices``.

    Args:
        sequences: training set, such as :class:`meshanim.datasets.Expressions4D`.
        recipe: the settings.
        folder: for checkpoints.
        progress: show a bar.

    Raises:
        InputError: there is no sequence, or one of an expression that is none of the six.
    """

    if not len(sequences):
        raise InputError("sequences must hold at least one, got none")
    names = [sequences[item].expression for item in range(len(sequences))]
    for name in names:
        check_choice("expression", name, EXPRESSIONS)

    def displacements() -> Iterator[Tensor]:
        for item in range(len(sequences)):
            sequence = sequences[item]
            yield sequence.vertices - sequence.neutral

    basis = PrincipalComponents(len(sequences[0].neutral), COMPONENTS).fit(displacements)
    with recipe.seeded():
        model = ExpressionClassifier(basis, len(EXPRESSIONS))
    described = torch.stack([model.describe(moved) for moved in displacements()])
    classes = torch.tensor([EXPRESSIONS.index(name) for name in names])
    train(ClassifierTask(model, described, classes), recipe, folder, progress)
    return model
