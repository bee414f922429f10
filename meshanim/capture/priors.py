"""What people and faces are like: priors of identity and of weights, before any picture is seen."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim.faces import FaceModel

_DRAWN = 2048
"""People drawn."""
_SHRINK = 0.1
"""Share of the covariance that is taken to be between no two coefficients."""
_STEP = 0.05
"""Of differences by identity, in standard deviations."""
_RIDGE, _LASSO, _TWIN = 1.0, 1.0, 2.0
"""What weights cost: squared, by themselves, and by the squared difference between the sides of the face."""
_RARE = {"cheekPuff": 20.0, "jawForward": 5.0, "jawLeft": 5.0, "jawRight": 5.0}
"""How many times more some units cost, which a jaw line that is a little off would call up."""
_WEIGHT_SPEED = {"eyeBlink": 0.5, "jaw": 4.0, "mouth": 4.0}
_SLOW = 20.0
"""What a squared change of weight from frame to frame costs, by the beginnings of names."""


class IdentityPrior:
    """People as the model draws them: mean, covariance and range of many."""

    def __init__(self, face: FaceModel) -> None:
        drawn = face.sample_identity(torch.Generator().manual_seed(0), _DRAWN).double()
        self.mean, self.low, self.high = drawn.mean(dim=0), drawn.amin(dim=0), drawn.amax(dim=0)
        centred = drawn - self.mean
        self.step = _STEP * centred.square().mean(dim=0).sqrt()
        covariance = centred.mT @ centred / len(drawn)
        spread = covariance.diagonal().diag_embed()
        self.precision = torch.linalg.inv((1 - _SHRINK) * covariance + _SHRINK * spread)

    def cost(self, identity: Tensor) -> Tensor:
        """() of coefficients (I,)."""
        apart = identity - self.mean
        return apart @ self.precision @ apart

    def held(self, identity: Tensor, descent: Tensor) -> Tensor:
        """(I,) which coefficients stand at the end of the people's range, and would leave it."""
        return ((identity <= self.low) & (descent <= 0)) | ((identity >= self.high) & (descent >= 0))


class WeightPrior:
    """What weights cost by themselves: curvature (U, U) and slope (U,)."""

    def __init__(self, names: list[str]) -> None:
        count = len(names)
        rare = [next((more for stem, more in _RARE.items() if name.startswith(stem)), 1.0) for name in names]
        cost = torch.tensor(rare, dtype=torch.float64)
        self.curvature, self.slope = torch.diag(_RIDGE * cost), _LASSO * cost
        for left, name in enumerate(names):
            twin = name.removesuffix("Left") + "Right"
            if name.endswith("Left") and twin in names and not name.startswith(("mouthLeft", "jawLeft")):
                apart = torch.zeros(count, dtype=torch.float64)
                apart[left], apart[names.index(twin)] = 1.0, -1.0
                self.curvature += _TWIN * torch.outer(apart, apart)

    def cost(self, weights: Tensor) -> Tensor:
        """(T,) of weights (T, U)."""
        return torch.einsum("tu,uv,tv->t", weights, self.curvature, weights) + 2 * weights @ self.slope


def speed_costs(names: list[str], fps: float) -> Tensor:
    """(U,) cost of a squared change of weight from one frame to the next."""
    found = [
        next((cost for stem, cost in _WEIGHT_SPEED.items() if name.startswith(stem)), _SLOW) for name in names
    ]
    return torch.tensor(found, dtype=torch.float64) * (fps / 25) ** 2
