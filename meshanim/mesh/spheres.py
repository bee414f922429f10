"""The sphere that fits points."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape


class Sphere(NamedTuple):
    """Centre (3,) and radius () in metres."""

    centre: Tensor
    radius: Tensor


def fit_sphere(points: Tensor) -> Sphere:
    """The sphere through points (N, 3), in least squares of its equation, which is linear (Coope 1993).

    Raises:
        InputError: fewer than four points.
    """
    check_shape("points", points, (None, 3))
    if len(points) < 4:
        raise InputError(f"points must be at least four for a sphere, got {len(points)}")
    middle = points.double().mean(dim=0)
    arm = points.double() - middle
    square = arm.square().sum(dim=1, keepdim=True)
    solved = torch.linalg.lstsq(torch.cat([2 * arm, torch.ones_like(square)], dim=1), square).solution[:, 0]
    radius = (solved[3] + solved[:3].square().sum()).clamp(min=0).sqrt()
    return Sphere((middle + solved[:3]).to(points), radius.to(points))
