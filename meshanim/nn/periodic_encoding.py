"""Where in a period a step stands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meshanim._check import check_range


class PeriodicPositionalEncoding(nn.Module):
    r"""Positions that begin anew every p steps, so that long sequences hold none that training did not.

    Huang et al. 2023, supplement, eq 1 (after Fan et al. 2022):

    .. math::
        PPE_{(t,2i)} = \sin\frac{t \bmod p}{10000^{2i/d}}, \qquad
        PPE_{(t,2i+1)} = \cos\frac{t \bmod p}{10000^{2i/d}}

    Args:
        width: d, of the features.
        period: p, in steps.

    Shapes:
        features (..., T, d) to (..., T, d).
    """

    table: Tensor

    def __init__(self, width: int, period: int = 25) -> None:
        super().__init__()
        check_range("width", width, 1)
        check_range("period", period, 1)
        self.width, self.period = width, period
        even = torch.arange(0, width, 2, dtype=torch.float64) / width
        angle = torch.arange(period, dtype=torch.float64)[:, None] / 10000**even
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
        self.register_buffer("table", table.float(), persistent=False)

    def forward(self, features: Tensor, start: int = 0) -> Tensor:
        """Add the positions ``start``, ``start + 1``, ... to features."""
        steps = (start + torch.arange(features.shape[-2], device=features.device)) % self.period
        return features + self.table[steps]

    def extra_repr(self) -> str:
        """Width and period."""
        return f"{self.width}, period={self.period}"
