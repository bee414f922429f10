"""Self-attention that looks back, and less the further."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range


class AttentionCache(NamedTuple):
    """Keys and values (B, H, n, d) of the steps that came before, no more than are still seen."""

    keys: Tensor
    values: Tensor


class BiasedCausalAttention(nn.Module):
    r"""Causal multi-head self-attention whose bias penalises distance by whole periods.

    Huang et al. 2023, supplement, eq 2 (after Fan et al. 2022, who took the slopes of Press et al. 2022):

    .. math::
        \mathrm{head}_h = \mathrm{softmax}\Big(\frac{Q_h K_h^T}{\sqrt{d_k}} + B_h\Big) V_h, \qquad
        B_h(i, j) = \begin{cases}
            -m_h \lfloor (i - j) / p \rfloor & 0 \le i - j < k \\ -\infty & \text{otherwise} \end{cases}

    with slopes :math:`m_h = 2^{-8h/H}`, h from 1 to H. The paper prints the floor without a sign and says
    nothing of that of its slopes. With both positive the furthest step would weigh most, against what the
    bias is for; so distance is taken off here, as in both works that it comes from.

    The paper has no bound k at inference; it trains on sequences of k = 100 steps, in which nothing further
    back is ever seen. The same bound afterwards keeps memory flat, however long the speech.

    Args:
        width: of the features.
        heads: H, a divisor of ``width``.
        period: p, in steps.
        window: k, how many steps are seen, the current one included.

    Shapes:
        features (B, T, width) to (B, T, width).
    """

    penalty: Tensor

    def __init__(self, width: int, heads: int = 4, period: int = 25, window: int = 100) -> None:
        super().__init__()
        for name, value in {"heads": heads, "period": period, "window": window}.items():
            check_range(name, value, 1)
        if width % heads:
            raise InputError(f"heads must divide the width {width}, got {heads}")
        self.width, self.heads, self.period, self.window = width, heads, period, window
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        slopes = 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)
        periods = torch.arange(window).div(period, rounding_mode="floor")
        self.register_buffer("penalty", -slopes[:, None] * periods, persistent=False)

    def bias(self, steps: int, before: int = 0) -> Tensor:
        """Bias (H, steps, before + steps) of the last ``steps`` steps towards themselves and those before."""
        device = self.penalty.device
        distance = (before + torch.arange(steps, device=device))[:, None] - torch.arange(
            before + steps, device=device
        )
        seen = (distance >= 0) & (distance < self.window)
        return self.penalty[:, distance.clamp(0, self.window - 1)].masked_fill(~seen, -torch.inf)

    def forward(self, features: Tensor, cache: AttentionCache | None = None) -> tuple[Tensor, AttentionCache]:
        """Attend to the cached steps and to the given ones, each to none after itself.

        Returns:
            The features, and the cache with which the next steps go on.
        """
        query, keys, values = (
            self.project(features).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2).chunk(3, 1)
        )
        if cache is not None:
            keys, values = torch.cat([cache.keys, keys], dim=2), torch.cat([cache.values, values], dim=2)
        steps, before = features.shape[1], keys.shape[2] - features.shape[1]
        # one step sees all that is kept: its row of the bias is there already, furthest step first
        bias = self.penalty[:, : before + 1].flip(1)[:, None] if steps == 1 else self.bias(steps, before)
        read = functional.scaled_dot_product_attention(query, keys, values, attn_mask=bias)
        kept = slice(-(self.window - 1), None) if self.window > 1 else slice(0, 0)
        return self.out(read.transpose(1, 2).flatten(2)), AttentionCache(keys[:, :, kept], values[:, :, kept])

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.width}, heads={self.heads}, period={self.period}, window={self.window}"
