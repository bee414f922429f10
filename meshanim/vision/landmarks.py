"""68 facial landmarks by dlib, found in pictures and followed through video.

Detector: Dalal and Triggs 2005, histograms of oriented gradients. Landmarks: Kazemi and Sullivan 2014, an
ensemble of regression trees, whose weights were trained on iBUG 300-W, a data set for research.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meshanim._check import InputError
from meshanim.vision._dlib import dlib, face_detector, shape_predictor
from meshanim.vision.images import check_image

FloatArray = NDArray[np.float64]

LANDMARK_COUNT = 68

_SEARCH_SIDE = 800
"""Pixels of the longer side in which the whole picture is searched: a face must be a tenth of it."""
_FACE_SIDE = 120
"""Pixels of a face's box where it is looked for again."""
_AROUND = 2.0
"""Side of the square in which a face is looked for again, in units of its box."""
_LEAST_SCORE = -0.4
"""Detector's score above which a face that was there counts as still there; 0 finds a new one."""
_SETTLING = 0.3
"""Share of the newest detection in the box that is followed: the detector's own boxes jump by a fifth."""
_SAME = 0.4
"""Overlap of two boxes, area in both over area in either, from which they are taken to be one face."""
_FINE_SIDE = 320
"""Pixels of a face's box where landmarks are read: dlib rounds them to whole pixels."""
_ROOM = 1.5
"""Side of the square in which landmarks are read, in units of the box: they may lie outside it."""
_BESIDE = 0.5
"""Side of another face, in units of the largest one, from which it is not clear who is meant."""
_LEAST_SEEN = 0.5
"""Share of a clip's frames in which its face must be found."""
_SHIFTS = ((0.0, 0.0), (0.03, 0.0), (-0.03, 0.0), (0.0, 0.03), (0.0, -0.03))
"""Shifts of the box over which landmarks are averaged, in units of its side, since they lean on the box."""


@dataclass(frozen=True)
class Box:
    """A square around a face: middle (column, row) and side in pixels."""

    column: float
    row: float
    side: float

    def overlap(self, other: Box) -> float:
        """Area in both over area in either."""
        reach = (self.side + other.side) / 2
        across = min(reach - abs(self.column - other.column), self.side, other.side)
        down = min(reach - abs(self.row - other.row), self.side, other.side)
        shared = max(across, 0.0) * max(down, 0.0)
        return shared / (self.side**2 + other.side**2 - shared)

    def towards(self, other: Box, share: float) -> Box:
        """The box between this one (share 0) and another (share 1)."""
        ends = ((self.column, other.column), (self.row, other.row), (self.side, other.side))
        return Box(*(start + share * (end - start) for start, end in ends))


def _cut(image: NDArray[np.uint8], box: Box, side: int) -> NDArray[np.uint8]:
    """The square ``box``, black where it leaves the picture, at ``side`` pixels."""
    left, top = box.column - box.side / 2, box.row - box.side / 2
    whole = (math.floor(left), math.floor(top), math.ceil(left + box.side), math.ceil(top + box.side))
    inner = (left - whole[0], top - whole[1], left - whole[0] + box.side, top - whole[1] + box.side)
    part = Image.fromarray(image).crop(whole)
    return np.array(part.resize((side, side), Image.Resampling.BILINEAR, inner))


def find_faces(image: NDArray[np.uint8]) -> list[Box]:
    """All faces in (H, W, 3) that look towards the camera, the largest first."""
    check_image("image", image)
    scale = max(1.0, max(image.shape[:2]) / _SEARCH_SIDE)
    size = tuple(max(1, round(side / scale)) for side in image.shape[1::-1])
    searched = np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX)) if scale > 1 else image
    searched = np.ascontiguousarray(searched)
    for doublings in (0, 1):
        found, _, _ = face_detector().run(searched, doublings, 0.0)
        if found:
            boxes = [_box(rectangle, scale) for rectangle in found]
            return sorted(boxes, key=lambda box: -box.side)
    return []


def find_only_face(image: NDArray[np.uint8], name: str) -> Box:
    """The largest face in (H, W, 3), where no other is of like size.

    Args:
        image: the picture.
        name: of the picture, for the message.

    Raises:
        InputError: no face that looks towards the camera, or several of like size.
    """
    faces = find_faces(image)
    if not faces:
        raise InputError(f"{name} must show a face that looks towards the camera, got none")
    alike = [face for face in faces if face.side >= _BESIDE * faces[0].side]
    if len(alike) > 1:
        raise InputError(f"{name} must show one face, got {len(alike)} of like size")
    return faces[0]


