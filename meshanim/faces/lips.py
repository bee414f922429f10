"""The lips of a face by landmark: pairs that meet, their gap, and the regions that speech is judged on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape
from meshanim.faces.face_model import FaceModel

_UPPER, _LOWER = (61, 62, 63), (67, 66, 65)


class LipPairs(NamedTuple):
    """Vertices of the inner lips that meet in a closed mouth: upper (3,) and lower (3,), right to left."""

    upper: Tensor
    lower: Tensor

    def gap(self, vertices: Tensor) -> Tensor:
        """How far the lips are apart (...), in metres, of head-local vertices (..., V, 3).

        The mean over the pairs of the height of the upper vertex over the lower one; negative where the lips
        press into each other.
        """
        check_shape("vertices", vertices, (None, 3), batched=True)
        return (vertices[..., self.upper, 1] - vertices[..., self.lower, 1]).mean(dim=-1)


def _landmark(face: FaceModel, place: int) -> int:
    name = f"landmark68_{place:02d}"
    if name not in face.neutral.landmarks:
        raise InputError(f"face must have the landmarks landmark68_61 to landmark68_67, {face.name} has not")
    return face.neutral.landmarks[name]


def lip_pairs(face: FaceModel) -> LipPairs:
    """The pairs 61 and 67, 62 and 66, 63 and 65 of Multi-PIE's 68 landmarks.

    Raises:
        InputError: the model does not name these landmarks.
    """
    upper, lower = (torch.tensor([_landmark(face, place) for place in row]) for row in (_UPPER, _LOWER))
    return LipPairs(upper, lower)


def _group(face: FaceModel, name: str) -> Tensor:
    if name not in face.neutral.groups:
        raise InputError(f"face must have the vertex group {name}, {face.name} has not")
    return face.neutral.groups[name]


def lip_vertices(face: FaceModel) -> Tensor:
    """(L,) the red of the lips, over which LVE and MOD are taken."""
    return _group(face, "lips")


def upper_face_vertices(face: FaceModel) -> Tensor:
    """(U,) the skin above the middle of the eyes, over which FDD is taken."""
    return _group(face, "upper_face")
