"""How far the mouth's landmarks are from where they should be."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape

MOUTH = slice(48, 68)
"""Outer and inner lips among the 68 landmarks."""
_EYE_CORNERS = (36, 45)


class LandmarkDistance(NamedTuple):
    """LMD in pixels, and as a share of the distance between the outer corners of the eyes."""

    px: float
    interocular: float


def interocular_px(landmarks: Tensor) -> Tensor:
    """Distance (...) in pixels between the outer corners of the eyes of landmarks (..., 68, 2)."""
    check_shape("landmarks", landmarks, (68, 2), batched=True)
    first, second = (landmarks[..., corner, :] for corner in _EYE_CORNERS)
    return torch.linalg.vector_norm(first - second, dim=-1)


def mouth_landmark_distance(predicted: Tensor, truth: Tensor) -> LandmarkDistance:
    """LMD (after Chen et al. 2018): Euclidean distance of each of the mouth's 20 landmarks, not squared, in
    mean over landmarks and frames.

    Nothing is aligned: a face in another place counts as wrong. The share is that of the true clip's mean
    distance between the outer corners of the eyes.

    Args:
        predicted: (T, 68, 2) in pixels.
        truth: (T, 68, 2) in pixels.

    Raises:
        InputError: different shapes, no frame, a value that is not finite, eyes in one place.
    """
    check_shape("truth", truth, (None, 68, 2))
    check_shape("predicted", predicted, tuple(truth.shape))
    for name, landmarks in (("predicted", predicted), ("truth", truth)):
        check_finite(name, landmarks)
    if len(truth) == 0:
        raise InputError("truth must have at least one frame, got none")
    wide = float(interocular_px(truth.double()).mean())
    if wide == 0:
        raise InputError("truth must have the corners of its eyes apart, got them in one place")
    away = torch.linalg.vector_norm((predicted.double() - truth.double())[:, MOUTH], dim=-1)
    return LandmarkDistance(float(away.mean()), float(away.mean()) / wide)
