"""A start for TCSAN's ears: to tell what lips do, before there is a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from meshanim._check import check_range
from meshanim.metrics import correlation
from meshanim.talking_heads import TcsanModel, to_network
from meshanim.training.lips import JAW, LIPS
from meshanim.training.loop import TrainingReport, train
from meshanim.training.recipe import Recipe
from meshanim.training.tcsan_clips import TcsanClip, heard_otherwise

_LEAST_SPREAD = 0.02
"""Of a weight, so that what hardly moves is not made large."""


@dataclass(frozen=True)
class TcsanHearingRecipe(Recipe):
    """Recipe of what audio encoder and fusion learn before there is a picture.

    Attributes:
        noise: in what is heard, see :func:`meshanim.training.tcsan_clips.heard_otherwise`.
        dropout: share of the fusion's input, and of what it gives, that is dropped.
    """

    epochs: int = 30
    batch_size: int = 4
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.9
    weight_decay: float = 0.0
    noise: float = 0.3
    dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("noise", self.noise, 0)
        check_range("dropout", self.dropout, 0, 1)


class TcsanHearingTask:
    """Audio encoder and fusion learn what the lips of captured faces do, in other voices every time.

    Few clips can be known by heart, sound by sound: a model that learns from pixels alone does that. What
    lips do is told by a linear layer that is left behind. Whose picture the fusion is shown meanwhile is
    drawn among all clips, so that nothing about lips can be known from it.

    Args:
        model: whose encoder and fusion they are.
        clips: to learn from.
        others: heard after every epoch; may be none.
        recipe: the settings.
    """

    def __init__(
        self,
        model: TcsanModel,
        clips: Sequence[TcsanClip],
        others: Sequence[TcsanClip],
        recipe: TcsanHearingRecipe,
    ) -> None:
        self.talking, self.clips, self.others, self.recipe = model, clips, others, recipe
        self.device = next(model.parameters()).device
        lips = torch.cat([clip.lips for clip in clips]).to(self.device)
        self.mean, self.spread = lips.mean(dim=0), lips.std(dim=0).clamp(min=_LEAST_SPREAD)
        told = nn.Sequential(nn.Dropout(recipe.dropout), nn.Linear(model.config.hidden, len(LIPS)))
        parts = {"sound": model.sound, "fusion": model.fusion, "lips": told}
        if model.config.units == "mesh":
            assert model.units is not None
            parts["units"] = model.units
        self.model = nn.ModuleDict(parts).to(self.device)

    def __len__(self) -> int:
        return len(self.clips)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean square of what is told of the lips, in spreads."""
        clips = [self.clips[item] for item in items]
        count = min(len(clip.frames) for clip in clips)
        chosen = torch.randint(1 << 30, (len(clips),)).tolist()
        windows = torch.stack(
            [clip.voices[at % len(clip.voices), :count] for clip, at in zip(clips, chosen, strict=True)]
        )
        heard = heard_otherwise(windows, self.talking.sound.deviation.cpu(), self.recipe.noise)
        shown = torch.stack([self._any_frame() for _ in clips])
        intensities = torch.stack([clip.intensities[:count] for clip in clips])
        told = self._told(shown, heard, intensities, self.recipe.dropout)
        lips = torch.stack([clip.lips[:count] for clip in clips]).to(self.device)
        return {"lips": (told - (lips - self.mean) / self.spread).square().mean()}

    def validate(self) -> dict[str, float]:
        """Correlation of the jaw's opening, as heard, with the true one, in mean over clips."""
        if not self.others:
            return {}
        found = []
        for clip in self.others:
            told = self._told(clip.frames[:1], clip.windows[None], clip.intensities[None])[0]
            found.append(correlation(told[:, JAW].cpu(), clip.lips[:, JAW]))
        return {"validation_jaw_correlation": sum(found) / len(found)}

    def _any_frame(self) -> Tensor:
        frames = self.clips[int(torch.randint(len(self.clips), ()))].frames
        return frames[int(torch.randint(len(frames), ()))]

    def _told(self, shown: Tensor, windows: Tensor, intensities: Tensor, dropout: float = 0.0) -> Tensor:
        """(B, T, L) of windows (B, T, 12, 28), and pictures (B, H, W, 3) that are shown."""
        model = self.talking
        shown, windows, intensities = (each.to(self.device) for each in (shown, windows, intensities))
        with torch.no_grad():
            person = model.look(to_network(shown))
        with torch.set_grad_enabled(torch.is_grad_enabled() and model.config.units == "mesh"):
            units = model.unit_features(windows, intensities)
        return self.model["lips"](model.fused(person, windows, units, dropout))


def hear_lips(
    model: TcsanModel,
    clips: Sequence[TcsanClip],
    others: Sequence[TcsanClip],
    recipe: TcsanHearingRecipe,
    folder: str | Path,
    progress: bool = True,
) -> TrainingReport:
    """Train a model's audio encoder and fusion to tell lips, in place; a stopped run goes on where it was.

    Args:
        model: the model.
        clips: to learn from, captured.
        others: heard after every epoch; may be none.
        recipe: the settings.
        folder: gets checkpoints.
        progress: show a bar.
    """
    with recipe.seeded():
        task = TcsanHearingTask(model, clips, others, recipe)
    return train(task, recipe, folder, progress)
