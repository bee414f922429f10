"""Joints that nobody drew: a hinge from a unit that turns, and how far a ball turns about its centre."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.mesh.alignment import fit_similarity
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle

_SHALLOW = 1e-3
"""Metres of a turn's displacement below which a vertex is too near the axis to say whether it follows."""
_LEAST_TURN = 1e-3


class Hinge(NamedTuple):
    """A point (3,) on the axis, its unit direction (3,) towards +X, and the angle () in radians about it."""

    position: Tensor
    axis: Tensor
    angle: Tensor


def fit_hinge(points: Tensor, moved: Tensor) -> Hinge:
    """The axis about which points (N, 3) turn to become ``moved``; its point is the one nearest to X = 0.

    Raises:
        InputError: the points do not turn.
    """
    motion = fit_similarity(points, moved, scaled=False)
    turn = matrix_to_axis_angle(motion.linear.double())
    angle = turn.norm()
    if float(angle) < _LEAST_TURN:
        raise InputError(f"points must turn to have a hinge, got a turn of {float(angle):.2g} radians")
    sign = -1.0 if float(turn[0]) < 0 else 1.0
    axis = sign * turn / angle
    # Points of the axis stay: (1 - R) p = t, solved in the plane across the axis.
    shift = motion.target.double() - motion.linear.double() @ motion.source.double()
    across = torch.linalg.pinv(torch.eye(3, dtype=torch.float64) - motion.linear.double(), rtol=1e-6)
    position = across @ shift
    level = axis[0].square().clamp(min=1e-2)
    position = position - axis * (position[0] * axis[0] / level)
    return Hinge(position.to(points), axis.to(points), (sign * angle).to(points))


def fit_turn(points: Tensor, moved: Tensor) -> Tensor:
    """Rotation vectors (..., 3) that best take points (N, 3) about the origin to ``moved`` (..., N, 3).

    The nearest rotation to the correlation of the two, by its singular values (Kabsch 1976).
    """
    u, _, vt = torch.linalg.svd(moved.mT.double() @ points.double())
    handed = torch.ones_like(u[..., 0])
    handed[..., 2] = torch.linalg.det(u @ vt).sign()
    rotation = u @ (handed[..., None] * vt)
    skew = rotation - rotation.mT
    axis = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1) / 2
    sine = axis.norm(dim=-1, keepdim=True)
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(dim=-1, keepdim=True)
    angle = torch.atan2(sine, (trace - 1) / 2)
    scale = torch.where(sine > 1e-9, angle / sine.clamp(min=1e-9), torch.ones_like(sine))
    return (axis * scale).to(points)


def turn_displacement(points: Tensor, position: Tensor, turn: Tensor) -> Tensor:
    """Displacements (N, 3) of points (N, 3) that turn about ``position`` (3,) by a rotation vector (3,)."""
    arm = points - position
    return arm @ axis_angle_to_matrix(turn).mT - arm


def follow_share(displacement: Tensor, turned: Tensor) -> Tensor:
    """How much of a turn's displacement (V, 3) each vertex follows: (V,) in [0, 1], by projection.

    On the axis, where the turn itself moves nothing, the share fades to zero.
    """
    along = (displacement * turned).sum(dim=-1)
    return (along / (turned.square().sum(dim=-1) + _SHALLOW**2)).clamp(0, 1)
