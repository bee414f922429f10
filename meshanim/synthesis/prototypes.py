"""Expressions by the book: action units of each emotion on a face model's own ARKit shapes, no training.

For faces that have named shapes but no trained model, such as a head that a user brings.
"""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.faces.articulation import ArticulatedMover
from meshanim.faces.facs import EMOTION_PROTOTYPES, EXPRESSIONS, arkit_weights
from meshanim.performance import Performance
from meshanim.synthesis.labels import check_labels
from meshanim.synthesis.timing import ease


def _eased(level: Tensor) -> Tensor:
    """Linear ramps of a track (T,) as minimum-jerk ones, its peak kept."""
    peak = level.max().clamp(min=1e-6)
    return peak * ease(level / peak)


def prototype_weights(labels: Tensor) -> Tensor:
    """ARKit weights (T, 52) in [0, 1] that perform a label track (T, 6) by the EMFACS prototypes."""
    check_labels(labels)
    units: dict[int, Tensor] = {}
    for column, expression in enumerate(EXPRESSIONS):
        level = _eased(labels[:, column])
        for unit, intensity in EMOTION_PROTOTYPES[expression].items():
            units[unit] = units.get(unit, torch.zeros_like(level)) + intensity * level
    return arkit_weights(units, ARKIT_NAMES)


def perform_prototype(
    face: FaceModel, labels: Tensor, fps: float, identity: Tensor | None = None
) -> Performance:
    """A label track performed by a face model's own shapes.

    Args:
        face: a model with ARKit shapes.
        labels: (T, 6) in [0, 1].
        fps: frames per second of the labels.
        identity: (I,) identity coefficients; the mean face where absent.

    Returns:
        A performance by named weights, whose jaw turns and whose lids slide.

    Raises:
        InputError: the face has no ARKit shapes.
    """
    if not set(face.weight_names) & set(ARKIT_NAMES):
        raise InputError(
            f"face {face.name} must have ARKit shapes to perform an expression, got {len(face.weight_names)} "
            "unnamed ones; train a model for its topology with: meshanim train expression"
        )
    weights = face.weights_from_arkit(prototype_weights(labels))
    neutral = face.neutral.with_vertices(face.vertices(identity))
    return Performance(
        neutral,
        fps,
        weights=weights,
        basis=face.basis(identity),
        weight_names=tuple(face.weight_names),
        mover=ArticulatedMover(face, identity),
        face_model=face.name,
        identity=identity,
        labels=labels,
    )
