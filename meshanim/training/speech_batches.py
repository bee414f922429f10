"""Stretches of speech side by side, in noise and without, and stretches of nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError
from meshanim.audio import NOISE_DECIBELS, SPEECH_RATE, Sound, mix_noise
from meshanim.synthesis import SpeechModel
from meshanim.synthesis.timing import read_smoothly

SILENT_SHARE = 1 / 8
"""Of the stretches; in these nobody speaks and the face rests."""
NOISY_SHARE = 1 / 2
"""Of the other stretches."""
_BEGINNINGS = 8
"""About one stretch in so many, beside those that do anyway, begins where its utterance does."""
_FASTER = 0.4
"""Octaves by which a stretch is played faster or slower, its face with it: other voices, other tempi."""
_LOUDER, _QUIETER = 6.0, -18.0
_TONE, _TONES = 6.0, 9
"""Deviation in decibels, and number, of the corners of a random colour between 0 and 8 kHz."""
_NOISE_LEVELS = (-80.0, -10.0)
_RUMBLE = 2.0


class SpokenFace(Protocol):
    """What training needs of an utterance, such as :class:`meshanim.datasets.Utterance`."""

    @property
    def sound(self) -> Sound: ...  # noqa: D102
    @property
    def fps(self) -> float: ...  # noqa: D102
    @property
    def weights(self) -> Tensor: ...  # noqa: D102
    @property
    def identity(self) -> Tensor: ...  # noqa: D102


def check_rates(spoken: Iterable[SpokenFace], fps: float) -> None:
    """Raise unless all utterances have a model's frame rate and 16 kHz, at which stretches are cut."""
    for each in spoken:
        if (each.fps, each.sound.sample_rate) != (fps, SPEECH_RATE):
            raise InputError(
                f"utterances must have {fps:g} frames/s and {SPEECH_RATE} samples/s, "
                f"got {each.fps:g} and {each.sound.sample_rate}"
            )


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
        cls, spoken: Sequence[SpokenFace], frames: int, model: SpeechModel, varied: float = 1.0
    ) -> SpeechBatch:
        """Draw a stretch of ``frames`` frames of each; vary speed, colour, loudness, noise, and what speaks.

        Args:
            spoken: at the model's frame rate and 16 kHz.
            frames: k.
            model: that will hear it.
            varied: share of the stretches; the others are taken from the first frame on, as they sound. Where
                it is 0, nothing is drawn.
        """
        rows = [
            cls._stretch(each, frames, model, varied > 0 and float(torch.rand(())) < varied)
            for each in spoken
        ]
        return cls(*(torch.stack(parts) for parts in zip(*rows, strict=True)))

    @staticmethod
    def _stretch(spoken: SpokenFace, frames: int, model: SpeechModel, vary: bool) -> tuple[Tensor, ...]:
        speed = 2 ** _uniform(-_FASTER, _FASTER) if vary else 1.0
        free = max(0, int(len(spoken.weights) - frames * speed))
        start = max(0, int(torch.randint(-(free // _BEGINNINGS), free + 1, ()))) if vary else 0
        place = start + torch.arange(-1, frames, dtype=torch.float64) * speed
        weights = read_smoothly(spoken.weights, place).clamp(0, 1)
        lasting = place[1:] <= len(spoken.weights) - 1
        ahead, after = model.samples_around
        samples = torch.arange(-ahead, (frames - 1) * model.frame_samples + after) * speed
        sound, identity = _read(spoken.sound.waveform, start * model.frame_samples + samples), spoken.identity
        if vary and float(torch.rand(())) < SILENT_SHARE:
            # nobody speaks, so that nobody is named; a face at rest has weights of zero
            # and noise, too, begins somewhere
            sound = quiet_noise(len(sound)) * (start * model.frame_samples + samples >= 0)
            weights, lasting = 0 * weights, torch.ones_like(lasting)
            identity = model.identity_mean
        elif vary:
            sound = varied_sound(sound)
        return sound, weights[1:], weights[0], torch.tensor(bool(place[0] < 0)), lasting, identity


def _read(waveform: Tensor, place: Tensor) -> Tensor:
    """The waveform (N,) at fractional samples (M,), linear between them, silent outside."""
    padded = functional.pad(waveform, (1, 1))
    low = place.floor()
    first = (low + 1).long().clamp(0, len(padded) - 2)
    share = (place - low).to(waveform.dtype)
    inside = (place > -1) & (place < len(waveform))
    return torch.lerp(padded[first], padded[first + 1], share) * inside


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


def _coloured(sound: Tensor) -> Tensor:
    """The sound as another voice or room would have it: its spectrum raised and lowered in broad bands."""
    spectrum = torch.fft.rfft(sound)
    decibels = functional.interpolate(
        _TONE * torch.randn(1, 1, _TONES), len(spectrum), mode="linear", align_corners=True
    )[0, 0]
    return torch.fft.irfft(spectrum * 10 ** (decibels / 20), len(sound))


def varied_sound(sound: Tensor) -> Tensor:
    """The sound in another colour and loudness, and every second time in noise of 6 to 30 dB."""
    sound = _coloured(sound) * 10 ** (_uniform(_QUIETER, _LOUDER) / 20)
    if float(torch.rand(())) > NOISY_SHARE or not sound.any():
        return sound
    decibels = NOISE_DECIBELS[int(torch.randint(len(NOISE_DECIBELS), ()))]
    noise = Sound(coloured_noise(len(sound)), SPEECH_RATE)
    return mix_noise(Sound(sound, SPEECH_RATE), decibels, torch.default_generator, noise).waveform
