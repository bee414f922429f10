"""How sharp pictures are, without a true one beside them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import sobel
from torch import Tensor

from meshanim._check import InputError, check_shape

BLOCK = 64
"""Pixels of a block's side; blocks at the right and lower edges are smaller."""
_EDGE_SHARE = 0.002
"""Share of a block's pixels that must be edges for it to count."""
_LOW_CONTRAST = 50
_NOTICEABLE_LOW, _NOTICEABLE = 5, 3
"""Width in pixels from which an edge looks blurred, in blocks of low contrast and in others."""
_STEEPNESS, _DETECTED = 3.6, 0.63
"""Of the psychometric curve, and its value at the width that is just noticed."""
_LUMA = np.array([0.299, 0.587, 0.114])


def cpbd(frames: Tensor) -> float:
    """Cumulative probability of blur detection (Narvekar and Karam 2011), the sharper the higher, to 1.

    The share of edges whose blur is seen with a probability of at most 63 %. On grey pictures (0.299 R +
    0.587 G + 0.114 B, 0 to 255), upright edges as Sobel's operator with the threshold of MATLAB's ``edge``
    finds them, their widths as in Marziliano et al. (2004). Other than in the authors' code, blocks count by
    the same edges and not by Canny's, and blocks that the frame cuts off count too: crops of faces are hardly
    larger than a block. In mean over frames; a frame without edges has 0.

    Args:
        frames: (T, H, W, 3) uint8, or (T, H, W) grey.

    Raises:
        InputError: no frame, another shape or type.
    """
    if frames.ndim == 3:
        check_shape("frames", frames, (None, None, None))
    else:
        check_shape("frames", frames, (None, None, None, 3))
    if frames.numel() == 0 or frames.dtype != torch.uint8:
        raise InputError(f"frames must be uint8 frames, got {tuple(frames.shape)} {frames.dtype}")
    images = frames.numpy().astype(np.float64)
    return float(np.mean([_of_grey(image @ _LUMA if image.ndim == 3 else image) for image in images]))


def _of_grey(image: NDArray[np.float64]) -> float:
    """Share of the sharp edges of (H, W) in [0, 255]."""
    if image.shape[1] == 1:  # nothing changes along a row
        return 0.0
    edges, widths = upright_edges(image), edge_widths(image)
    blurs = []
    for top in range(0, image.shape[0], BLOCK):
        for left in range(0, image.shape[1], BLOCK):
            block = np.s_[top : top + BLOCK, left : left + BLOCK]
            if edges[block].mean() > _EDGE_SHARE:
                low = np.ptp(image[block]) <= _LOW_CONTRAST
                noticed = _NOTICEABLE_LOW if low else _NOTICEABLE
                blurs.append(1 - np.exp(-((widths[block][edges[block]] / noticed) ** _STEEPNESS)))
    return float((np.concatenate(blurs) <= _DETECTED).mean()) if blurs else 0.0


def upright_edges(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(H, W) where the grey value changes most along its row, and more than twice the root mean square."""
    power = np.square(sobel(image, axis=1, mode="nearest"))
    beside = np.pad(power, ((0, 0), (1, 1)))
    highest = (power >= beside[:, :-2]) & (power > beside[:, 2:])
    return highest & (power > 4 * power.mean())


def edge_widths(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W) pixels from the last valley or peak of a row to the next one, about each pixel.

    Along a row that rises and falls; where a pixel is itself a valley or peak, the longer way to either side.
    """
    rises = np.sign(np.diff(image, axis=1))
    count = rises.shape[1]
    starts = np.ones(rises.shape, bool)
    starts[:, 1:] = rises[:, 1:] != rises[:, :-1]
    begins = np.maximum.accumulate(np.where(starts, np.arange(count), 0), axis=1)
    ends = np.roll(starts, -1, axis=1)  # a row always starts, so that its last pixel ends
    stops = np.minimum.accumulate(np.where(ends, np.arange(count), count)[:, ::-1], axis=1)[:, ::-1]
    lengths = np.where(rises != 0, stops - begins + 1.0, 0.0)
    beside = np.pad(lengths, ((0, 0), (1, 1)))
    return np.maximum(beside[:, :-1], beside[:, 1:])
