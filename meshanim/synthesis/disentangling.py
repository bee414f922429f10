"""What of moving landmarks is the head's motion, and what the face's."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import check_finite, check_shape
from meshanim.mesh.alignment import fit_similarity
from meshanim.mesh.rotations import matrix_to_axis_angle

RIGID_LANDMARKS = (
    0, 1, 2, 3, 13, 14, 15, 16,
    17, 26,
    27, 28, 29, 30, 31, 32, 33, 34, 35,
    36, 39, 40, 41, 42, 45, 46, 47,
)  # fmt: skip
"""The 27 of the 68 landmarks that no unit of the built-in face moves by more than 5 mm: the outline beside
the ears, the outer ends of the brows, the nose, the corners and lower lids of the eyes. Of the others each is
moved by more than 6 mm. The paper takes 27 as well, and shows them only in a picture."""


class Disentangled(NamedTuple):
    """``head_motion`` (T, 6): axis-angle in radians, translation in metres, from the canonical to the posed
    head; and ``landmarks`` (T, 68, 3) in metres without it."""

    head_motion: Tensor
    landmarks: Tensor


def disentangle(landmarks: Tensor, canonical: Tensor) -> Disentangled:
    """Tell the head's motion from the face's (Chen et al. 2020, section 3.3).

    The rigid motion of each frame is the one that best takes the canonical :data:`RIGID_LANDMARKS` to the
    frame's own; the paper writes its inverse. Nothing is scaled.

    Args:
        landmarks: (T, 68, 3) metres, in 3D.
        canonical: (68, 3) metres, the same person's at rest, or everybody's.

    Raises:
        InputError: another shape, or a value that is not finite.
    """
    check_shape("landmarks", landmarks, (None, 68, 3))
    check_shape("canonical", canonical, (68, 3))
    check_finite("landmarks", landmarks)
    check_finite("canonical", canonical)
    rigid = list(RIGID_LANDMARKS)
    fit = fit_similarity(canonical[rigid], landmarks[:, rigid], scaled=False)
    still = (landmarks - fit.translation[:, None]) @ fit.rotation
    return Disentangled(torch.cat([matrix_to_axis_angle(fit.rotation), fit.translation], dim=1), still)
