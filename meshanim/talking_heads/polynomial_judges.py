"""Judges of frames, sequences and synchrony, against whom a talking head learns to draw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from meshanim.talking_heads.polynomial_config import HEIGHT
from meshanim.talking_heads.polynomial_encoders import sound_layers

SNIPPET = 5
"""Frames of 0.2 s."""
_HALF = HEIGHT // 2
_SOUND = 64


def _strided(channels: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for low, high in pairwise(channels):
        layers += [nn.Conv2d(low, high, 4, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten())


class FrameJudge(nn.Module):
    """Whether a frame is real, beside the reference: scores (N,), real above 0 (Kefalas et al. 2020, eq 9).

    Args:
        width: channels at half size.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _strided((6, width, 2 * width, 4 * width, 4 * width)), nn.Linear(4 * width * 8 * 6, 1)
        )

    def forward(self, frames: Tensor, references: Tensor) -> Tensor:
        """Scores (N,) of frames (N, 3, 128, 96), with the first frames of their clips, of that shape."""
        return self.layers(torch.cat([frames, references], dim=1))[:, 0]


class SequenceJudge(nn.Module):
    """Whether frames follow each other, and their sound, as real ones do: scores (B, T) (eq 10).

    Convolutions look at each frame and listen to its 0.2 s, and a GRU follows both.

    Args:
        width: channels at half size.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            _strided((3, width, 2 * width, 4 * width, 4 * width, 4 * width)),
            nn.Linear(4 * width * 4 * 3, _SOUND),
        )
        self.listen = nn.Sequential(sound_layers(_SOUND), nn.Flatten())
        self.gru = nn.GRU(2 * _SOUND, _SOUND, batch_first=True)
        self.score = nn.Linear(_SOUND, 1)

    def forward(self, frames: Tensor, windows: Tensor) -> Tensor:
        """Scores (B, T) of frames (B, T, 3, 128, 96) and sound (B, T, 3200), each of what came up to it."""
        seen, heard = self.look(frames.flatten(0, 1)), self.listen(windows.flatten(0, 1)[:, None])
        both = torch.cat([seen, heard], dim=-1).unflatten(0, frames.shape[:2])
        return self.score(self.gru(both)[0])[..., 0]


class SynchronyJudge(nn.Module):
    """Whether the mouth in 0.2 s goes with their sound: scores (N,), in step above 0 (eq 11).

    Args:
        width: channels at half size.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            _strided((3 * SNIPPET, width, 2 * width, 4 * width, 4 * width)),
            nn.Linear(4 * width * 4 * 6, 2 * _SOUND),
        )
        self.listen = nn.Sequential(sound_layers(2 * _SOUND), nn.Flatten())
        self.compare = nn.Sequential(nn.Linear(4 * _SOUND, _SOUND), nn.LeakyReLU(0.2), nn.Linear(_SOUND, 1))

    def forward(self, snippets: Tensor, windows: Tensor) -> Tensor:
        """Scores (N,) of the lower halves of snippets (N, 5, 3, 128, 96), and of sound (N, 3200)."""
        mouth = snippets[..., _HALF:, :].flatten(1, 2)
        return self.compare(torch.cat([self.look(mouth), self.listen(windows[:, None])], dim=-1))[:, 0]