def _box(rectangle: object, scale: float, left: float = 0.0, top: float = 0.0) -> Box:
    sides = [getattr(rectangle, name)() for name in ("left", "right", "top", "bottom")]
    low_x, high_x, low_y, high_y = sides
    side = (high_x - low_x + high_y - low_y + 2) / 2
    return Box(left + scale * (low_x + high_x + 1) / 2, top + scale * (low_y + high_y + 1) / 2, scale * side)


def _find_again(image: NDArray[np.uint8], box: Box) -> Box | None:
    """Where the face that was in ``box`` is now."""
    around = Box(box.column, box.row, _AROUND * box.side)
    found, _, _ = face_detector().run(_cut(image, around, round(_AROUND * _FACE_SIDE)), 0, _LEAST_SCORE)
    scale = box.side / _FACE_SIDE
    left, top = around.column - around.side / 2, around.row - around.side / 2
    boxes = [_box(rectangle, scale, left, top) for rectangle in found]
    best = max(boxes, key=box.overlap, default=None)
    return best if best is not None and box.overlap(best) >= _SAME else None


def read_landmarks(image: NDArray[np.uint8], box: Box) -> FloatArray:
    """(68, 2) column and row in pixels of the face in ``box`` of (H, W, 3), to fractions of a pixel.

    (0, 0) is the outer corner of the top left pixel. In the order of Multi-PIE: jaw line from the person's
    right ear, brows, nose, eyes, outer lips, inner lips.
    """
    check_image("image", image)
    around = Box(box.column, box.row, _ROOM * box.side)
    cut, scale = _cut(image, around, round(_ROOM * _FINE_SIDE)), box.side / _FINE_SIDE
    start = (_ROOM - 1) / 2 * _FINE_SIDE
    read = []
    for across, down in _SHIFTS:
        corner = [round(start + shift * _FINE_SIDE) for shift in (across, down)]
        area = dlib().rectangle(*corner, *(place + _FINE_SIDE - 1 for place in corner))
        points = shape_predictor()(cut, area).parts()
        read.append([(point.x + 0.5, point.y + 0.5) for point in points])
    left, top = around.column - around.side / 2, around.row - around.side / 2
    return np.mean(read, axis=0) * scale + np.array([left, top])


def find_landmarks(image: NDArray[np.uint8]) -> FloatArray | None:
    """(68, 2) landmarks of the largest face in (H, W, 3), None where there is no face."""
    return next(follow_landmarks([image]))


def follow_landmarks(frames: Iterable[NDArray[np.uint8]]) -> Iterator[FloatArray | None]:
    """Landmarks (68, 2) of one face through (H, W, 3) frames, None in frames where it is not found.

    The largest face of the first frame that has one is followed; when it is lost, the largest one then.
    """
    box: Box | None = None
    for image in frames:
        check_image("frame", image)
        found = _find_again(image, box) if box is not None else None
        if found is None:
            box = next(iter(find_faces(image)), None)
        elif box is not None:
            box = box.towards(found, _SETTLING)
        yield read_landmarks(image, box) if box is not None else None


def whole_track(found: Iterable[FloatArray | None], name: str = "clip") -> FloatArray:
    """(T, 68, 2) of what :func:`follow_landmarks` finds in a clip's frames.

    Where the face was not found, landmarks are read linearly between the frames before and after, and held
    at the ends.

    Args:
        found: landmarks of each frame.
        name: of the clip, for the message.

    Raises:
        InputError: no face, or one in fewer than half the frames.
    """
    track = list(found)
    seen = [frame for frame, points in enumerate(track) if points is not None]
    if not seen:
        raise InputError(f"{name} must show a face, got none in {len(track)} frames")
    if len(seen) < _LEAST_SEEN * len(track):
        raise InputError(
            f"{name} must show a face in half its frames or more, got one in {len(seen)} of {len(track)}"
        )
    known = np.stack([points for points in track if points is not None]).reshape(len(seen), -1)
    read = [np.interp(np.arange(len(track)), seen, curve) for curve in known.T]
    return np.stack(read, axis=1).reshape(-1, LANDMARK_COUNT, 2)
