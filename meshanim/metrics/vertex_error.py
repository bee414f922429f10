"""Distance between predicted and true meshes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_indices, check_shape

MILLIMETRES = 1000.0


class VertexError(NamedTuple):
    """Statistics of per-vertex distances, in millimetres; the deviation is that of the whole population."""

    mean_mm: float
    median_mm: float
    deviation_mm: float


def vertex_distances_mm(predicted: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Euclidean distance, not squared, of every vertex from its true place, in millimetres.

    Args:
        predicted: (..., V, 3) metres; vertex v of one is vertex v of the other, nothing is aligned.
        truth: (..., V, 3) metres.
        mask: (V,) bool, or vertex indices (N,), of those that count.

    Returns:
        (..., V), or (..., N) with a mask.

    Raises:
        InputError: different shapes, or a mask of other vertices.
    """
    check_shape("predicted", predicted, (None, 3), batched=True)
    check_shape("truth", truth, tuple(predicted.shape))
    if mask is not None:
        check_vertices("mask", mask, predicted.shape[-2])
    distances = torch.linalg.vector_norm(predicted - truth, dim=-1) * MILLIMETRES
    return distances if mask is None else distances[..., mask]


def check_vertices(name: str, chosen: Tensor, count: int) -> None:
    """Raise unless ``chosen`` is (count,) bool, or (N,) indices among ``count`` vertices."""
    if chosen.dtype == torch.bool:
        check_shape(name, chosen, (count,))
        return
    check_shape(name, chosen, (None,))
    if chosen.dtype not in (torch.int32, torch.int64):  # of bytes PyTorch makes a mask, whatever they mean
        raise InputError(f"{name} must be bool, or vertex indices as int64, got {chosen.dtype}")
    check_indices(name, chosen, count)


def vertex_error_mm(predicted: Tensor, truth: Tensor, mask: Tensor | None = None) -> VertexError:
    """Mean, median and standard deviation of :func:`vertex_distances_mm` over all vertices and frames.

    Raises:
        InputError: different shapes, a mask of other vertices, or nothing to compare.
    """
    return summarise_mm(vertex_distances_mm(predicted, truth, mask))


def summarise_mm(distances: Tensor) -> VertexError:
    """Mean, median and standard deviation of distances of any shape, such as those of many sequences."""
    flat = distances.flatten()
    if flat.numel() == 0:
        raise InputError("there must be at least one vertex to compare, got none")
    mean = flat.mean(dtype=torch.float64)
    # kthvalue and not median: of an even number, torch's median is the lower middle value only
    low, high = ((flat.numel() + 1) // 2, flat.numel() // 2 + 1)
    middle = (flat.kthvalue(low).values.double() + flat.kthvalue(high).values.double()) / 2
    deviation = (flat.double() - mean).square().mean().sqrt()
    return VertexError(float(mean), float(middle), float(deviation))
