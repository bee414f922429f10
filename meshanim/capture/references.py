"""Which frames say most about how a person looks, and the square around the face in them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

CROP_SIDE = 256
"""Pixels."""
_ROOM = 1.7
"""Side of the square around a face, in units of the larger side of its landmarks' bounding box."""
_TURN = 3.0
"""Weight of a radian of head turn against a unit of expression, in telling frames apart."""


def choose_references(weights: Tensor, head_motion: Tensor, count: int) -> Tensor:
    """Frames (N,), ascending: the most ordinary one, then each time the one least like those chosen.

    Args:
        weights: (T, K) expression.
        head_motion: (T, 6) pose.
        count: how many at most.
    """
    traits = torch.cat([weights, _TURN * head_motion[:, :3]], dim=1)
    distance = (traits - traits.median(dim=0).values).norm(dim=1)
    chosen = [int(distance.argmin())]
    nearest = (traits - traits[chosen[0]]).norm(dim=1)
    while len(chosen) < min(count, len(traits)) and float(nearest.max()) > 0:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (traits - traits[chosen[-1]]).norm(dim=1))
    return torch.tensor(sorted(chosen))


def crop_square(image: NDArray[np.uint8], landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """The face with ``landmarks`` (68, 2) in (H, W, 3), black where the square leaves the picture.

    Returns:
        (S, S, 3) uint8, and the (2, 3) map from the picture's pixels to the crop's.
    """
    low, high = landmarks.amin(dim=0), landmarks.amax(dim=0)
    middle, side = (low + high) / 2, _ROOM * float((high - low).amax())
    scale = CROP_SIDE / side
    corner = middle - side / 2
    left, top = (float(value) for value in corner)
    data = (1 / scale, 0.0, left, 0.0, 1 / scale, top)
    cut = Image.fromarray(image).transform(
        (CROP_SIDE, CROP_SIDE), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC
    )
    crop = torch.tensor([[scale, 0.0, -scale * left], [0.0, scale, -scale * top]])
    return torch.from_numpy(np.array(cut)), crop
