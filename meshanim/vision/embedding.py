"""Who a face is, as 128 numbers.

dlib's residual network (King 2017): faces of one person lie within a distance of 0.6 of each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meshanim._check import check_shape
from meshanim.vision._dlib import dlib, embedding_network
from meshanim.vision.images import check_image
from meshanim.vision.landmarks import LANDMARK_COUNT

_CHIP_SIDE, _CHIP_PADDING = 150, 0.25
"""What the network was trained on: pixels of the aligned square, and the room around the face."""


def embed_face(image: NDArray[np.uint8], landmarks: NDArray) -> NDArray[np.float64]:
    """(128,) embedding of the face with ``landmarks`` (68, 2), in pixels, in an (H, W, 3) image."""
    check_image("image", image)
    check_shape("landmarks", landmarks, (LANDMARK_COUNT, 2))
    library = dlib()
    points = [library.point(*np.floor(place).astype(int).tolist()) for place in landmarks]
    low, high = np.floor(landmarks.min(axis=0)), np.ceil(landmarks.max(axis=0))
    area = library.rectangle(*low.astype(int).tolist(), *high.astype(int).tolist())
    shape = library.full_object_detection(area, library.points(points))
    chip = library.get_face_chip(np.ascontiguousarray(image), shape, _CHIP_SIDE, _CHIP_PADDING)
    return np.array(embedding_network().compute_face_descriptor(chip))
