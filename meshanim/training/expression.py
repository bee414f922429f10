"""Training of expression models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from meshanim._check import InputError, check_choice, check_range, check_shape
from meshanim.faces.facs import EXPRESSIONS
from meshanim.mesh import Mesh
from meshanim.metrics.vertex_error import MILLIMETRES
from meshanim.nn import HasLevels
from meshanim.synthesis.expression import ExpressionConfig, ExpressionModel
from meshanim.synthesis.neutral_encoder import Condition
from meshanim.synthesis.topology import topology_digest
from meshanim.training.batches import Sequence4D, SequenceBatch, Sequences
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.losses import motion_losses
from meshanim.training.recipe import Recipe

Variant = Literal["paper", "identity", "pca", "pca-deep"]

WARM_UP = 6900
"""Steps without the conditioned spiral decoder: 60 epochs of the 918 training sequences by eights."""

VARIANTS: dict[str, ExpressionConfig] = {
    "paper": ExpressionConfig(),
    "identity": ExpressionConfig(
        identity="spiral", identity_warm_up=WARM_UP, bidirectional=True, lstm_layers=2
    ),
    "pca": ExpressionConfig(decoder="pca"),
    "pca-deep": ExpressionConfig(decoder="pca", bidirectional=True, lstm_layers=2),
}
"""Architectures by name: the paper's, the one that sees the neutral face, the blendshape baseline, and that
baseline with labels read as the identity-aware model reads them: what is owed to that, and what to the face.
"""


_COARSEST = 46
_LARGEST_FACTOR = 5.0


def paper_factors(mesh: Mesh) -> tuple[float, float, float, float]:
    """Four equal factors between levels, for :meth:`meshanim.mesh.MeshHierarchy.from_mesh`.

    The paper's mesh of 28,431 vertices has 46 on its coarsest level, by factors of 5. A smaller mesh is
    brought down to as many, by smaller factors, so that its coarsest level still tells parts of a face apart.
    """
    factor = min(_LARGEST_FACTOR, max(1.0, (len(mesh.vertices) / _COARSEST) ** 0.25))
    return (factor, factor, factor, factor)


@dataclass(frozen=True)
class ExpressionRecipe(Recipe):
    """Recipe of an expression model.

    Attributes:
        variant: one of :data:`VARIANTS`.
        validation_subjects: training subjects, the last ones, that are held out and scored after every epoch.
        window: successive frames of each sequence that a step decodes, drawn at random; None decodes all. The
            LSTM always reads the whole label track. Neighbouring frames tell much the same, so that a window
            costs little accuracy and saves most of the time.
    """

    variant: Variant = "paper"
    validation_subjects: int = 0
    window: int | None = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, VARIANTS)
        if self.window is not None:
            check_range("window", self.window, 2)


RECIPES: dict[str, ExpressionRecipe] = {
    "paper": ExpressionRecipe(variant="paper"),
    "identity": ExpressionRecipe(
        variant="identity", epochs=150, learning_rate=5e-3, learning_rate_decay=0.974
    ),
    "pca": ExpressionRecipe(variant="pca"),
    "pca-deep": ExpressionRecipe(
        variant="pca-deep", epochs=150, learning_rate=5e-3, learning_rate_decay=0.974
    ),
}
"""What the shipped weights were trained with: the paper's settings, but for what is not the paper's.

