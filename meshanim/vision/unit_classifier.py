"""Which action units a face shows, from the lower half of its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_range, check_shape
from meshanim._pretrained import Pretrained
from meshanim.vision.cropping import TCSAN_CROP, cut_crop

_CONNECTED = 128
_AT_ONCE = 32
"""Pictures that are looked at together."""
_LEAST = 32
"""Pixels along each side of a picture whose lower half can be pooled twice."""


class UnitClassifier(Pretrained):
    """Action units about the mouth (Chen et al. 2022, section 3.1): four convolutions, max pooling after
    every two, three fully connected layers, sigmoid.

    The paper gives the order of the layers; the sizes are chosen here. The first convolution takes steps of
    two pixels.

    Args:
        units: A action units by their numbers.
        size: (height, width) in pixels of the pictures, to which the crop is scaled.
        width: channels of the first two convolutions; the others have twice as many.

    Shapes:
        pictures (..., 3, H, W) in [-1, 1], faces in :data:`meshanim.vision.TCSAN_CROP`; probabilities
        (..., A).
    """

    kind = "unit-classifier"

    def __init__(self, units: Sequence[int], size: tuple[int, int] = (112, 112), width: int = 16) -> None:
        super().__init__()
        check_range("width", width, 1)
        for name, pixels in zip(("height", "width of the pictures"), size, strict=True):
            check_range(name, pixels, _LEAST)
        if not units:
            raise InputError("units must hold at least one, got none")
        self.units, self.size, self.width = tuple(units), (size[0], size[1]), width
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        with torch.no_grad():
            seen = self.convolutions(lower_half(torch.zeros(1, 3, *size))).shape[1]
        self.connected = nn.Sequential(
            nn.Linear(seen, _CONNECTED),
            nn.ReLU(),
            nn.Linear(_CONNECTED, _CONNECTED // 2),
            nn.ReLU(),
            nn.Linear(_CONNECTED // 2, len(self.units)),
        )
        for layer in self.modules():
            # He et al. 2015, eq 10: PyTorch's own beginning leaves next to nothing after seven layers
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities that the units occur."""
        check_shape("pictures", pictures, (3, *self.size), batched=True)
        seen = self.convolutions(lower_half(pictures).reshape(-1, 3, self.size[0] // 2, self.size[1]))
        return self.connected(seen).sigmoid().view(*pictures.shape[:-3], len(self.units))

    @torch.no_grad()
    def see(self, frames: Tensor, landmarks: Tensor) -> Tensor:
        """Probabilities (T, A) in a film of one face, wherever that is in the frames.

        Args:
            frames: (T, H, W, 3) uint8.
            landmarks: (T, 68, 2) in pixels.
        """
        scale = np.divide(self.size, TCSAN_CROP.size)[::-1, None]
        places = scale * TCSAN_CROP.places(landmarks.double().numpy())
        cuts = [
            cut_crop(frame, place, self.size) for frame, place in zip(frames.numpy(), places, strict=True)
        ]
        pictures = torch.from_numpy(np.stack(cuts)).movedim(-1, -3).float() / 127.5 - 1
        return torch.cat([self(some) for some in pictures.split(_AT_ONCE)])

    def _settings(self) -> dict[str, Any]:
        return {"units": list(self.units), "size": list(self.size), "width": self.width}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings["units"], tuple(settings["size"]), settings["width"])


def lower_half(pictures: Tensor) -> Tensor:
    """The rows (..., H // 2, W) at the bottom of pictures (..., H, W)."""
    return pictures[..., -(pictures.shape[-2] // 2) :, :]


def upper_half(pictures: Tensor) -> Tensor:
    """The rows (..., H // 2, W) on top of pictures (..., H, W)."""
    return pictures[..., : pictures.shape[-2] // 2, :]
