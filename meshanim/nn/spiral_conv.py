"""Spiral convolution."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from meshanim._check import check_choice, check_indices, check_shape
from meshanim.ops import spiral_conv

Activation = Literal["relu", "elu"] | None


class SpiralConv(nn.Module):
    r"""Convolution along spirals around every vertex (Bouritsas et al. 2019; Potamias et al. 2020, eq 3).

    .. math:: \mathbf f^*_v = \sum_{j=0}^{L-1} \mathbf f(S_j(v)) \, \mathbf W_j + \mathbf b

    where :math:`S_j(v)` is the j-th vertex of the spiral that starts at v. The order of a spiral is fixed by
    the mesh, so that the filter tells directions apart. The spirals belong to the mesh and are no part of
    the layer's state.

    Args:
        spirals: (V, L) int64 vertex indices; -1 where a spiral ends early, which counts as zeros.
        in_channels: input features C_in per vertex.
        out_channels: output features C_out per vertex.
        activation: ``relu``, ``elu`` or None, applied to the result.
        bias: add a learned bias.

    Shapes:
        input (B, V, C_in), output (B, V, C_out); weight (C_out, L * C_in), spiral position major.
    """

    spirals: Tensor

    def __init__(
        self,
        spirals: Tensor,
        in_channels: int,
        out_channels: int,
        activation: Activation = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_shape("spirals", spirals, (None, None))
        check_indices("spirals", spirals, spirals.shape[0], lowest=-1)
        check_choice("activation", activation, (None, "relu", "elu"))
        self.in_channels, self.out_channels, self.activation = in_channels, out_channels, activation
        self.register_buffer("spirals", spirals.to(torch.int64), persistent=False)
        self.weight = nn.Parameter(torch.empty(out_channels, spirals.shape[1] * in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights as :class:`torch.nn.Linear` does for the same fan-in."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve features (B, V, C_in) to (B, V, C_out)."""
        return spiral_conv(features, self.spirals, self.weight, self.bias, self.activation)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        vertices, length = self.spirals.shape
        return (
            f"{self.in_channels}, {self.out_channels}, vertices={vertices}, length={length}, "
            f"activation={self.activation}, bias={self.bias is not None}"
        )
