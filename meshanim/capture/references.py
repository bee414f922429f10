"""Which frames say most about how a person looks."""

from __future__ import annotations

import torch
from torch import Tensor

_TURN = 3.0
"""Weight of a radian of head turn against a unit of expression, in telling frames apart."""


def choose_references(weights: Tensor, head_motion: Tensor, count: int) -> Tensor:
    """Frames (N,), ascending: the most ordinary one, then each time the one least like those chosen.

    Args:
        weights: (T, K) expression.
        head_motion: (T, 6) pose.
        count: how many at most.
    """
    traits = torch.cat([weights, _TURN * head_motion[:, :3]], dim=1)
    distance = (traits - traits.median(dim=0).values).norm(dim=1)
    chosen = [int(distance.argmin())]
    nearest = (traits - traits[chosen[0]]).norm(dim=1)
    while len(chosen) < min(count, len(traits)) and float(nearest.max()) > 0:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (traits - traits[chosen[-1]]).norm(dim=1))
    return torch.tensor(sorted(chosen))
