"""What the talking head by polynomial fusion knows of a picture, a sound, chance and a mesh."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import check_shape
from meshanim.audio import SPEECH_RATE
from meshanim.talking_heads.polynomial_config import FRAME_RATE, WINDOW

LEVELS = (1, 2, 4, 4, 8)
"""Channels of a picture's levels from half size on, in units of the width."""
NOISE = 16
"""Gaussian numbers that each frame's chance is made of."""
_MEMORY = 64
_LOWEST, _HIGHEST = 80.0, 7000.0
_CHANNELS = (64, 128, 128)
_FAINTEST = 1e-5
"""Energy below which a tone counts as not there."""
_DROPPED = 0.3
_KERNELS = ((320, 80, 120), (4, 2, 1), (4, 2, 1), (10, 10, 0))
"""Kernel, stride and padding of the convolutions that bring 3,200 samples to one place."""
_HOP = round(SPEECH_RATE / FRAME_RATE)
_POINTS = 68
_PER_EYES = 10.0
"""Displacements are tenths of the distance between the eyes; as ones they are as large as other views."""


class IdentityEncoder(nn.Module):
    """Six strided convolutions from a picture to who it shows (Kefalas et al. 2020, section 2.1).

    Batch normalisation and ReLU follow each but the sixth, which covers what is left, 4 x 3, at one place:
    normalised over the few pictures of a batch, it would tell nothing but how they differ. It ends in tanh.

    Args:
        width: channels at half size.
        size: d.

    Shapes:
        pictures (B, 3, 128, 96), identity (B, d).
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        channels = [3, *(factor * width for factor in LEVELS)]
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(low, high, 4, 2, 1, bias=False), nn.BatchNorm2d(high), nn.ReLU())
            for low, high in pairwise(channels)
        )
        self.last = nn.Sequential(nn.Conv2d(channels[-1], size, (4, 3), 4), nn.Flatten(), nn.Tanh())

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Identity (B, d), and the features of each level, half size first, for the generator."""
        features = []
        for level in self.levels:
            pictures = level(pictures)
            features.append(pictures)
        return self.last(pictures), features


class AudioEncoder(nn.Module):
    """0.2 s of sound a frame through 1D convolutions, then a GRU over frames (section 2.1).

    Four convolutions with batch normalisation bring 3,200 samples to one vector; ReLU follows each but the
    first, see :class:`ToneEnergies`. In training some of what is heard is dropped, on the way and at its end.

    Args:
        size: a.

    Shapes:
        windows (B, T, 3200), heard (B, T, a), memory (1, B, a).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layers = sound_layers(size, _DROPPED)
        self.gru = nn.GRU(size, size, batch_first=True)

    def forward(self, windows: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What is heard in every frame, and the memory that the next frames begin with."""
        check_shape("windows", windows, (None, None, WINDOW))
        features = self.layers(windows.flatten(0, 1)[:, None])[..., 0]
        return self.gru(features.unflatten(0, windows.shape[:2]), memory)


class ToneEnergies(nn.Module):
    """Logarithms of how much of each tone there is in a sound, as an ear would tell.

    Filters 20 ms long, in pairs a quarter of a period apart, begin as tones under a Hann window, evenly
    spaced over the mel scale: four minutes of speech are too few to find them. The energy of a pair does not
    depend on where in its period a tone is met; its logarithm makes a louder voice a shift.

    Args:
        tones: C.

    Shapes:
        sound (N, 1, 3200), energies (N, C, 40).
    """

    def __init__(self, tones: int) -> None:
        super().__init__()
        kernel, stride, padding = _KERNELS[0]
        self.pairs = nn.Conv1d(1, 2 * tones, kernel, stride, padding, bias=False)
        self.pairs.weight.data[:, 0] = torch.cat([_tones(tones, kernel, phase) for phase in (0.0, 0.25)])

    def forward(self, sound: Tensor) -> Tensor:
        """Energies of the tones."""
        one, other = self.pairs(sound).chunk(2, dim=1)
        return torch.log(one.square() + other.square() + _FAINTEST)


def sound_layers(size: int, dropout: float = 0.0) -> nn.Sequential:
    """Convolutions from windows (N, 1, 3200) to (N, size, 1); each after the first may drop some numbers."""
    layers: list[nn.Module] = [ToneEnergies(_CHANNELS[0]), nn.BatchNorm1d(_CHANNELS[0])]
    for before, after, step in zip(_CHANNELS, (*_CHANNELS[1:], size), _KERNELS[1:], strict=True):
        layers += [nn.Conv1d(before, after, *step, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def sound_windows(waveform: Tensor, start: int, stop: int, length: int = WINDOW) -> Tensor:
    """(stop - start, length) the samples around the moments of frames, zeros beyond the sound's ends.

    Args:
        waveform: (N,) at 16 kHz.
        start: first frame, at 25 frames a second; may be below 0.
        stop: the frame after the last.
        length: of a window.
    """
    first, last = start * _HOP - length // 2, (stop - 1) * _HOP + length - length // 2
    cut = waveform[max(0, first) : max(0, last)]
    before = min(max(0, -first), last - first)
    padded = functional.pad(cut, (before, last - first - before - len(cut)))
    return padded.unfold(0, length, _HOP)


def _tones(count: int, length: int, phase: float) -> Tensor:
    """(count, length) tones under a Hann window, of unit norm, that begin at a share of their periods."""
    mel = torch.linspace(_mel(_LOWEST), _mel(_HIGHEST), count)
    hertz = 700 * (torch.exp(mel / 1127) - 1)
    time = torch.arange(length) / SPEECH_RATE
    tones = torch.hann_window(length) * torch.cos(2 * math.pi * (hertz[:, None] * time + phase))
    return tones / tones.norm(dim=1, keepdim=True)


def _mel(hertz: float) -> float:
    return 1127 * math.log1p(hertz / 700)


class NoiseEncoder(nn.Module):
    """Gaussian noise through a GRU to what a face does by itself, such as blinks (section 2.1).

    Its result stands for tracks in which lids are open or shut and hardly ever in between, which takes more
    memory than n numbers: the GRU has 64, read out by a linear layer.

    Args:
        size: n.

    Shapes:
        noise (B, T, 16), tracks (B, T, n), memory (1, B, 64).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(NOISE, _MEMORY, batch_first=True)
        self.read = nn.Linear(_MEMORY, size)

    def forward(self, noise: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tracks, and the memory that the next frames begin with."""
        states, memory = self.gru(noise, memory)
        return self.read(states), memory


class MotionEncoder(nn.Module):
    """How a mesh's 68 landmarks are displaced, to a third view of each frame; not in the paper.

    Args:
        size: g.

    Shapes:
        displacements (..., 68, 3) head-local in units of the distance between the eyes, motion (..., g).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(_POINTS * 3, 2 * size), nn.ReLU(), nn.Linear(2 * size, size), nn.Tanh()
        )

    def forward(self, displacements: Tensor) -> Tensor:
        """(..., g) of displacements (..., 68, 3)."""
        return self.layers(displacements.flatten(-2) * _PER_EYES)
