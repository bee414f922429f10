"""Whether a face is as lively as it should be."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape
from meshanim.metrics.vertex_error import vertex_distances_mm


class DynamicsDeviation(NamedTuple):
    """Mean over vertices of the deviations' difference, in millimetres.

    ``signed_mm`` is above 0 where there is too much motion, below where there is too little; vertices of both
    kinds cancel in it, and do not in ``absolute_mm``.
    """

    signed_mm: float
    absolute_mm: float


def face_dynamics_deviation_mm(
    predicted: Tensor, truth: Tensor, neutral: Tensor, mask: Tensor
) -> DynamicsDeviation:
    """FDD of the upper face (after Xing et al. 2023): how much more, or less, it moves than the truth does.

    Of each vertex, the standard deviation over the frames (of the whole population) of its distance from the
    neutral, not squared; prediction minus truth. The original takes squared distances, and the signed mean.

    Args:
        predicted: (T, V, 3) metres, head-local.
        truth: (T', V, 3) metres; its length may differ, since frames are not compared one by one.
        neutral: (V, 3) metres, the face at rest of both.
        mask: (V,) bool, or vertex indices (N,), of the upper face.

    Raises:
        InputError: other shapes, a mask of other vertices, no frame or no vertex, a value that is not finite.
    """
    difference = _liveliness_mm("predicted", predicted, neutral, mask) - _liveliness_mm(
        "truth", truth, neutral, mask
    )
    return DynamicsDeviation(float(difference.mean()), float(difference.abs().mean()))


def _liveliness_mm(name: str, vertices: Tensor, neutral: Tensor, mask: Tensor) -> Tensor:
    check_shape("neutral", neutral, (None, 3))
    check_shape(name, vertices, (None, *neutral.shape))
    distances = vertex_distances_mm(vertices, neutral.expand_as(vertices), mask)
    if distances.numel() == 0:
        raise InputError(f"{name} must have at least one frame and one vertex that counts, got none")
    check_finite(name, distances)
    return distances.double().std(dim=0, correction=0)
