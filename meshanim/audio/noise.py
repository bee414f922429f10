"""Noise in speech, as loud as asked for."""

from __future__ import annotations

import torch

from meshanim._check import InputError, check_range
from meshanim.audio.sound import Sound, resample

NOISE_DECIBELS: tuple[int, ...] = tuple(range(6, 31, 3))
"""Signal-to-noise ratios to train at: 6 to 30 dB in steps of 3."""


def mix_noise(sound: Sound, decibels: float, generator: torch.Generator, noise: Sound | None = None) -> Sound:
    """The sound with noise in it, at a signal-to-noise ratio of ``decibels`` over the whole.

    The ratio is that of mean squares, and exact. Nothing is clipped.

    Args:
        sound: what stays as loud as it is.
        decibels: signal to noise.
        generator: of white noise, or of the place in ``noise`` at which it begins.
        noise: a recording, at any rate, taken round and round where it is short; white noise by default.

    Raises:
        InputError: the sound or the noise is silent throughout.
    """
    check_range("decibels", decibels)
    count = len(sound.waveform)
    if noise is None:
        added = torch.randn(count, generator=generator, dtype=torch.float32)
    else:
        around = resample(noise, sound.sample_rate).waveform
        start = int(torch.randint(len(around), (), generator=generator))
        added = around[(start + torch.arange(count)) % len(around)]
    powers = [float(waveform.double().square().mean()) for waveform in (sound.waveform, added)]
    for name, power in zip(("sound", "noise"), powers, strict=True):
        if power == 0:
            raise InputError(f"{name} must not be silent throughout: no ratio to it can be had")
    share = (powers[0] / powers[1] / 10 ** (decibels / 10)) ** 0.5
    return Sound(sound.waveform + share * added, sound.sample_rate)
