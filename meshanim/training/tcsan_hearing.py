"""A start for TCSAN's audio encoder: to tell what lips do, before there is a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from meshanim.faces import ARKIT_NAMES
from meshanim.metrics import correlation
from meshanim.talking_heads.tcsan_networks import WindowEncoder
from meshanim.training.loop import TrainingReport, train
from meshanim.training.recipe import Recipe
from meshanim.training.tcsan_clips import LIPS, TcsanClip, heard_otherwise

_JAW = LIPS.index(ARKIT_NAMES.index("jawOpen"))
_LEAST_SPREAD = 0.02
"""Of a weight, so that what hardly moves is not made large."""


class HearingLipsTask:
    """The encoder learns what the lips of captured faces do, in voices made otherwise in every step.

    Few clips can be known by heart, sound by sound: an encoder that learns from pixels alone does that. What
    lips do is told by a linear layer that is left behind.

    Args:
        sound: the encoder.
        features: of it.
        clips: to learn from.
        others: heard after every epoch; may be none.
        noise: as in :func:`meshanim.training.tcsan_clips.heard_otherwise`.
    """

    def __init__(
        self,
        sound: WindowEncoder,
        features: int,
        clips: Sequence[TcsanClip],
        others: Sequence[TcsanClip],
        noise: float,
    ) -> None:
        self.clips, self.others, self.noise = clips, others, noise
        lips = torch.cat([clip.lips for clip in clips])
        self.mean, self.spread = lips.mean(dim=0), lips.std(dim=0).clamp(min=_LEAST_SPREAD)
        told = nn.Sequential(nn.Dropout(0.3), nn.Linear(features, len(LIPS)))
        self.model = nn.ModuleDict({"sound": sound, "lips": told})

    def __len__(self) -> int:
        return len(self.clips)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean square of what is told of the lips, in spreads."""
        losses = []
        for clip in (self.clips[item] for item in items):
            heard = heard_otherwise(clip.windows[None], self._sound.deviation.cpu(), self.noise)
            losses.append((self._told(heard) - (clip.lips - self.mean) / self.spread).square().mean())
        return {"lips": torch.stack(losses).mean()}

    def validate(self) -> dict[str, float]:
        """Correlation of the jaw's opening, as heard, with the true one, in mean over clips."""
        if not self.others:
            return {}
        found = [
            correlation(self._told(clip.windows[None])[:, _JAW], clip.lips[:, _JAW]) for clip in self.others
        ]
        return {"jaw_correlation": sum(found) / len(found)}

    @property
    def _sound(self) -> WindowEncoder:
        sound = self.model["sound"]
        assert isinstance(sound, WindowEncoder)
        return sound

    def _told(self, windows: Tensor) -> Tensor:
        """(T, L) of windows (1, T, 12, 28)."""
        return self.model["lips"](self._sound(windows))[0]


def hear_lips(
    sound: WindowEncoder,
    features: int,
    clips: Sequence[TcsanClip],
    others: Sequence[TcsanClip],
    epochs: int,
    noise: float,
    seed: int,
    folder: str | Path,
    progress: bool = True,
) -> TrainingReport:
    """Train an audio encoder to tell lips; a stopped run goes on where it was.

    Args:
        sound: the encoder.
        features: of it.
        clips: to learn from, captured.
        others: heard after every epoch; may be none.
        epochs: over the clips.
        noise: in what is heard.
        seed: of order and noise.
        folder: gets checkpoints.
        progress: show a bar.
    """
    recipe = Recipe(epochs, 4, 2e-3, 0.1 ** (1 / epochs), weight_decay=1e-4, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        task = HearingLipsTask(sound, features, clips, others, noise)
    return train(task, recipe, folder, progress)
