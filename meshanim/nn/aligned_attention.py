"""Attention of each step to the moment that it belongs to."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range


class AlignedAttention(nn.Module):
    r"""Multi-head cross-attention with an alignment bias.

    Huang et al. 2023, supplement, eq 3 (after Fan et al. 2022):

    .. math::
        \mathrm{softmax}\Big(\frac{Q K^T}{\sqrt{d_k}} + B\Big) V, \qquad
        B(i, j) = \begin{cases} 0 & r i \le j < r (i + 1) \\ -\infty & \text{otherwise} \end{cases}

    A memory of r frames a step; r = 1 in the paper, whose audio features come at the video's frame rate. Then
    the softmax is over one frame and is 1: every step reads its own frame's value, whatever it asks for, and
    neither query nor key learns anything. They are here because the paper has them and any r > 1 needs them.

    Args:
        width: of features and memory.
        heads: a divisor of ``width``.

    Shapes:
        features (B, T, width), memory (B, r T, width) to (B, T, width).
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        check_range("heads", heads, 1)
        if width % heads:
            raise InputError(f"heads must divide the width {width}, got {heads}")
        self.width, self.heads = width, heads
        self.query = nn.Linear(width, width)
        self.remember = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, features: Tensor, memory: Tensor) -> Tensor:
        """What each step reads of its own frames of the memory."""
        steps, frames = features.shape[1], memory.shape[1]
        if frames % steps:
            raise InputError(f"memory must have a whole number of frames a step of {steps}, got {frames}")
        query = self.query(features).unflatten(-1, (self.heads, 1, -1))
        remembered = self.remember(memory).unflatten(1, (steps, -1)).unflatten(-1, (2 * self.heads, -1))
        keys, values = remembered.transpose(2, 3).chunk(2, dim=2)
        read = functional.scaled_dot_product_attention(query, keys, values)
        return self.out(read.flatten(2))

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.width}, heads={self.heads}"
