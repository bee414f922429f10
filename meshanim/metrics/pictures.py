"""How near pictures come to the true ones, pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape
from meshanim.metrics._torchmetrics import torchmetrics
from meshanim.metrics.mouth_landmarks import MOUTH, interocular_px

WHITE = 255
"""The data range of PSNR and SSIM."""
SSIM_WINDOW, SSIM_DEVIATION = 11, 1.5
"""Pixels of SSIM's window, and deviation of the Gaussian in it (Wang et al. 2004)."""
ROOM = 0.2
"""Of a mouth's rectangle on each side, in units of the distance between the outer corners of the eyes."""

_CHUNK = 2**22
"""Values of the frames that are compared at a time."""


class Region(NamedTuple):
    """A rectangle of whole pixels; ``bottom`` and ``right`` are the first ones beyond it."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, frames: Tensor) -> Tensor:
        """The part of frames (..., H, W, 3)."""
        return frames[..., self.top : self.bottom, self.left : self.right, :]


def mouth_region(landmarks: Tensor, size: tuple[int, int]) -> Region:
    """One rectangle for a whole clip that holds the mouth in every frame, :data:`ROOM` around it.

    Args:
        landmarks: (T, 68, 2) of the true clip, in pixels.
        size: (height, width) of the frames.

    Raises:
        InputError: no frame, a value that is not finite, or a mouth outside the frames.
    """
    check_shape("landmarks", landmarks, (None, 68, 2))
    check_finite("landmarks", landmarks)
    if len(landmarks) == 0:
        raise InputError("landmarks must have at least one frame, got none")
    mouth, wide = landmarks[:, MOUTH].flatten(0, 1), ROOM * float(interocular_px(landmarks).mean())
    left, top = (math.floor(float(low) - wide) for low in mouth.amin(dim=0))
    right, bottom = (math.ceil(float(high) + wide) for high in mouth.amax(dim=0))
    region = Region(max(0, top), min(size[0], bottom), max(0, left), min(size[1], right))
    if region.top >= region.bottom or region.left >= region.right:
        raise InputError(f"landmarks must have the mouth in frames of {size[0]} x {size[1]}, got it outside")
    return region


def psnr_db(predicted: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB: of each frame over its RGB values, in mean over frames.

    The peak is 255, values are those of the file (sRGB, not linear light); infinite where a frame is the true
    one.

    Args:
        predicted: (T, H, W, 3) uint8, whole frames or one :class:`Region` of them.
        truth: (T, H, W, 3) uint8.

    Raises:
        InputError: different shapes, other types, no frame.
        MissingExtra: torchmetrics is not installed.
    """
    _check_pair(predicted, truth)
    measure = torchmetrics("functional.image").peak_signal_noise_ratio
    values = [
        measure(one, other, data_range=float(WHITE), dim=(1, 2, 3), reduction="none")
        for one, other in _chunks(predicted, truth)
    ]
    return float(torch.cat([value.reshape(-1) for value in values]).double().mean())


def ssim(predicted: Tensor, truth: Tensor) -> float:
    """Structural similarity (Wang et al. 2004), at most 1: of each RGB channel on its own, in mean over all.

    Gaussian window of 11 pixels with deviation 1.5, K1 = 0.01, K2 = 0.03, data range 255, nothing scaled
    down; windows that reach beyond the frame see it mirrored there and count too, as in torchmetrics, where
    others leave them out. To about 1e-4, as computed in float32.

    Args:
        predicted: (T, H, W, 3) uint8, whole frames or one :class:`Region` of them.
        truth: (T, H, W, 3) uint8.

    Raises:
        InputError: different shapes, other types, no frame, or one smaller than the window.
        MissingExtra: torchmetrics is not installed.
    """
    _check_pair(predicted, truth)
    if min(truth.shape[1:3]) < SSIM_WINDOW:
        size = " x ".join(str(side) for side in truth.shape[1:3])
        raise InputError(f"frames must be at least {SSIM_WINDOW} pixels high and wide, got {size}")
    measure = torchmetrics("functional.image").structural_similarity_index_measure
    values = [
        measure(one, other, sigma=SSIM_DEVIATION, data_range=float(WHITE), reduction="none")
        for one, other in _chunks(predicted, truth)
    ]
    return float(torch.cat([value.reshape(-1) for value in values]).double().mean())


def _check_pair(predicted: Tensor, truth: Tensor) -> None:
    check_shape("truth", truth, (None, None, None, 3))
    check_shape("predicted", predicted, tuple(truth.shape))
    for name, frames in (("predicted", predicted), ("truth", truth)):
        if frames.dtype != torch.uint8 or frames.numel() == 0:
            raise InputError(f"{name} must be uint8 frames, got {tuple(frames.shape)} {frames.dtype}")


def _chunks(predicted: Tensor, truth: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of (n, 3, H, W) in float32, some frames at a time: float64 takes forty times as long."""
    count = max(1, _CHUNK // truth[0].numel())
    for pair in zip(predicted.split(count), truth.split(count), strict=True):
        yield pair[0].movedim(-1, 1).float(), pair[1].movedim(-1, 1).float()
