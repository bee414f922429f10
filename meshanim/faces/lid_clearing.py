"""Lids in front of the eyeball: how near they may come, and what has sunk into it put back."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim.mesh import Mesh, fit_sphere

LID_CLEARANCE = 3e-4
"""Metres between a lid that moves and the eyeball."""
_REACH = 3.0
"""Lids of one eye are those within so many of its radii."""


def lid_limits(rest: Tensor, lids: Tensor, ball: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Lid vertices (L,) of one eye, and how near (L,) to its centre they may come, in metres.

    Just in front of the ball, or as near as they are at rest.

    Args:
        rest: (V, 3) the face at rest.
        lids: vertices of the lids of both eyes.
        ball: vertices of the eyeball.
        centre: (3,) of the ball.
    """
    radius = (rest[ball] - centre).norm(dim=1).quantile(0.9)
    distance = (rest[lids] - centre).norm(dim=1)
    near = distance < _REACH * radius
    return lids[near], torch.minimum(distance[near], radius + LID_CLEARANCE)


def clear_lids(neutral: Mesh, vertices: Tensor) -> Tensor:
    """Vertices (..., V, 3) whose lids are in front of the eyeballs: outwards from the ball's centre.

    A learned motion errs by some tenths of a millimetre, which shows where a thin lid lies on a white ball.
    Vertices that are clear stay as they are, to the bit; so does a face that names no lids and eyes (groups
    ``lids``, ``eye_left`` and ``eye_right``).

    Args:
        neutral: the face at rest.
        vertices: the same face in motion, in metres.
    """
    groups = neutral.groups
    eyes = [groups[name] for name in ("eye_left", "eye_right") if name in groups and "lids" in groups]
    cleared = vertices.clone() if eyes else vertices
    for ball in eyes:
        centre = fit_sphere(neutral.vertices[ball]).centre.to(vertices)
        lids, least = lid_limits(neutral.vertices.to(vertices), groups["lids"], ball, centre)
        place = cleared[..., lids, :]
        arm = place - centre
        distance = arm.norm(dim=-1)
        pushed = centre + arm * (least / distance.clamp(min=1e-9))[..., None]
        cleared[..., lids, :] = torch.where((distance < least)[..., None], pushed, place)
    return cleared
