"""Faces cut out of pictures at a fixed place and size, as networks want them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from meshanim._check import InputError, check_range, check_shape, check_size
from meshanim.vision.images import check_image
from meshanim.vision.landmarks import LANDMARK_COUNT, FloatArray

STABLE = (36, 39, 42, 45, 33)
"""Corners of both eyes and the point below the nose: skin that speech hardly moves."""
_PLACES = np.array([[-0.5, 0.0], [-0.2, 0.02], [0.2, 0.02], [0.5, 0.0], [0.0, 0.57]])
"""Where these are from the middle of the eyes, (column, row) in units of the outer corners' distance."""
_SETTLING = 2.0
"""Deviation in frames over which a clip's places are smoothed: landmarks jitter more than heads do."""
_ONE_POINT = 1e-12
"""Squared pixels within which points are one, but for rounding."""


@dataclass(frozen=True)
class FaceCrop:
    """A rule that takes the face in every picture to the same place.

    Attributes:
        size: (height, width) in pixels of what is cut.
        eyes: pixels between the outer corners of the eyes.
        row: of the eyes, in pixels.
        upright: keep the picture's own upright; otherwise the head is turned upright too.
    """

    size: tuple[int, int]
    eyes: float
    row: float
    upright: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)
        check_range("eyes", self.eyes, 1)

    @property
    def stable_places(self) -> FloatArray:
        """(5, 2) where the landmarks :data:`STABLE` are taken to, in the crop's pixels."""
        return _PLACES * self.eyes + [self.size[1] / 2, self.row]

    def places(self, landmarks: NDArray) -> FloatArray:
        """Where the crop lies in the frames of a clip.

        Args:
            landmarks: (T, 68, 2) column and row in the pictures' pixels.

        Returns:
            (T, 2, 3) maps from the pictures' pixels, as (column, row, 1), to the crop's.

        Raises:
            InputError: landmarks of another shape, or those that the crop goes by are one point.
        """
        check_shape("landmarks", landmarks, (None, LANDMARK_COUNT, 2))
        seen = gaussian_filter1d(landmarks[:, STABLE].astype(np.float64), _SETTLING, axis=0, mode="nearest")
        wanted = self.stable_places
        middle, target = seen.mean(axis=1), wanted.mean(axis=0)
        # A similarity of the plane is a complex number; the least squares have it in closed form.
        here = np.moveaxis(seen - middle[:, None], -1, 0)
        there = np.moveaxis(wanted - target, -1, 0)
        start, goal = here[0] + 1j * here[1], there[0] + 1j * there[1]
        spread = np.square(np.abs(start)).sum(axis=1)
        if (spread < _ONE_POINT).any():
            frame = int(spread.argmin())
            raise InputError(f"landmarks must lie apart, got eyes and nose at one point in frame {frame}")
        turn = (start.conj() * goal).sum(axis=1) / spread
        if self.upright:
            turn = np.abs(turn).astype(complex)
        linear = np.stack([np.stack([turn.real, -turn.imag], -1), np.stack([turn.imag, turn.real], -1)], 1)
        shift = target - (linear @ middle[..., None])[..., 0]
        return np.concatenate([linear, shift[..., None]], axis=2)


POLYNOMIAL_CROP = FaceCrop((128, 96), eyes=54.0, row=42.0)
"""Faces aligned by eyes and nose, 128 x 96 (Vougioukas et al. 2019; Kefalas et al. 2020, section 3.1)."""
TCSAN_CROP = FaceCrop((112, 112), eyes=46.0, row=38.0, upright=True)
"""The square around the face, 112 x 112 (Chen et al. 2022, section 4.1), steadied by eyes and nose."""


def cut_crop(image: NDArray[np.uint8], place: NDArray, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of (H, W, 3) that ``place`` (2, 3) maps to ``size``, black where it leaves the picture."""
    check_image("image", image)
    check_shape("place", place, (2, 3))
    # a tenth is to be shrunk by ten, whatever rounding makes of it
    shrink = max(1, math.floor(1 / math.sqrt(abs(np.linalg.det(place[:, :2]))) + 1e-6))
    picture = Image.fromarray(image)
    if shrink > 1:
        picture = picture.reduce(shrink)
    back = np.linalg.inv(np.vstack([place, [0, 0, 1]])) / shrink
    cut = picture.transform(
        size[::-1], Image.Transform.AFFINE, back[:2].ravel().tolist(), Image.Resampling.BICUBIC
    )
    return np.array(cut)


def move_points(points: NDArray, place: NDArray) -> FloatArray:
    """Points (..., N, 2) in a picture's pixels, in those of the crop that ``place`` (..., 2, 3) maps to."""
    return points @ np.swapaxes(place[..., :2], -1, -2) + place[..., None, :, 2]


def cut_clip(
    frames: Iterable[NDArray[np.uint8]], landmarks: NDArray, crop: FaceCrop
) -> tuple[NDArray[np.uint8], FloatArray]:
    """A clip as ``crop`` shows it: frames (T, h, w, 3), and landmarks (T, 68, 2) in their pixels.

    Args:
        frames: (H, W, 3) of which the first T are cut, taken one at a time.
        landmarks: (T, 68, 2) in the pictures' pixels.
        crop: where the face is to be.
    """
    places = crop.places(landmarks)
    # a file that broke off while its face was followed may have grown since
    cut = [cut_crop(image, place, crop.size) for place, image in zip(places, frames, strict=False)]
    return np.stack(cut), move_points(landmarks, places)


def square_around(landmarks: NDArray, room: float, side: int) -> FloatArray:
    """(2, 3) map that takes a square around landmarks (68, 2) to ``side`` pixels.

    Args:
        landmarks: in the picture's pixels.
        room: side of the square in units of the larger side of the landmarks' bounding box.
        side: in pixels.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    scale = side / (room * float((high - low).max()))
    corner = (low + high) / 2 - side / scale / 2
    return np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]]])
