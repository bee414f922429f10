"""What a face does on average, told from who it is."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape

_LEAST_PEOPLE = 3
_RIDGES = torch.logspace(-3, 3, 25, dtype=torch.float64)
"""Tried, as shares of the mean square of an identity."""


def fit_habits(identities: Tensor, weights: Tensor) -> Tensor:
    r"""The linear map from identities to mean weights that does best for people who were left out.

    .. math:: H = Z^T (Z Z^T + \lambda I)^{-1} Y

    with centred identities Z and mean weights Y: ridge regression. :math:`\lambda` is the one whose error,
    each person predicted from all others, is least; people whose identity tells nothing get a map near zero.

    Args:
        identities: (S, I), of comparable spread.
        weights: (S, K) mean weights of each.

    Returns:
        (I, K), what the weights of a person deviate by for each unit that the identity deviates by.
    """
    people = len(identities)
    check_shape("weights", weights, (people, None))
    if people < _LEAST_PEOPLE:
        raise InputError(f"identities must be at least {_LEAST_PEOPLE} to leave one out, got {people}")
    given, wanted = ((each - each.mean(dim=0)).double() for each in (identities, weights))
    spread, axes = torch.linalg.eigh(given @ given.mT)
    turned = axes.mT @ wanted

    def error(ridge: Tensor) -> float:
        kept = spread / (spread + ridge)
        own = axes.square() @ kept + 1 / people  # how much each mean weight counts for its own prediction
        missed = (wanted - axes @ (kept[:, None] * turned)) / (1 - own)[:, None]
        return float(missed.square().sum())

    ridge = min(_RIDGES * spread.mean(), key=error)
    return (given.mT @ axes @ (turned / (spread + ridge)[:, None])).to(weights)
