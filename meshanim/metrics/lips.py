"""How far lips are from where they should be, and how wide apart they stand."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_indices, check_shape
from meshanim.metrics.vertex_error import MILLIMETRES, check_vertices, vertex_distances_mm


def lip_vertex_error_mm2(predicted: Tensor, truth: Tensor, lips: Tensor) -> float:
    """LVE: the squared distance of each frame's worst lip vertex, in mean over frames, in square millimetres.

    Squared, as it was published first (Richard et al. 2021) and as in torchmetrics, there in the squared unit
    of the vertices; see :func:`lip_vertex_error_root_mm` for one in millimetres.

    Args:
        predicted: (..., V, 3) metres, any number of frames; head-local, nothing is aligned.
        truth: (..., V, 3) metres.
        lips: (V,) bool, or vertex indices (N,), of the lips.

    Raises:
        InputError: different shapes, no frame or no lip vertex, a value that is not finite.
    """
    return float(_worst_mm(predicted, truth, lips).square().mean(dtype=torch.float64))


def lip_vertex_error_root_mm(predicted: Tensor, truth: Tensor, lips: Tensor) -> float:
    """LVE in its root-mean form: the square root of :func:`lip_vertex_error_mm2`, in millimetres.

    The root is taken after the mean over frames, not in each of them.
    """
    return lip_vertex_error_mm2(predicted, truth, lips) ** 0.5


def _worst_mm(predicted: Tensor, truth: Tensor, lips: Tensor) -> Tensor:
    check_shape("predicted", predicted, (None, 3), batched=True)
    check_vertices("lips", lips, predicted.shape[-2])
    distances = vertex_distances_mm(predicted, truth, lips)
    if distances.numel() == 0:
        raise InputError("there must be at least one frame and one lip vertex to compare, got none")
    check_finite("distances", distances)
    return distances.amax(dim=-1)


def mouth_opening_mm(vertices: Tensor, upper: Tensor, lower: Tensor) -> Tensor:
    """Distance (..., P) in millimetres between the two vertices of each pair across the mouth.

    Args:
        vertices: (..., V, 3) metres.
        upper: (P,) indices on the upper lip.
        lower: (P,) indices on the lower lip, one below each.
    """
    check_shape("vertices", vertices, (None, 3), batched=True)
    check_shape("upper", upper, (None,))
    check_shape("lower", lower, tuple(upper.shape))
    for name, indices in (("upper", upper), ("lower", lower)):
        check_indices(name, indices, vertices.shape[-2])
    apart = vertices[..., upper, :] - vertices[..., lower, :]
    return torch.linalg.vector_norm(apart, dim=-1) * MILLIMETRES


def mouth_opening_difference_mm(predicted: Tensor, truth: Tensor, upper: Tensor, lower: Tensor) -> float:
    """MOD: absolute difference of :func:`mouth_opening_mm`, in mean over pairs and frames.

    Raises:
        InputError: different shapes, no frame or no pair, a value that is not finite.
    """
    check_shape("truth", truth, tuple(predicted.shape))
    openings = (mouth_opening_mm(part, upper, lower) for part in (predicted, truth))
    difference = torch.sub(*openings).abs()
    if difference.numel() == 0:
        raise InputError("there must be at least one frame and one pair to compare, got none")
    check_finite("openings", difference)
    return float(difference.mean(dtype=torch.float64))
