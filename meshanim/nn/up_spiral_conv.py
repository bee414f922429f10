"""Spiral convolution on the next finer level of a mesh hierarchy."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.nn.spiral_conv import Activation, SpiralConv
from meshanim.ops import spiral_decode


class UpSpiralConv(SpiralConv):
    r"""Up-sampling and the spiral convolution that follows it as one.

    Potamias et al. 2020, section 3.2 and eq 3:

    .. math:: \mathbf f^*_v = \sum_{j=0}^{L-1} \mathbf u(S_j(v)) \, \mathbf W_j + \mathbf b, \qquad
        \mathbf u(v) = \sum_k w_{vk} \, \mathbf f_{i_{vk}}

    The same as :class:`MeshUp` and :class:`SpiralConv`, in less time and memory: the up-sampled features are
    neither made nor kept.

    Args:
        up_indices: (V_fine, K) int64 coarse vertices.
        up_weights: (V_fine, K), rows sum to one.
        spirals: (V_fine, L) int64 vertex indices; -1 where a spiral ends early, which counts as zeros.
        in_channels: input features C_in per vertex.
        out_channels: output features C_out per vertex.
        activation: ``relu``, ``elu`` or None, applied to the result.
        bias: add a learned bias.

    Shapes:
        input (B, V_coarse, C_in), output (B, V_fine, C_out); weight (C_out, L * C_in), spiral position major.
    """

    up_indices: Tensor
    up_weights: Tensor

    def __init__(
        self,
        up_indices: Tensor,
        up_weights: Tensor,
        spirals: Tensor,
        in_channels: int,
        out_channels: int,
        activation: Activation = None,
        bias: bool = True,
    ) -> None:
        super().__init__(spirals, in_channels, out_channels, activation, bias)
        check_shape("up_indices", up_indices, (spirals.shape[0], None))
        check_shape("up_weights", up_weights, tuple(up_indices.shape))
        self.register_buffer("up_indices", up_indices.to(torch.int64), persistent=False)
        self.register_buffer("up_weights", up_weights.to(torch.get_default_dtype()), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Carry features (B, V_coarse, C_in) to (B, V_fine, C_out)."""
        up = (self.up_indices, self.up_weights)
        return spiral_decode(features, *up, self.spirals, self.weight, self.bias, self.activation)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"{super().extra_repr()}, corners={self.up_indices.shape[1]}"