What a face tells of its owner's ways is a small part of what people do, and drowns in the noise of single
steps: larger ones first and much smaller ones at the end find more of it.
"""


class ExpressionTask:
    """Sequences on which an :class:`ExpressionModel` learns the losses of eq 5.

    Args:
        model: the model; calibrate it first.
        sequences: the training set.
        validation_subjects: how many of its subjects, the last ones, are held out.
        window: successive frames of each sequence that a step decodes; None decodes all.
    """

    def __init__(
        self,
        model: ExpressionModel,
        sequences: Sequences,
        validation_subjects: int = 0,
        window: int | None = None,
    ) -> None:
        self.model, self.sequences, self.window = model, sequences, window
        self._conditions: dict[int, Condition] = {}
        if not len(sequences):
            raise InputError("sequences must hold at least one, got none")
        owners = [sequences[item].subject for item in range(len(sequences))] if validation_subjects else []
        held_out = set(sorted(set(owners))[-validation_subjects:]) if validation_subjects else set()
        self.held_out = [item for item, owner in enumerate(owners) if owner in held_out]
        self.items = [item for item in range(len(sequences)) if item not in set(self.held_out)]
        if not self.items:
            raise InputError(
                f"validation_subjects must leave subjects to train on, got {validation_subjects}"
            )

    def __len__(self) -> int:
        return len(self.items)

    def _predict(self, batch: SequenceBatch) -> Tensor:
        code = batch.packed(self.model.encode(batch.labels))
        return self.model.displacements(code, self._condition(batch), batch.lengths)

    def _condition(self, batch: SequenceBatch) -> Condition | None:
        """What the decoder knows of the subjects; each is looked at once, since what looks is fixed."""
        for subject, neutral in zip(batch.subjects, batch.neutral, strict=True):
            if subject not in self._conditions:
                condition = self.model.condition(neutral[None])
                if condition is None:
                    return None
                self._conditions[subject] = condition
        known = [self._conditions[subject] for subject in batch.subjects]
        return Condition(*(torch.cat(parts) for parts in zip(*known, strict=True)))

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Reconstruction and coherence of a batch, in millimetres."""
        batch = SequenceBatch.collate([self.sequences[self.items[item]] for item in items], self.window)
        return motion_losses(self._predict(batch), batch.displacements, batch.lengths)

    def validate(self) -> dict[str, float]:
        """Mean per-vertex distance on the held-out subjects, in millimetres."""
        total, frames = 0.0, 0
        for item in self.held_out:
            batch = SequenceBatch.collate([self.sequences[item]])
            error = torch.linalg.vector_norm(self._predict(batch) - batch.displacements, dim=-1)
            total, frames = total + float(error.mean(dim=1).sum()), frames + len(error)
        return {"validation_error_mm": total / frames * MILLIMETRES} if frames else {}

    def _check(self, item: int, sequence: Sequence4D) -> None:
        """Raise unless a sequence is of the model's mesh, and has a label in every frame."""
        shape, name = tuple(self.model.mean.shape), f"sequence {item}"
        check_shape(f"neutral of {name}", sequence.neutral, shape)
        check_shape(f"vertices of {name}", sequence.vertices, (None, *shape))
        frames = len(sequence.vertices)
        check_shape(f"labels of {name}", sequence.labels, (frames, len(EXPRESSIONS)))
        if not frames:
            raise InputError(f"{name} must have at least one frame, got none")

    def calibrate(self) -> None:
        """Measure mean face, scale of motion and the baseline's basis on what is trained on.

        Raises:
            InputError: a sequence of another mesh, without frames, or with more or fewer labels than frames.
        """
        self._conditions.clear()
        for item in self.held_out:
            self._check(item, self.sequences[item])
        self.frames = 0
        neutrals: dict[int, Tensor] = {}
        for item in self.items:
            sequence = self.sequences[item]
            self._check(item, sequence)
            neutrals.setdefault(sequence.subject, sequence.neutral)
            self.frames += len(sequence.labels)

        def displacements() -> Iterator[Tensor]:
            for item in self.items:
                sequence = self.sequences[item]
                yield sequence.vertices - sequence.neutral

        self.model.calibrate(torch.stack(list(neutrals.values())), displacements)


def train_expression(
    sequences: Sequences,
    template: Mesh,
    hierarchy: HasLevels,
    recipe: ExpressionRecipe,
    folder: str | Path,
    progress: bool = True,
) -> tuple[ExpressionModel, TrainingReport]:
    """Train an expression model and save it in ``folder``, next to what the run leaves there.

    A run that was stopped goes on where it was.

    Args:
        sequences: training set, such as :class:`meshanim.datasets.Expressions4D`.
        template: a mesh with the data's topology.
        hierarchy: :class:`meshanim.mesh.MeshHierarchy` of the template, four steps.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.

    Raises:
        InputError: a sequence of another mesh, without frames, or with more or fewer labels than frames.
    """
    with recipe.seeded():
        model = ExpressionModel(template, hierarchy, VARIANTS[recipe.variant])
    task = ExpressionTask(model, sequences, recipe.validation_subjects, recipe.window)
    task.calibrate()
    mesh = topology_digest(model.template)
    seed = getattr(sequences, "seed", None)
    # sequences of other lengths tell corpora apart that have no seed
    about = {"model": model.settings(), "mesh": mesh, "corpus_seed": seed, "frames": task.frames}
    return train_and_save(model, task, recipe, folder, progress, **about)
