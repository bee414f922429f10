"""Encoders of sound and chance before they meet a picture: lips and blinks of captured faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from meshanim._check import check_range
from meshanim.metrics import correlation, find_blinks
from meshanim.talking_heads.polynomial_config import FRAME_RATE
from meshanim.talking_heads.polynomial_encoders import NOISE, NoiseEncoder, sound_windows
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.training.lips import JAW, LIPS
from meshanim.training.loop import train
from meshanim.training.recipe import Recipe
from meshanim.training.spontaneous import SpontaneousMotion
from meshanim.training.talking_batches import SeenClip
from meshanim.training.voices import Voices

_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class PolynomialHearingRecipe(Recipe):
    """Recipe of what the audio encoder learns before it meets a picture.

    Attributes:
        frames: of a clip in a step.
        voices: that every clip is heard in, drawn anew in every step.
        blur: deviation of noise in what the encoder gives, whose numbers lie in [-1, 1].
    """

    epochs: int = 40
    batch_size: int = 4
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.925
    weight_decay: float = 0.0
    frames: int = 50
    voices: Voices = field(default_factory=Voices)
    blur: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("frames", self.frames, 1)
        check_range("blur", self.blur, 0)


@dataclass(frozen=True)
class ChanceRecipe(Recipe):
    """Recipe of the noise encoder.

    Attributes:
        sequences: of noise in an epoch, none of which comes twice.
        frames: of each.
    """

    epochs: int = 8
    batch_size: int = 16
    learning_rate: float = 4e-3
    learning_rate_decay: float = 0.6
    weight_decay: float = 0.0
    sequences: int = 2400
    frames: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sequences", "frames"):
            check_range(name, getattr(self, name), 1)


class PolynomialHearingTask:
    """The audio encoder tells what lips do.

    In the paper it comes trained from the model of Vougioukas et al. 2019 and knows nothing else. Here it
    learns to tell the captured weights of jaw and mouth through a linear layer that is thrown away, and
    through noise, so that what lips do becomes the loudest in what it gives, and is what a generator finds
    first.

    Args:
        model: whose encoder it is.
        clips: to learn from.
        validation: clips that are heard whole after every epoch.
        recipe: the settings.
    """

    def __init__(
        self,
        model: PolynomialModel,
        clips: Sequence[SeenClip],
        validation: Sequence[SeenClip],
        recipe: PolynomialHearingRecipe,
    ) -> None:
        self.clips, self.validation, self.recipe = clips, validation, recipe
        lips = torch.cat([clip.weights[:, LIPS] for clip in clips])
        self.mean, self.spread = lips.mean(dim=0), lips.std(dim=0).clamp(min=_LEAST_SPREAD)
        self.model = nn.ModuleDict(
            {"audio": model.audio_encoder, "lips": nn.Linear(model.config.audio, len(LIPS))}
        )

    def __len__(self) -> int:
        return len(self.clips)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean square of what a batch of sounds tells of the lips, in spreads."""
        clips = [self.clips[item] for item in items]
        count = min(self.recipe.frames, *map(len, clips))
        start = int(torch.randint(min(map(len, clips)) - count + 1, ()))
        windows = self.recipe.voices.windows([clip.waveform for clip in clips], start, start + count)
        heard, _ = self.model["audio"](windows)
        told = self.model["lips"](heard + self.recipe.blur * torch.randn_like(heard))
        truth = torch.stack([clip.weights[start : start + count, LIPS] for clip in clips])
        return {"lips": (told - (truth - self.mean) / self.spread).square().mean()}

    def validate(self) -> dict[str, float]:
        """Correlation of the jaw's opening, as heard, with the true one, in mean over clips."""
        if not self.validation:
            return {}
        found = []
        for clip in self.validation:
            heard, _ = self.model["audio"](sound_windows(clip.waveform, 0, len(clip))[None])
            told = self.model["lips"](heard)[0, :, JAW]
            found.append(correlation(told, clip.weights[:, LIPS[JAW]]))
        return {"validation_jaw_correlation": sum(found) / len(found)}


class ChanceTask:
    """The noise encoder does what :class:`SpontaneousMotion` makes of the same noise.

    Args:
        encoder: the encoder.
        motion: what it is to do.
        recipe: the settings.
    """

    def __init__(self, encoder: NoiseEncoder, motion: SpontaneousMotion, recipe: ChanceRecipe) -> None:
        self.model, self.motion, self.recipe = encoder, motion, recipe

    def __len__(self) -> int:
        return self.recipe.sequences

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean square distance, in spreads, of as many sequences as there are items, drawn anew."""
        noise = torch.randn(len(items), self.recipe.frames, NOISE)
        return {"spontaneous": (self.model(noise)[0] - self.motion.play(noise)).square().mean()}

    def validate(self) -> dict[str, float]:
        """Blinks in a second, and their mean duration, in eight minutes of noise."""
        noise = torch.randn(8, round(60 * FRAME_RATE), NOISE, generator=torch.Generator().manual_seed(0))
        tracks = self.model(noise)[0] * self.motion.spread + self.motion.mean
        blinks = [find_blinks(track[:, :2].mean(dim=1), FRAME_RATE) for track in tracks]
        lasting = [each.mean_duration_s for each in blinks if each.mean_duration_s is not None]
        rate = sum(each.rate_per_s for each in blinks) / len(blinks)
        return {"blinks_per_s": rate, "blink_duration_s": sum(lasting) / max(1, len(lasting))}


def give_head_start(
    model: PolynomialModel,
    clips: Sequence[SeenClip],
    hearing: PolynomialHearingRecipe,
    chance: ChanceRecipe,
    folder: Path,
    validation: Sequence[SeenClip] = (),
    progress: bool = True,
) -> bool:
    """Train a model's encoders of sound and noise, in place, on the CPU; a stopped run goes on where it was.

    Args:
        model: the model; its tracks' mean and spread are set.
        clips: to learn from.
        hearing: the settings of the audio encoder.
        chance: those of the noise encoder.
        folder: gets the checkpoints, in ``hearing`` and ``chance``.
        validation: clips that are heard whole after every epoch.
        progress: show bars.

    Returns:
        Whether both came to their end, and no other was asked for.
    """
    motion = SpontaneousMotion.measure([clip.tracks for clip in clips], FRAME_RATE)
    model.track_mean.copy_(motion.mean)
    model.track_spread.copy_(motion.spread)
    learned = train(ChanceTask(model.noise_encoder, motion, chance), chance, folder / "chance", progress)
    if not learned.goes_on:
        return False
    task = PolynomialHearingTask(model, clips, validation, hearing)
    return train(task, hearing, folder / "hearing", progress).goes_on
