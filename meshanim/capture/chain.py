"""Linear systems of many frames: bounds held, and frames joined to their neighbours."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from scipy.linalg import solveh_banded
from threadpoolctl import ThreadpoolController
from torch import Tensor

from meshanim.capture.residuals import POSE, State


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def free_unknowns(state: State, descent: Tensor) -> Tensor:
    """(T, 6 + U) which unknowns may move: not weights at a bound that would leave it."""
    weights, way = state.weights, descent[:, POSE:]
    held = ((weights <= 0) & (way <= 0)) | ((weights >= 1) & (way >= 0))
    return torch.cat([torch.ones_like(descent[:, :POSE], dtype=torch.bool), ~held], dim=1)


def damped(matrix: Tensor, damping: float) -> Tensor:
    """Marquardt's: the diagonal enlarged by a share."""
    return matrix + torch.diag_embed(damping * matrix.diagonal(dim1=-2, dim2=-1) + 1e-9)


def held(matrix: Tensor, descent: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """The system (T, P, P), (T, P) with the unknowns that are not free taken out."""
    both = free[..., :, None] & free[..., None, :]
    matrix = torch.where(both, matrix, 0.0) + torch.diag_embed((~free).to(matrix.dtype))
    return matrix, descent * free


class Chain:
    """What joins frame to frame: the head's acceleration, and the weights' changes.

    Args:
        jerk: (6,) cost of a squared second difference of the pose.
        speed: (U,) cost of a squared first difference of the weights.
        before: up to two frames before the first one, which stay as they are.
    """

    def __init__(self, jerk: Tensor, speed: Tensor, before: State | None) -> None:
        self._jerk, self._speed, self._before = jerk, speed, before

    def _led(self, state: State) -> tuple[Tensor, Tensor, int]:
        """Pose and weights with the frames before in front, and how many those are."""
        if self._before is None:
            return state.pose, state.weights, 0
        before = self._before
        joined = torch.cat([before.pose, state.pose]), torch.cat([before.weights, state.weights])
        return *joined, len(before.pose)

    def cost(self, state: State) -> Tensor:
        """() of a stretch."""
        pose, weights, _ = self._led(state)
        bends = pose[2:] - 2 * pose[1:-1] + pose[:-2]
        changes = weights[1:] - weights[:-1]
        return (bends.square() @ self._jerk).sum() + (changes.square() @ self._speed).sum()

    def solve(self, matrix: Tensor, descent: Tensor, state: State) -> Tensor:
        """The step (T, P) of all frames together, of their own systems (T, P, P), (T, P) and the chain."""
        pose, weights, lead = self._led(state)
        count, width = descent.shape
        bend, change = _differences(len(pose), 2), _differences(len(weights), 1)
        pull = torch.cat(
            [bend.mT @ (bend @ pose) * self._jerk, change.mT @ (change @ weights) * self._speed], dim=1
        )[lead:]
        descent = descent - pull
        free = free_unknowns(state, descent)
        matrix, descent = held(matrix, descent, free)
        banded = np.zeros((2 * width + 1, count, width))
        lower = matrix.numpy()
        for offset in range(width):
            banded[offset, :, : width - offset] = np.diagonal(lower, -offset, axis1=1, axis2=2)
        for distance in range(3):
            links = torch.cat(
                [
                    _diagonal(bend, lead, distance)[:, None] * self._jerk,
                    _diagonal(change, lead, distance)[:, None] * self._speed,
                ],
                dim=1,
            )
            both = free[: count - distance] & free[distance:]
            banded[distance * width, : count - distance] += torch.where(both, links, 0.0).numpy()
        # a second thread gains nothing in the narrow band, and waits for long where other processes run
        with _blas().limit(limits=1, user_api="blas"):
            solved = solveh_banded(banded.reshape(2 * width + 1, -1), descent.flatten().numpy(), lower=True)
        return torch.from_numpy(solved).view(count, width)


def _differences(count: int, order: int) -> Tensor:
    """(count - order, count) matrix of differences of first or second order."""
    matrix = torch.eye(count, dtype=torch.float64)
    for _ in range(order):
        matrix = matrix[1:] - matrix[:-1]
    return matrix


def _diagonal(differences: Tensor, lead: int, distance: int) -> Tensor:
    """Diagonal so many below the main one of the normal matrix, without the leading frames."""
    return (differences.mT @ differences)[lead:, lead:].diagonal(-distance)
