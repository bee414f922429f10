"""Stretches of speech side by side, in noise and without, and stretches of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.audio import NOISE_DECIBELS, SPEECH_RATE, Sound, mix_noise
from meshanim.synthesis import SpeechModel

SILENT_SHARE = 1 / 8
"""Of the stretches; in these nobody speaks and the face rests."""
NOISY_SHARE = 1 / 2
"""Of the other stretches."""
_LOUDER, _QUIETER = 6.0, -18.0
_NOISE_LEVELS = (-80.0, -15.0)
_RUMBLE = 2.0


class SpokenFace(Protocol):
    """What training needs of an utterance, such as :class:`meshanim.datasets.Utterance`."""

    @property
    def sound(self) -> Sound: ...  # noqa: D102
    @property
    def weights(self) -> Tensor: ...  # noqa: D102
    @property
    def identity(self) -> Tensor: ...  # noqa: D102


class SpeechBatch(NamedTuple):
    """B stretches of k frames.

    Attributes:
        sound: (B, N) at 16 kHz, with what the encoder needs around it.
        weights: (B, k, 52) ARKit weights.
        before: (B, 52) weights of the frame before the first.
        begins: (B,) True where there is none.
        lasting: (B, k) False after the end of an utterance.
        identity: (B, I).
    """

    sound: Tensor
    weights: Tensor
    before: Tensor
    begins: Tensor
    lasting: Tensor
    identity: Tensor

    @classmethod
    def collate(
        cls, spoken: Sequence[SpokenFace], frames: int, model: SpeechModel, vary: bool = True
    ) -> SpeechBatch:
        """Draw a stretch of ``frames`` frames of each utterance; vary loudness, noise, and speech at all.

        Args:
            spoken: at the model's frame rate and 16 kHz.
            frames: k.
            model: that will hear it.
            vary: False takes every utterance from its first frame on, as it sounds.
        """
        rows = [cls._stretch(each, frames, model, vary) for each in spoken]
        return cls(*(torch.stack(parts) for parts in zip(*rows, strict=True)))

    @staticmethod
    def _stretch(spoken: SpokenFace, frames: int, model: SpeechModel, vary: bool) -> tuple[Tensor, ...]:
        weights, (before_it, after_it) = spoken.weights, model.samples_around
        start = int(torch.randint(max(0, len(weights) - frames) + 1, ())) if vary else 0
        shown = weights[start : start + frames]
        lasting = torch.arange(frames) < len(shown)
        count = before_it + (frames - 1) * model.frame_samples + after_it
        sound = _cut(spoken.sound.waveform, start * model.frame_samples - before_it, count)
        truth = functional.pad(shown, (0, 0, 0, frames - len(shown)))
        before = weights[max(0, start - 1)]
        if vary and float(torch.rand(())) < SILENT_SHARE:
            # a face at rest has weights of zero
            sound, truth, before = quiet_noise(count), torch.zeros_like(truth), torch.zeros_like(before)
            lasting = torch.ones_like(lasting)
        elif vary:
            sound = _varied(sound)
        return sound, truth, before, torch.tensor(start == 0), lasting, spoken.identity


def _cut(waveform: Tensor, start: int, count: int) -> Tensor:
    """``count`` samples from ``start`` on, silence outside."""
    missing = max(0, -start)
    inside = waveform[max(0, start) : max(0, start + count)]
    return functional.pad(inside, (missing, count - missing - len(inside)))


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def coloured_noise(count: int) -> Tensor:
    """Noise (count,) of unit power whose amplitude falls with frequency, from not at all to quickly."""
    spectrum = torch.fft.rfft(torch.randn(count))
    fall = torch.arange(1, len(spectrum) + 1) ** -_uniform(0, _RUMBLE / 2)
    noise = torch.fft.irfft(spectrum * fall, count)
    return noise / noise.square().mean().sqrt()


def quiet_noise(count: int) -> Tensor:
    """A stretch (count,) in which nobody speaks: noise of any level, in a quarter of all cases none."""
    level = 10 ** (_uniform(*_NOISE_LEVELS) / 20)
    return coloured_noise(count) * level if float(torch.rand(())) > 1 / 4 else torch.zeros(count)


def _varied(sound: Tensor) -> Tensor:
    """The sound louder or quieter, and every second time in noise of 6 to 30 dB."""
    sound = sound * 10 ** (_uniform(_QUIETER, _LOUDER) / 20)
    if float(torch.rand(())) > NOISY_SHARE or not sound.any():
        return sound
    decibels = NOISE_DECIBELS[int(torch.randint(len(NOISE_DECIBELS), ()))]
    noise = Sound(coloured_noise(len(sound)), SPEECH_RATE)
    return mix_noise(Sound(sound, SPEECH_RATE), decibels, torch.default_generator, noise).waveform
