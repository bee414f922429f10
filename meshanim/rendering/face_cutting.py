"""Squares of pictures about a face, framed as a position map's network has learned to see them."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from meshanim._check import InputError
from meshanim.rendering.camera import Camera
from meshanim.vision import Box, find_faces

_ABOVE, _LARGER = 0.16, 2.07
"""From the detector's box, brows to chin, to a square about the head: how far up its middle lies, in sides of
the box, and how much larger it is. Means over rendered faces."""
_ROOM = 0.82
"""Share of the square's side that a head with its neck takes."""


def detected_square(image: NDArray[np.uint8]) -> Box:
    """About the largest face in a picture (H, W, 3).

    Raises:
        InputError: none is found.
    """
    boxes = find_faces(image)
    if not boxes:
        raise InputError("image must show a face, got one in which none is found")
    box = boxes[0]
    return Box(box.column, box.row - _ABOVE * box.side, _LARGER * box.side)


def square_about(places: Tensor) -> Box:
    """About a head with its neck at places (V, 2), columns and rows."""
    low, high = places.amin(0), places.amax(0)
    column, row = ((low + high) / 2).tolist()
    return Box(column, row, float((high - low).amax()) / _ROOM)


def cut_out(image: NDArray[np.uint8], square: Box, size: int) -> Tensor:
    """(size, size, 3) in [0, 1] of a picture (H, W, 3); beyond its borders, its last pixels go on."""
    left, top = square.column - square.side / 2, square.row - square.side / 2
    height, width = image.shape[:2]
    right, bottom = left + square.side, top + square.side
    around = [max(0, math.ceil(beyond)) for beyond in (-top, bottom - height, -left, right - width)]
    wide = np.pad(image, (tuple(around[:2]), tuple(around[2:]), (0, 0)), mode="edge")
    box = (left + around[2], top + around[0], right + around[2], bottom + around[0])
    cut = Image.fromarray(wide).resize((size, size), Image.Resampling.BILINEAR, box)
    return torch.from_numpy(np.array(cut)).float() / 255


def uncut(camera: Camera, square: Box, size: tuple[int, int]) -> Camera:
    """The camera of a whole picture of a size, from the camera (a batch of one) of a square cut out of it."""
    matrix = camera.matrix[0].clone()
    matrix[..., :2, :] *= square.side / camera.size[0]
    matrix[..., 0, 2] += square.column - square.side / 2
    matrix[..., 1, 2] += square.row - square.side / 2
    return Camera(matrix, camera.rotation[0], camera.translation[0], size, camera.perspective)
