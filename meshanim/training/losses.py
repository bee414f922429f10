"""Losses on motion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape
from meshanim.metrics.vertex_error import MILLIMETRES


def motion_losses(predicted: Tensor, truth: Tensor, lengths: Sequence[int]) -> dict[str, Tensor]:
    r"""Reconstruction and temporal coherence (Potamias et al. 2020, eq 5), in millimetres.

    .. math::
        L_r = \|\hat x_t - x_t\|_1, \qquad L_c = \|(\hat x_t - \hat x_{t-1}) - (x_t - x_{t-1})\|_1

    Both are L1 norms per vertex, averaged over vertices and frames (pairs of frames for :math:`L_c`).

    Args:
        predicted: (N, V, 3) metres, the frames of several sequences one after the other; positions or
            displacements from the same neutral faces, which comes to the same.
        truth: (N, V, 3).
        lengths: frames of each sequence; pairs across sequences do not count.

    Returns:
        ``reconstruction`` and ``coherence``; the loss is their sum.
    """
    check_shape("truth", truth, tuple(predicted.shape))
    if sum(lengths) != len(predicted):
        raise InputError(f"lengths must add up to {len(predicted)} frames, got {sum(lengths)}")
    error = predicted - truth
    last = torch.tensor(lengths).cumsum(0)[:-1] - 1
    follows = torch.ones(len(predicted) - 1)
    follows[last] = 0
    vertices, pairs = predicted.shape[1], max(1, len(predicted) - len(lengths))
    change = (error[1:] - error[:-1]).abs().sum(dim=(1, 2))
    return {
        "reconstruction": error.abs().sum() * (MILLIMETRES / (len(predicted) * vertices)),
        "coherence": (change * follows.to(change)).sum() * (MILLIMETRES / (pairs * vertices)),
    }
