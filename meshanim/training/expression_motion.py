"""Training of the spiral decoder that shows a speech model's expressions on a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import InputError, check_range, check_shape
from meshanim.faces import ARKIT_NAMES, Articulation, FaceModel
from meshanim.metrics.vertex_error import MILLIMETRES
from meshanim.nn import HasLevels
from meshanim.synthesis.expression_motion import ExpressionMotion
from meshanim.synthesis.expression_space import ExpressionSpace
from meshanim.synthesis.topology import topology_digest
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe

CALIBRATED = 256
"""Frames on which the scale of motion is measured."""


@dataclass(frozen=True)
class ExpressionMotionRecipe(Recipe):
    """Recipe of an :class:`ExpressionMotion`.

    Attributes:
        samples: frames in an epoch, taken at random.
        widths: channels of the decoder, coarsest level first.
    """

    epochs: int = 40
    batch_size: int = 16
    learning_rate_decay: float = 0.9
    samples: int = 1600
    widths: tuple[int, ...] = (64, 32, 16, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("samples", self.samples, 1)


class ExpressionMotionTask:
    """Frames of speech on the mean face, moved along arcs, that a decoder learns by their L1 distance.

    Args:
        model: the model; calibrate it first.
        face: who moves, a model with ARKit's units.
        weights: (N, 52) ARKit weights of the frames.
        samples: frames in an epoch, taken at random.
    """

    def __init__(self, model: ExpressionMotion, face: FaceModel, weights: Tensor, samples: int) -> None:
        check_shape("weights", weights, (None, len(ARKIT_NAMES)))
        if not len(weights):
            raise InputError("weights must hold at least one frame, got none")
        self.model, self.face, self.weights, self.samples = model, face, weights, samples
        self._articulation = Articulation(face)

    def __len__(self) -> int:
        return self.samples

    def displacements(self, weights: Tensor) -> Tensor:
        """The truth: displacements (N, V, 3) in metres of ARKit weights (N, 52)."""
        return self._articulation.vertices(self.face.weights_from_arkit(weights)) - self.face.neutral.vertices

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean L1 norm of the vertices' error, in millimetres."""
        weights = self.weights[torch.randint(len(self.weights), (len(items),))]
        error = self.model(self.model.space.encode(weights)) - self.displacements(weights)
        return {"reconstruction": error.abs().sum() * (MILLIMETRES / error[..., 0].numel())}

    def validate(self) -> dict[str, float]:
        """Nothing: what is shown is known for every expression."""
        return {}


def train_expression_motion(
    space: ExpressionSpace,
    weights: Tensor,
    face: FaceModel,
    hierarchy: HasLevels,
    recipe: ExpressionMotionRecipe,
    folder: str | Path,
    progress: bool = True,
) -> tuple[ExpressionMotion, TrainingReport]:
    """Train the decoder of a speech model's expressions and save it in ``folder``.

    A run that was stopped goes on where it was.

    Args:
        space: of the speech model.
        weights: (N, 52) ARKit weights of frames of speech.
        face: who moves, a model with ARKit's units.
        hierarchy: :class:`meshanim.mesh.MeshHierarchy` of its neutral mesh.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    with recipe.seeded():
        model = ExpressionMotion(face.neutral, hierarchy, space.size, recipe.widths)
    task = ExpressionMotionTask(model, face, weights, recipe.samples)
    spread = weights[:: max(1, len(weights) // CALIBRATED)]
    model.calibrate(space, lambda: (task.displacements(part) for part in spread.split(CALIBRATED)))
    return train_and_save(model, task, recipe, folder, progress, mesh=topology_digest(model.template))
