"""A judge of whether lips and voice go together: one space for what is seen and what is heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range, check_shape
from meshanim._pretrained import Pretrained
from meshanim.vision.cropping import FaceCrop, cut_crop

WINDOW = 5
"""Frames that are seen at once."""
BANDS, STEPS = 40, 20
"""Of the log-mel windows that are heard: steps of 10 ms, as long as five frames at 25 a second."""

MOUTH_CROP = FaceCrop((48, 48), eyes=50.0, row=-25.0)
"""From the nose to the chin, placed by eyes and nose, which speech hardly moves."""

_LUMA = torch.tensor([0.299, 0.587, 0.114])
_LEVEL, _SPREAD = -9.0, 5.0
"""About the mean and twice the deviation of speech's log energies."""


def mouth_pictures(frames: NDArray[np.uint8] | Tensor, landmarks: NDArray | Tensor) -> Tensor:
    """Grey pictures (T, 48, 48) of the mouth through a clip, without what does not change in it.

    Of each pixel the clip's mean is taken off, and all are divided by their deviation: that leaves what
    moves, whoever it is and whatever the light.

    Args:
        frames: (T, H, W, 3) uint8, in any crop that shows the face from the eyes to the chin.
        landmarks: (T, 68, 2) in the frames' pixels.
    """
    images, points = np.asarray(frames), np.asarray(landmarks, dtype=np.float64)
    check_shape("landmarks", points, (len(images), 68, 2))
    pairs = zip(images, MOUTH_CROP.places(points), strict=True)
    cut = np.stack([cut_crop(image, place, MOUTH_CROP.size) for image, place in pairs])
    grey = torch.from_numpy(cut).float() @ _LUMA
    moving = grey - grey.mean(dim=0)
    return moving / moving.std().clamp(min=1.0)


def _down(given: int, made: int, stride: int | tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, stride, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU()
    )


class LipSyncNetwork(Pretrained):
    """Two streams into one space, in which lips lie near the sound that they make (after Chung and Zisserman
    2016: five frames of the mouth, 0.2 s of sound).

    Args:
        width: channels of the first level.
        features: D, of the space.
        fps: frames per second at which it looks and listens.

    Shapes:
        mouths (B, T, 48, 48) of :func:`mouth_pictures`; sound (B, T, 40, 20), log-mel windows; either gives
        (B, T - 4, D) of length 1, the first for the third frame.
    """

    kind = "lip-sync"

    def __init__(self, width: int = 24, features: int = 128, fps: float = 25.0) -> None:
        super().__init__()
        check_range("width", width, 1)
        check_range("features", features, 1)
        check_range("fps", fps, 0, open_low=True)
        self.width, self.features, self.fps = width, features, fps
        self.window = nn.Sequential(
            nn.Conv3d(1, width, (WINDOW, 5, 5), (1, 2, 2), padding=(0, 2, 2), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        )
        self.looking = nn.Sequential(
            _down(width, 2 * width, 2),
            _down(2 * width, 4 * width, 2),
            _down(4 * width, 4 * width, 1),
            _down(4 * width, 4 * width, 2),
            nn.Flatten(),
            nn.Linear(36 * width, features),
        )
        self.listening = nn.Sequential(
            _down(1, width, (2, 1)),
            _down(width, 2 * width, 2),
            _down(2 * width, 4 * width, 2),
            _down(4 * width, 4 * width, 1),
            _down(4 * width, 4 * width, 2),
            nn.Flatten(),
            nn.Linear(36 * width, features),
        )

    def see(self, mouths: Tensor) -> Tensor:
        """(B, T - 4, D) of pictures of the mouth."""
        check_shape("mouths", mouths, (None, None, *MOUTH_CROP.size))
        _check_frames("mouths", mouths)
        windows = self.window(mouths[:, None]).transpose(1, 2)
        seen = self.looking(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        return functional.normalize(seen, dim=-1)

    def hear(self, sound: Tensor) -> Tensor:
        """(B, T - 4, D) of log-mel windows, each centred on its frame."""
        check_shape("sound", sound, (None, None, BANDS, STEPS))
        _check_frames("sound", sound)
        middle = (sound[:, WINDOW // 2 : sound.shape[1] - WINDOW // 2] - _LEVEL) / _SPREAD
        heard = self.listening(middle.flatten(0, 1)[:, None]).unflatten(0, middle.shape[:2])
        return functional.normalize(heard, dim=-1)

    def forward(self, mouths: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen and what is heard of the same frames."""
        return self.see(mouths), self.hear(sound)

    def _settings(self) -> dict[str, Any]:
        return {"width": self.width, "features": self.features, "fps": self.fps}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings["width"], settings["features"], settings["fps"])


def _check_frames(name: str, track: Tensor) -> None:
    if track.shape[1] < WINDOW:
        raise InputError(f"{name} must have at least {WINDOW} frames, got {track.shape[1]}")
