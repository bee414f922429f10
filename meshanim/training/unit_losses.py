"""Losses on whether action units occur (Chen et al. 2022, equations 5 to 7)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from meshanim._check import check_shape

OCCURS_FROM = 0.5
"""Probability from which a unit is said to occur."""
SMOOTH = 1.0
"""The paper's epsilon, which it does not give."""


def unit_weights(rates: Tensor) -> Tensor:
    r"""Weights (A,) of units that occur at ``rates`` (A,): :math:`w_i = n r_i^{-1} / \sum_j r_j^{-1}`.

    They add up to A; what seldom occurs weighs more. A unit that never does counts as one at a rate of 0.001.
    """
    inverse = 1 / rates.clamp(min=1e-3)
    return inverse * (len(rates) / inverse.sum())


def audio_unit_losses(probabilities: Tensor, truth: Tensor, weights: Tensor) -> dict[str, Tensor]:
    r"""Weighted cross entropy and weighted Dice loss; the loss is their sum (equation 7).

    .. math::
        L_{bce} = -\frac{1}{n} \sum_i w_i [y_i \log \hat y_i + (1 - y_i) \log(1 - \hat y_i)], \qquad
        L_{dice} = \frac{1}{n} \sum_i w_i \Big[1 - \frac{2 y_i \hat y_i + \epsilon}
                                                       {y_i^2 + \hat y_i^2 + \epsilon}\Big]

    Both are taken in every frame, as the paper writes them, and averaged over frames.

    Args:
        probabilities: (N, A) in [0, 1].
        truth: (N, A), 1 where a unit occurs and 0 elsewhere.
        weights: (A,), see :func:`unit_weights`.

    Returns:
        ``cross_entropy`` and ``dice``.
    """
    check_shape("truth", truth, tuple(probabilities.shape))
    check_shape("weights", weights, (probabilities.shape[-1],))
    entropy = functional.binary_cross_entropy(probabilities, truth, reduction="none")
    overlap = (2 * truth * probabilities + SMOOTH) / (truth.square() + probabilities.square() + SMOOTH)
    return {"cross_entropy": (weights * entropy).mean(), "dice": (weights * (1 - overlap)).mean()}
