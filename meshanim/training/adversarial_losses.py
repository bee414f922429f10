"""Losses of the games with judges."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def told_real(scores: Tensor) -> Tensor:
    """-log D of scores, which are logits, in mean: little where a judge holds them for real.

    Of real ones it is the judge's loss. Of made ones it is the maker's, in the form that does not fade where
    the judge is sure (Goodfellow et al. 2014); log(1 - D), as Kefalas et al. 2020 write, has the same aim.
    """
    return functional.softplus(-scores).mean()


def told_made(scores: Tensor) -> Tensor:
    """-log(1 - D) of scores, which are logits, in mean: little where a judge holds them for made."""
    return functional.softplus(scores).mean()
