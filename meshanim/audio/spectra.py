"""Short spectra of sound on the mel scale, about any moments: what hearing models begin with."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.audio.sound import SPEECH_RATE

WINDOW = 400
"""Samples of a short spectrum, 25 ms."""
TRANSFORM = 512
FLOOR = 1e-8
"""Least energy of a band: about that of 14-bit rounding noise. What is fainter counts as silence."""


def hertz_to_mel(hertz: Tensor) -> Tensor:
    """O'Shaughnessy's scale, 2595 log10(1 + f / 700)."""
    return 2595 * torch.log10(1 + hertz / 700)


def mel_to_hertz(mel: Tensor) -> Tensor:
    """The inverse of :func:`hertz_to_mel`."""
    return 700 * (10 ** (mel / 2595) - 1)


@cache
@torch.inference_mode(False)  # gradients may go through it later
def mel_filters(bands: int) -> Tensor:
    """(bands, TRANSFORM / 2 + 1) triangles of height 1 up to 8 kHz, evenly spaced in mel."""
    top = hertz_to_mel(torch.tensor(SPEECH_RATE / 2, dtype=torch.float64))
    corners = mel_to_hertz(torch.linspace(0, 1, bands + 2, dtype=torch.float64) * top)
    bins = torch.arange(TRANSFORM // 2 + 1, dtype=torch.float64) * (SPEECH_RATE / TRANSFORM)
    low, middle, high = (corners[start : start + bands, None] for start in range(3))
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return torch.minimum(rising, falling).clamp(min=0).float()


def log_energies(windows: Tensor, bands: int) -> Tensor:
    """Natural logarithms (..., bands) of the mel energies of windows (..., WINDOW) at 16 kHz.

    Hann-windowed power spectra, divided by ``TRANSFORM``. Of the windows' type, in mixed precision too.
    """
    # in 16 bits silence is 0, whose logarithm is none, and there is no transform
    wide = windows.to(torch.promote_types(windows.dtype, torch.float32))
    shape = torch.hann_window(WINDOW, periodic=False, dtype=wide.dtype, device=wide.device)
    with torch.autocast(windows.device.type, enabled=False):
        power = torch.fft.rfft(wide * shape, TRANSFORM).abs().square() / TRANSFORM
        return (power @ mel_filters(bands).to(power).mT).clamp(min=FLOOR).log().to(windows)


def windows_about(waveform: Tensor, centres: Tensor) -> Tensor:
    """(..., M, WINDOW) samples of a waveform (..., N) about each of M sample numbers; silence outside."""
    first = centres - WINDOW // 2
    start, stop = int(first.min()), int(first.max()) + WINDOW
    cut = waveform[..., max(0, start) : max(0, stop)]
    before = min(max(0, -start), stop - start)
    padded = functional.pad(cut, (before, stop - start - before - cut.shape[-1]))
    return padded.unfold(-1, WINDOW, 1)[..., first - start, :]
