"""Attention among the elements of one frame's features, not across time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range

ELEMENT = 64
"""Numbers of an element: those that Chen et al. 2022 give each action unit."""


def count_elements(width: int, size: int = ELEMENT) -> int:
    """How many elements features of ``width`` numbers are.

    Raises:
        InputError: they do not come out even.
    """
    if width % size or width < size:
        raise InputError(f"width must be a multiple of {size}, got {width}")
    return width // size


class _Heads(nn.Module):
    """Multi-head attention (..., Q, size), (..., K, size) to (..., Q, size)."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        check_range("heads", heads, 1)
        if size % heads:
            raise InputError(f"heads must divide the size of an element {size}, got {heads}")
        self.heads = heads
        self.query, self.out = nn.Linear(size, size), nn.Linear(size, size)
        self.known = nn.Linear(size, 2 * size)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        query = self.query(asking).unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        known = self.known(asked).unflatten(-1, (2 * self.heads, -1)).transpose(-2, -3)
        read = functional.scaled_dot_product_attention(query, *known.chunk(2, dim=-3))
        return self.out(read.transpose(-2, -3).flatten(-2))


class ElementAttention(nn.Module):
    r"""Residual multi-head self-attention among the elements of a frame (Chen et al. 2022, eqs 2 to 4).

    .. math::
        \mathrm{Att}(Q, K, V) = \mathrm{softmax}\Big(\frac{Q K^T}{\sqrt{D_k}}\Big) V, \qquad
        \hat Z = \mathrm{Concat}(\mathrm{Att}_1, \dots, \mathrm{Att}_h) W, \qquad Q = K = V = Z

    Each head has projections of its own. What the elements are, the paper does not say. The features of an
    action unit have 64 numbers, so that the 512 + 512 + 320 of a frame are read here as 21 elements of 64:
    eight of the identity, eight of the sound, one of each unit. What comes back is :math:`Z + \hat Z`, each
    element normalised as by Vaswani et al. 2017: without that, three blocks in training make numbers of 2
    ones of 10,000.

    Args:
        width: of the features, a multiple of ``size``.
        heads: h, a divisor of ``size``.
        size: numbers of an element.

    Shapes:
        features (..., width) to (..., width); no frame sees another.
    """

    def __init__(self, width: int, heads: int = 4, size: int = ELEMENT) -> None:
        super().__init__()
        self.elements, self.size = count_elements(width, size), size
        self.attention, self.norm = _Heads(size, heads), nn.LayerNorm(size)

    def forward(self, features: Tensor) -> Tensor:
        """Features with what the elements of their frame tell each other."""
        elements = features.unflatten(-1, (self.elements, self.size))
        return self.norm(elements + self.attention(elements, elements)).flatten(-2)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"{self.elements} elements of {self.size}, heads={self.attention.heads}"


class ElementCoAttention(nn.Module):
    """Residual multi-head co-attention between the first elements of a frame and the others, then a norm.

    Each side asks and the other is asked (Li et al. 2021, whom Chen et al. 2022 compare with); the two sides
    have projections of their own. In a talking head the first elements are the person's, the others what
    drives the mouth.

    Args:
        width: of the features, a multiple of ``size``.
        first: numbers of the first side, a multiple of ``size`` below ``width``.
        heads: a divisor of ``size``.
        size: numbers of an element.

    Shapes:
        features (..., width) to (..., width); no frame sees another.
    """

    def __init__(self, width: int, first: int, heads: int = 4, size: int = ELEMENT) -> None:
        super().__init__()
        self.elements, self.size, self.first = count_elements(width, size), size, count_elements(first, size)
        check_range("first", first, size, width - size)
        self.towards_others, self.towards_first = _Heads(size, heads), _Heads(size, heads)
        self.norm = nn.LayerNorm(size)

    def forward(self, features: Tensor) -> Tensor:
        """Features with what the elements of one side hear from the other."""
        elements = features.unflatten(-1, (self.elements, self.size))
        first, others = elements[..., : self.first, :], elements[..., self.first :, :]
        heard = torch.cat([self.towards_others(first, others), self.towards_first(others, first)], dim=-2)
        return self.norm(elements + heard).flatten(-2)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        sides = f"{self.first} and {self.elements - self.first} elements of {self.size}"
        return f"{sides}, heads={self.towards_others.heads}"
