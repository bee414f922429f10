"""Training of the networks that hear action units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from meshanim._check import InputError, check_range
from meshanim.audio import NOISE_DECIBELS, SPEECH_UNITS, AudioToUnits, Sound, mfcc_windows, mix_noise
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.facs import occurring_units
from meshanim.metrics import action_unit_scores
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe
from meshanim.training.unit_losses import OCCURS_FROM, audio_unit_losses, unit_weights


class SpokenMotion(Protocol):
    """What training needs of an utterance, such as :class:`meshanim.datasets.Utterance`."""

    @property
    def sound(self) -> Sound: ...  # noqa: D102
    @property
    def fps(self) -> float: ...  # noqa: D102
    @property
    def weights(self) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True)
class AudioUnitsRecipe(Recipe):
    """Recipe of :class:`meshanim.audio.AudioToUnits`; Chen et al. 2022 give none for this part alone.

    Attributes:
        hidden: of the LSTM layers.
        noisy: share of the utterances that are heard with white noise, at a ratio drawn from
            :data:`meshanim.audio.NOISE_DECIBELS`.
    """

    epochs: int = 40
    batch_size: int = 8
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.95
    weight_decay: float = 1e-5
    hidden: int = 64
    noisy: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("hidden", self.hidden, 1)
        check_range("noisy", self.noisy, 0, 1)


def unit_labels(utterance: SpokenMotion, units: Sequence[int]) -> Tensor:
    """(T, A) bool: which units an utterance's face shows."""
    return occurring_units(utterance.weights, ARKIT_NAMES, units)


@torch.no_grad()
def hear_units(model: AudioToUnits, utterances: Sequence[SpokenMotion]) -> tuple[Tensor, Tensor]:
    """What a model says of utterances and what they show: (N, A) bool each, frame after frame."""
    said, shown = [], []
    for utterance in utterances:
        labels = unit_labels(utterance, model.units)
        said.append(_fitted(model.listen(utterance.sound, utterance.fps), len(labels)) >= OCCURS_FROM)
        shown.append(labels)
    return torch.cat(said), torch.cat(shown)


class AudioUnitsTask:
    """Utterances whose action units an :class:`AudioToUnits` learns.

    Args:
        model: the model.
        utterances: to learn from, at the model's frame rate.
        others: utterances that are scored after every epoch; may be none.
        noisy: share that is heard with noise.
    """

    def __init__(
        self,
        model: AudioToUnits,
        utterances: Sequence[SpokenMotion],
        others: Sequence[SpokenMotion],
        noisy: float,
    ) -> None:
        for utterance in utterances:
            if utterance.fps != model.fps:
                raise InputError(f"utterances must have {model.fps:g} frames/s, got {utterance.fps:g}")
        self.model, self.utterances, self.others, self.noisy = model, utterances, others, noisy
        self.labels = [unit_labels(utterance, model.units).float() for utterance in utterances]
        self.weights = unit_weights(torch.cat(self.labels).mean(dim=0))

    def __len__(self) -> int:
        return len(self.utterances)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Cross entropy and Dice loss of a batch."""
        labels = [self.labels[item] for item in items]
        windows = [
            _fitted(mfcc_windows(self._heard(self.utterances[item].sound), self.model.fps), len(track))
            for item, track in zip(items, labels, strict=True)
        ]
        # The LSTMs run forwards, so that what pads an utterance's end changes nothing before it.
        said = self.model(pad_sequence(windows, batch_first=True))
        frames = torch.cat([row[: len(track)] for row, track in zip(said, labels, strict=True)])
        return audio_unit_losses(frames, torch.cat(labels), self.weights)

    def _heard(self, sound: Sound) -> Sound:
        if float(torch.rand(())) >= self.noisy or not bool(sound.waveform.any()):
            return sound
        decibels = NOISE_DECIBELS[int(torch.randint(len(NOISE_DECIBELS), ()))]
        return mix_noise(sound, decibels, torch.default_generator)

    def validate(self) -> dict[str, float]:
        """Means over the units of F1 and accuracy on the others."""
        if not self.others:
            return {}
        f1, accuracy = action_unit_scores(*hear_units(self.model, self.others)).mean
        return {"validation_f1": f1, "validation_accuracy": accuracy}


def _fitted(track: Tensor, frames: int) -> Tensor:
    """The track with ``frames`` rows: sound may be some frames longer or shorter than the picture."""
    return track[torch.arange(frames).clamp(max=len(track) - 1)]


def train_audio_units(
    utterances: Sequence[SpokenMotion],
    others: Sequence[SpokenMotion],
    recipe: AudioUnitsRecipe,
    folder: str | Path,
    progress: bool = True,
) -> tuple[AudioToUnits, TrainingReport]:
    """Train the networks and save them in ``folder``; a stopped run goes on where it was.

    Args:
        utterances: to learn from, all of one frame rate.
        others: scored after every epoch; may be none.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    if not utterances:
        raise InputError("utterances must hold at least one, got none")
    fps = utterances[0].fps
    with recipe.seeded():
        model = AudioToUnits(SPEECH_UNITS, recipe.hidden, fps)
    model.standardise(torch.cat([mfcc_windows(utterance.sound, fps) for utterance in utterances]))
    task = AudioUnitsTask(model, utterances, others, recipe.noisy)
    return train_and_save(model, task, recipe, folder, progress)
