"""Who a performance looks like: pictures of a person, and where in them the person's head is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape
from meshanim.rendering import Camera, Surroundings
from meshanim.talking_heads.eye_colours import eye_colours
from meshanim.vision import (
    IMAGE_SUFFIXES,
    FaceCrop,
    cut_crop,
    find_only_face,
    follow_landmarks,
    move_points,
    read_image,
    read_landmarks,
    read_video,
    square_around,
)

CROP_SIDE = 256
"""Pixels of the square crops."""
REFERENCES = 8
"""Frames that a video gives at most."""
_ROOM = 1.7
"""Side of the square around a face, in units of the larger side of its landmarks' bounding box."""
_LEAST_SIDE = 32
"""Pixels of the shorter side from which a picture can show a face."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """Reference frames of one person, N of them; immutable.

    Pictures and landmarks are always there. The head in space is known from :func:`meshanim.capture.capture`
    on; :meth:`from_image` and :meth:`from_video`, which fit no face model, leave it out.

    Args:
        frames: (N, S, S, 3) uint8, square crops around the face.
        crop: (N, 2, 3) affine maps from the whole picture's pixels, as (column, row, 1), to the crop's.
        landmarks: (N, 68, 2) in the whole picture's pixels.
        head_motion: (N, 6) axis-angle in radians, then translation in metres, canonical to posed head.
        weights: (N, K) weights of the face model's units.
        camera: of the whole picture.
        face_model: name of the face model.
        identity: (I,) identity coefficients of that model.
        texture: (S, S, 3) linear reflectance over the mesh's texture coordinates, relative to the mean,
            row 0 on top, where it is known.
        light: (9, 3) coefficients of :class:`meshanim.rendering.Surroundings` in world axes, where known.

    Raises:
        InputError: no frames, or a wrong shape.
    """

    frames: Tensor
    crop: Tensor
    landmarks: Tensor
    head_motion: Tensor | None = None
    weights: Tensor | None = None
    camera: Camera | None = None
    face_model: str | None = None
    identity: Tensor | None = None
    texture: Tensor | None = None
    light: Tensor | None = None

    def __post_init__(self) -> None:
        count = len(self.frames)
        if count == 0:
            raise InputError("an appearance must have at least one frame, got none")
        if self.frames.dtype != torch.uint8:
            raise InputError(f"frames must be uint8, got {self.frames.dtype}")
        check_shape("frames", self.frames, (count, None, None, 3))
        shapes: dict[str, tuple[int | None, ...]] = {
            "crop": (count, 2, 3),
            "landmarks": (count, 68, 2),
            "head_motion": (count, 6),
            "weights": (count, None),
            "identity": (None,),
            "texture": (None, None, 3),
            "light": (9, 3),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None:
                check_shape(name, value, shape)
                check_finite(name, value)

    @classmethod
    def cut(cls, pictures: Iterable[NDArray[np.uint8]], landmarks: Tensor, **known: Any) -> Self:
        """The appearance that whole pictures show.

        Args:
            pictures: N pictures (H, W, 3).
            landmarks: (N, 68, 2) in their pixels.
            known: the other fields, where they are known.
        """
        points = landmarks.double().numpy()
        places = [square_around(each, _ROOM, CROP_SIDE) for each in points]
        cuts = [
            cut_crop(picture, place, (CROP_SIDE, CROP_SIDE))
            for picture, place in zip(pictures, places, strict=True)
        ]
        return cls(
            torch.from_numpy(np.stack(cuts)),
            torch.from_numpy(np.stack(places)).float(),
            landmarks.float(),
            **known,
        )

    @classmethod
    def from_image(cls, path: str | Path) -> Self:
        """The one person in a picture; without the head in space, which capture fits.

        Raises:
            InputError: not a picture, one of less than 32 pixels, no face in it, or several.
            OSError: the file is missing or cannot be read.
        """
        image = read_image(path)
        return cls.cut([image], torch.from_numpy(_only_face(Path(path), image))[None])

    @classmethod
    def from_video(cls, path: str | Path, count: int = REFERENCES) -> Self:
        """The one person in a video: frames evenly spread, the first one first, of those with a face.

        Args:
            path: of the video; a picture is one of one frame.
            count: frames at most.

        Raises:
            InputError: not a video, no face in it, or several in the first frame that has one.
            OSError: the file is missing or cannot be read.
        """
        check_range("count", count, 1)
        if Path(path).suffix.lower() in IMAGE_SUFFIXES:
            return cls.from_image(path)
        video = read_video(path)
        total = max(count, video.expected_frames)
        chosen = [place * total // count for place in range(count)]
        seen = enumerate(itertools.islice(video.frames(), chosen[-1] + 1))
        frames = [frame for number, frame in seen if number in chosen]
        found = [
            (frame, landmarks)
            for frame, landmarks in zip(frames, follow_landmarks(frames), strict=True)
            if landmarks is not None
        ]
        if not found:
            raise InputError(f"{path} must show a face that looks towards the camera, got none")
        _only_face(video.path, found[0][0])
        return cls.cut([frame for frame, _ in found], torch.from_numpy(np.stack([each for _, each in found])))

    def reference(self, crop: FaceCrop, index: int = 0) -> NDArray[np.uint8]:
        """Frame ``index`` as ``crop`` shows it, (H, W, 3) uint8."""
        check_range("index", index, 0, len(self.frames) - 1)
        points = move_points(self.landmarks[index].double().numpy(), self.crop[index].double().numpy())
        return cut_crop(self.frames[index].numpy(), crop.places(points[None])[0], crop.size)

    @property
    def skin(self) -> Tensor | None:
        """(S, S, 3) linear colour over the texture coordinates, as the light shows it that faces the camera.

        Only the product of texture and light is seen in a picture; this is what readers that bring a light
        of their own want as base colour. None where no texture is known.
        """
        if self.texture is None or self.light is None or self.camera is None:
            return self.texture
        towards = -self.camera.rotation[..., 2, :].to(self.light)
        return self.texture * Surroundings(self.light).diffuse(towards)

    @cached_property
    def eyes(self) -> Tensor | None:
        """(2, 3) linear colours of the eyes' white and irises, which go with :attr:`skin`.

        None where no frame shows an open eye well enough.
        """
        placed = self.landmarks @ self.crop[:, :, :2].mT + self.crop[:, None, :, 2]
        return eye_colours(self.frames, placed)

    def __repr__(self) -> str:
        known = [name for name in ("texture", "light") if getattr(self, name) is not None]
        extra = f", {', '.join(known)}" if known else ""
        return f"Appearance({len(self.frames)} frames of {self.face_model or 'a person'}{extra})"


def _only_face(path: Path, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(68, 2) landmarks of the one face in a picture."""
    if min(image.shape[:2]) < _LEAST_SIDE:
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise InputError(f"{path} must have at least {_LEAST_SIDE} pixels along each side, got {size}")
    return read_landmarks(image, find_only_face(image, str(path)))
