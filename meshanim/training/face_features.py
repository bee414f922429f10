"""Training of the network whose features tell how alike faces look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import InputError, check_range
from meshanim.faces import ARKIT_NAMES
from meshanim.talking_heads.pictures import to_network
from meshanim.training.face_frames import FilmedClip, FrameDraws, captured_weights
from meshanim.training.loop import TrainingReport, train
from meshanim.training.recipe import Recipe
from meshanim.vision import FaceFeatures

_STILL, _STEADY = 0.02, 1e-3
"""Least deviations by which weights and head motion (radians, metres) are scaled: what never moves is not
blown up."""


@dataclass(frozen=True)
class FaceFeaturesRecipe(Recipe):
    """Recipe of :class:`meshanim.vision.FaceFeatures`.

    Attributes:
        frames: of a clip in each step.
        width: channels of the network's first layer.
    """

    epochs: int = 60
    batch_size: int = 8
    learning_rate: float = 2e-3
    learning_rate_decay: float = 0.95
    weight_decay: float = 1e-5
    frames: int = 8
    width: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "width"):
            check_range(name, getattr(self, name), 1)


def _captured(clip: FilmedClip) -> Tensor:
    """(T, 58) weights and head motion."""
    if clip.head_motion is None:
        raise InputError(f"clips must have captured head motion to learn from, got {clip.name} without")
    return torch.cat([captured_weights(clip), clip.head_motion], dim=1)


class FaceFeaturesTask:
    """Frames off which a :class:`FaceFeatures` learns to read how a face moves.

    Args:
        model: the model.
        clips: to learn from, with captured weights and head motion.
        others: clips that are scored after every epoch; may be none.
        frames: of a clip in each step.
    """

    def __init__(
        self, model: FaceFeatures, clips: Sequence[FilmedClip], others: Sequence[FilmedClip], frames: int
    ) -> None:
        self.model, self.others, self.draws = model, others, FrameDraws(clips, frames)
        captured = [_captured(clip) for clip in clips]
        every = torch.cat(captured)
        least = torch.tensor([_STILL] * len(ARKIT_NAMES) + [_STEADY] * (every.shape[1] - len(ARKIT_NAMES)))
        self.mean, self.deviation = every.mean(dim=0), every.std(dim=0).maximum(least)
        self.truth = [(track - self.mean) / self.deviation for track in captured]

    def __len__(self) -> int:
        return len(self.truth)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Squared error of a batch in units of the variance."""
        pictures, rows = self.draws.draw(items)
        truth = torch.cat([self.truth[item][row] for item, row in zip(items, rows, strict=True)])
        return {"variance": (torch.cat(self.model.describe(pictures), dim=1) - truth).square().mean()}

    def validate(self) -> dict[str, float]:
        """Squared error on the others in units of the training's variance."""
        if not self.others:
            return {}
        errors = []
        for clip in self.others:
            told = torch.cat(self.model.describe(to_network(clip.frames)), dim=1)
            errors.append((told - (_captured(clip) - self.mean) / self.deviation).square().mean())
        return {"validation_variance": float(torch.stack(errors).mean())}


def train_face_features(
    clips: Sequence[FilmedClip],
    others: Sequence[FilmedClip],
    recipe: FaceFeaturesRecipe,
    folder: str | Path,
    progress: bool = True,
) -> tuple[FaceFeatures, TrainingReport]:
    """Train the network and save it in ``folder``; a stopped run goes on where it was.

    Args:
        clips: to learn from, with captured weights and head motion.
        others: scored after every epoch; may be none.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    with recipe.seeded():
        model = FaceFeatures(len(ARKIT_NAMES), recipe.width)
    kept = list(clips)
    task = FaceFeaturesTask(model, kept, list(others), recipe.frames)
    report = train(task, recipe, folder, progress)
    if report.finished:
        model.calibrate(to_network(torch.cat([clip.frames[:1] for clip in kept])))
        model.save_pretrained(folder)
    return model, report
