"""Voices heard as others': four minutes of speech by one person are soon known by heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_range
from meshanim.talking_heads.polynomial_config import WINDOW
from meshanim.talking_heads.polynomial_encoders import sound_windows

_TAPS = 9
"""Samples of the filter that colours a voice."""


@dataclass(frozen=True)
class Voices:
    """How a voice is changed each time it is heard; what is drawn by chance comes from PyTorch's own state.

    Attributes:
        pitch: largest share by which all frequencies are raised or lowered.
        colour: deviation of the first tap of a short random filter, falling to 0.3 of it at the last; the
            middle one is 1.
        louder: deviation of the logarithm of loudness.
        hum: largest deviation of noise that is added, full scale being 1.
    """

    pitch: float = 0.15
    colour: float = 0.3
    louder: float = 0.3
    hum: float = 0.003

    def __post_init__(self) -> None:
        check_range("pitch", self.pitch, 0, 0.5)
        for name in ("colour", "louder", "hum"):
            check_range(name, getattr(self, name), 0)

    def windows(self, waveforms: Sequence[Tensor], start: int, stop: int) -> Tensor:
        """(B, stop - start, 3200) windows of frames, as :func:`sound_windows`, each waveform in a voice.

        Args:
            waveforms: B of (N,) at 16 kHz.
            start: first frame.
            stop: the frame after the last.
        """
        return torch.stack([self._changed(waveform, start, stop) for waveform in waveforms])

    def _changed(self, waveform: Tensor, start: int, stop: int) -> Tensor:
        length = round(WINDOW * (1 + self.pitch * (2 * float(torch.rand(())) - 1)))
        windows = sound_windows(waveform, start, stop, length)[:, None]
        windows = functional.interpolate(windows, size=WINDOW, mode="linear")
        taps = self.colour * torch.linspace(1, 0.3, _TAPS) * torch.randn(_TAPS)
        taps[_TAPS // 2] = 1
        coloured = functional.conv1d(windows, taps.view(1, 1, -1), padding=_TAPS // 2)[:, 0]
        gain, level = torch.exp(self.louder * torch.randn(())), self.hum * torch.rand(())
        return gain * coloured + level * torch.randn_like(coloured)
