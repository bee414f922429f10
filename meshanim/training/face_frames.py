"""Single frames of talking clips, cut a little otherwise each time they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError
from meshanim.audio import Sound
from meshanim.talking_heads.pictures import to_network

SHIFT = 4
"""Most pixels by which a picture is moved along each axis."""
LEVEL = 0.1
"""Standard deviation of the logarithm of the brightness."""


class FilmedClip(Protocol):
    """What training needs of a clip, such as :class:`meshanim.datasets.TalkingClip`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fps(self) -> float: ...  # noqa: D102
    @property
    def frames(self) -> Tensor: ...  # noqa: D102
    @property
    def sound(self) -> Sound: ...  # noqa: D102
    @property
    def weights(self) -> Tensor | None: ...  # noqa: D102
    @property
    def head_motion(self) -> Tensor | None: ...  # noqa: D102


def captured_weights(clip: FilmedClip) -> Tensor:
    """(T, 52) of a clip whose face was captured.

    Raises:
        InputError: it was not.
    """
    if clip.weights is None:
        raise InputError(f"clips must have captured weights to learn from, got {clip.name} without")
    return clip.weights


class FrameDraws:
    """Frames of clips, some at random from each.

    Args:
        clips: to draw from, at least one.
        count: frames of a clip in each draw.
    """

    def __init__(self, clips: Sequence[FilmedClip], count: int) -> None:
        if not clips:
            raise InputError("clips must hold at least one, got none")
        self.frames, self.count = [clip.frames for clip in clips], count

    def draw(self, items: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Varied pictures (N, 3, H, W) in [-1, 1], clip after clip, and which frames of each clip they are.

        What is random comes from PyTorch's own state.
        """
        rows = [torch.randint(len(self.frames[item]), (self.count,)) for item in items]
        drawn = torch.cat([self.frames[item][row] for item, row in zip(items, rows, strict=True)])
        return varied(to_network(drawn)), rows


def varied(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [-1, 1] moved by some pixels and made brighter or darker, each otherwise."""
    count, _, height, width = pictures.shape
    padded = functional.pad(pictures, [SHIFT] * 4, mode="replicate")
    corners = torch.randint(2 * SHIFT + 1, (count, 2)).tolist()
    moved = [each[:, y : y + height, x : x + width] for each, (y, x) in zip(padded, corners, strict=True)]
    level = torch.exp(LEVEL * torch.randn(count, 1, 1, 1))
    return ((torch.stack(moved) + 1) * level - 1).clamp(-1, 1)
