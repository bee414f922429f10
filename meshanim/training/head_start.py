"""Encoders of sound and chance before they meet a picture: lips and blinks of captured faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from meshanim._check import check_range
from meshanim.faces import ARKIT_NAMES
from meshanim.metrics import correlation, find_blinks
from meshanim.talking_heads.polynomial_config import FRAME_RATE
from meshanim.talking_heads.polynomial_encoders import NOISE, sound_windows
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.training.loop import TrainingReport, train
from meshanim.training.recipe import Recipe
from meshanim.training.spontaneous import SpontaneousMotion
from meshanim.training.talking_batches import SeenClip

_LIPS = [place for place, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth"))]
_JAW = _LIPS.index(ARKIT_NAMES.index("jawOpen"))
_LEAST_SPREAD = 0.05
_PLAYED, _PLAYED_FRAMES = 16, 100
"""Sequences of noise in a step, and frames of each."""
_HUM = 0.003
"""Largest deviation of noise that is added to sounds, full scale being 1."""


@dataclass(frozen=True)
class HeadStartRecipe(Recipe):
    """Recipe of what encoders learn before they meet a picture.

    Attributes:
        frames: of a clip in a step.
        louder: deviation of the logarithm of loudness, drawn anew for every clip in every step.
    """

    epochs: int = 60
    batch_size: int = 4
    learning_rate: float = 3e-3
    learning_rate_decay: float = 0.95
    weight_decay: float = 0.0
    frames: int = 50
    louder: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("frames", self.frames, 1)
        check_range("louder", self.louder, 0)


class HeadStartTask:
    """The audio encoder tells what lips do; the noise encoder does what lids and brows do.

    In the paper both come trained from the model of Vougioukas et al. 2019 and know nothing else. Here the
    audio encoder learns to tell the captured weights of jaw and mouth through a linear layer that is thrown
    away, and the noise encoder what :class:`SpontaneousMotion` makes of the same noise.

    Args:
        model: whose encoders these are; its tracks' mean and spread are set.
        clips: to learn from.
        validation: clips that are heard whole after every epoch.
        recipe: the settings.
    """

    def __init__(
        self,
        model: PolynomialModel,
        clips: Sequence[SeenClip],
        validation: Sequence[SeenClip],
        recipe: HeadStartRecipe,
    ) -> None:
        self.clips, self.validation, self.recipe = clips, validation, recipe
        self.motion = SpontaneousMotion.measure([clip.tracks for clip in clips], FRAME_RATE)
        model.track_mean.copy_(self.motion.mean)
        model.track_spread.copy_(self.motion.spread)
        lips = torch.cat([clip.weights[:, _LIPS] for clip in clips])
        self.mean, self.spread = lips.mean(dim=0), lips.std(dim=0).clamp(min=_LEAST_SPREAD)
        self.model = nn.ModuleDict(
            {
                "audio": model.audio_encoder,
                "noise": model.noise_encoder,
                "lips": nn.Linear(model.config.audio, len(_LIPS)),
            }
        )

    def __len__(self) -> int:
        return len(self.clips)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean squares, in spreads: of the lips from a batch of sounds, of tracks from a batch of noise."""
        clips = [self.clips[item] for item in items]
        count = min(self.recipe.frames, *map(len, clips))
        start = int(torch.randint(min(map(len, clips)) - count + 1, ()))
        windows = torch.stack([sound_windows(clip.waveform, start, start + count) for clip in clips])
        gain = torch.exp(self.recipe.louder * torch.randn(len(clips), 1, 1))
        hum = _HUM * torch.rand(len(clips), 1, 1) * torch.randn_like(windows)
        told = self._tell(gain * windows + hum)
        truth = torch.stack([clip.weights[start : start + count, _LIPS] for clip in clips])
        noise = torch.randn(_PLAYED, _PLAYED_FRAMES, NOISE)
        played, _ = self.model["noise"](noise)
        return {
            "lips": (told - (truth - self.mean) / self.spread).square().mean(),
            "spontaneous": (played - self.motion.play(noise)).square().mean(),
        }

    def _tell(self, windows: Tensor) -> Tensor:
        return self.model["lips"](self.model["audio"](windows)[0])

    def validate(self) -> dict[str, float]:
        """Blinks in a second of noise; correlation of the jaw's opening, as heard, with the true one."""
        scores = {"blinks_per_s": self._blinks()}
        if self.validation:
            opened = [
                correlation(self._tell(sound_windows(clip.waveform, 0, len(clip))[None])[0, :, _JAW], truth)
                for clip in self.validation
                for truth in [clip.weights[:, _LIPS[_JAW]]]
            ]
            scores["validation_jaw_correlation"] = sum(opened) / len(opened)
        return scores

    def _blinks(self) -> float:
        noise = torch.randn(8, 1500, NOISE, generator=torch.Generator().manual_seed(0))
        tracks = self.model["noise"](noise)[0] * self.motion.spread + self.motion.mean
        rates = [find_blinks(track[:, :2].mean(dim=1), FRAME_RATE).rate_per_s for track in tracks]
        return sum(rates) / len(rates)


def give_head_start(
    model: PolynomialModel,
    clips: Sequence[SeenClip],
    recipe: HeadStartRecipe,
    folder: str | Path,
    validation: Sequence[SeenClip] = (),
    progress: bool = True,
) -> TrainingReport:
    """Train a model's encoders of sound and noise, in place; a stopped run goes on where it was.

    Args:
        model: the model.
        clips: to learn from.
        recipe: the settings.
        folder: gets the checkpoints.
        validation: clips that are heard whole after every epoch.
        progress: show a bar.
    """
    return train(HeadStartTask(model, clips, validation, recipe), recipe, folder, progress)
