"""Training of the network that reads action units off a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import check_range
from meshanim.audio import SPEECH_UNITS
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.facs import occurring_units
from meshanim.metrics import action_unit_scores
from meshanim.talking_heads.pictures import to_network
from meshanim.training.face_frames import FilmedClip, FrameDraws, captured_weights
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe
from meshanim.training.unit_losses import OCCURS_FROM, audio_unit_losses, unit_weights
from meshanim.vision import UnitClassifier


@dataclass(frozen=True)
class UnitClassifierRecipe(Recipe):
    """Recipe of :class:`meshanim.vision.UnitClassifier`; Chen et al. 2022 give none for this part alone.

    Attributes:
        frames: of a clip in each step.
        width: channels of the network's first layers.
    """

    epochs: int = 60
    batch_size: int = 8
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.95
    weight_decay: float = 1e-5
    frames: int = 8
    width: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "width"):
            check_range(name, getattr(self, name), 1)


def shown_units(clip: FilmedClip, units: Sequence[int] = SPEECH_UNITS) -> Tensor:
    """(T, A) bool: which units occur in a clip's captured performance."""
    return occurring_units(captured_weights(clip), ARKIT_NAMES, units)


@torch.no_grad()
def read_units(model: UnitClassifier, clips: Sequence[FilmedClip]) -> tuple[Tensor, Tensor]:
    """What a model reads off the frames of clips and what was captured: (N, A) bool each."""
    read = [model(to_network(clip.frames)) >= OCCURS_FROM for clip in clips]
    return torch.cat(read), torch.cat([shown_units(clip, model.units) for clip in clips])


class UnitClassifierTask:
    """Frames off which a :class:`UnitClassifier` learns to read action units.

    Args:
        model: the model.
        clips: to learn from, with captured weights.
        others: clips that are scored after every epoch; may be none.
        frames: of a clip in each step.
    """

    def __init__(
        self, model: UnitClassifier, clips: Sequence[FilmedClip], others: Sequence[FilmedClip], frames: int
    ) -> None:
        self.model, self.others, self.draws = model, others, FrameDraws(clips, frames)
        self.labels = [shown_units(clip, model.units).float() for clip in clips]
        self.weights = unit_weights(torch.cat(self.labels).mean(dim=0))

    def __len__(self) -> int:
        return len(self.labels)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Cross entropy and Dice loss of a batch."""
        pictures, rows = self.draws.draw(items)
        labels = torch.cat([self.labels[item][row] for item, row in zip(items, rows, strict=True)])
        return audio_unit_losses(self.model(pictures), labels, self.weights)

    def validate(self) -> dict[str, float]:
        """Means over the units of F1 and accuracy on the others."""
        if not self.others:
            return {}
        f1, accuracy = action_unit_scores(*read_units(self.model, self.others)).mean
        return {"validation_f1": f1, "validation_accuracy": accuracy}


def train_unit_classifier(
    clips: Sequence[FilmedClip],
    others: Sequence[FilmedClip],
    recipe: UnitClassifierRecipe,
    folder: str | Path,
    progress: bool = True,
) -> tuple[UnitClassifier, TrainingReport]:
    """Train the network and save it in ``folder``; a stopped run goes on where it was.

    Args:
        clips: to learn from, with captured weights, all in one crop.
        others: scored after every epoch; may be none.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    # read once: a data set may decode or copy at every look
    kept = list(clips)
    with recipe.seeded():
        height, width = kept[0].frames.shape[1:3] if kept else (112, 112)
        model = UnitClassifier(SPEECH_UNITS, (height, width), recipe.width)
    task = UnitClassifierTask(model, kept, list(others), recipe.frames)
    return train_and_save(model, task, recipe, folder, progress)
