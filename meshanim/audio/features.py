"""Features of speech beside a track of frames: mel spectra and their cepstral coefficients."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from meshanim._check import check_range
from meshanim.audio.sound import SPEECH_RATE, Sound, resample
from meshanim.audio.spectra import log_energies, windows_about

COEFFICIENTS, STEPS = 12, 28
"""Of an MFCC window: 12 cepstral coefficients, without that of the energy, at 28 steps."""
STEP = 0.01
"""Seconds from step to step; the 28 of them span 280 ms."""
MEL_BANDS = 80

_BANDS = 26
_PRE_EMPHASIS = 0.97
_CHUNK = 512
"""Frames whose windows are in memory at once."""


def log_mel(sound: Sound, rate: float = 1 / STEP, bands: int = MEL_BANDS) -> Tensor:
    """Log-mel spectrum (M, bands), natural logarithms; step m is centred at m / rate seconds.

    Args:
        sound: at any rate.
        rate: steps per second.
        bands: on the mel scale, from 0 to 8 kHz.

    Returns:
        As many steps as a track at ``rate`` has frames, at least one.
    """
    check_range("rate", rate, 0, open_low=True)
    check_range("bands", bands, 1)
    count, waveform = sound.frame_count(rate), resample(sound, SPEECH_RATE).waveform
    centres = (torch.arange(count, dtype=torch.float64) * (SPEECH_RATE / rate)).round().long()
    chunks = centres.split(_CHUNK * STEPS)
    return torch.cat([log_energies(windows_about(waveform, chunk), bands) for chunk in chunks])


def mfcc_windows(sound: Sound, fps: float) -> Tensor:
    """MFCC windows (T, 12, 28) of a whole sound, see :func:`stream_mfcc_windows`."""
    return torch.cat(list(stream_mfcc_windows(sound, fps)))


def stream_mfcc_windows(sound: Sound, fps: float, chunk: int = _CHUNK) -> Iterator[Tensor]:
    """MFCC windows (T, 12, 28), each centred on its frame (Chen et al. 2022, sections 3.1 and 4.1).

    Frame t is seen at t / fps seconds; its 28 steps of 10 ms lie evenly about that moment. Before and after
    the sound there is silence, which is zero in every coefficient. Loudness plays no part, down to
    :data:`meshanim.audio.spectra.FLOOR`.

    Args:
        sound: at any rate.
        fps: frames per second, any positive number.
        chunk: frames at once; how many is not seen in the numbers.

    Yields:
        (n, 12, 28) of successive frames.
    """
    check_range("chunk", chunk, 1)
    waveform, count = resample(sound, SPEECH_RATE).waveform, sound.frame_count(fps)
    for start in range(0, count, chunk):
        steps = _steps_about(torch.arange(start, min(start + chunk, count)), fps, STEPS)
        emphasised = windows_about(waveform, steps) - _PRE_EMPHASIS * windows_about(waveform, steps - 1)
        yield cepstrum(log_energies(emphasised, _BANDS)).mT


def log_mel_windows(sound: Sound, fps: float, bands: int, steps: int) -> Tensor:
    """Log-mel windows (T, bands, steps), each centred on its frame.

    Frame t is seen at t / fps seconds; its steps of 10 ms lie evenly about that moment. There is silence
    before and after the sound.

    Args:
        sound: at any rate.
        fps: frames per second, any positive number.
        bands: on the mel scale, from 0 to 8 kHz.
        steps: of a window.
    """
    check_range("bands", bands, 1)
    check_range("steps", steps, 1)
    waveform = resample(sound, SPEECH_RATE).waveform
    chunks = _steps_about(torch.arange(sound.frame_count(fps)), fps, steps).split(_CHUNK)
    return torch.cat([log_energies(windows_about(waveform, chunk), bands).mT for chunk in chunks])


def _steps_about(frames: Tensor, fps: float, steps: int) -> Tensor:
    """Sample numbers (T, steps), in steps of 10 ms evenly about each of frames (T,)."""
    moments = frames.double()[:, None] / fps
    offsets = (torch.arange(steps, dtype=torch.float64) - (steps - 1) / 2) * STEP
    return ((moments + offsets) * SPEECH_RATE).round().long()


def cepstrum(energies: Tensor) -> Tensor:
    """Coefficients 1 to 12 (..., 12) of the orthonormal DCT-II of log energies (..., bands)."""
    bands = energies.shape[-1]
    order = torch.arange(1, COEFFICIENTS + 1, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi / bands * order * (torch.arange(bands) + 0.5)) * math.sqrt(2 / bands)
    return energies @ basis.to(energies).mT
