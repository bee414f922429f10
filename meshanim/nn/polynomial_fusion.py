"""Joint representations of several views: polynomials in which different views interact."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range, check_shape

Blocks = dict[tuple[int, ...], Tensor]
"""Parameters of a full polynomial by the views that interact: (m, sizes of these views)."""
MOST_ORDER = 3


class Fusion(nn.Module):
    """Makes one encoding of one encoding from each view.

    Args:
        sizes: of the views' encodings.
        out_size: m, of the result.

    Shapes:
        views (..., s) with s the view's size, leading dimensions broadcast against each other; result
        (..., m).
    """

    def __init__(self, sizes: Sequence[int], out_size: int) -> None:
        super().__init__()
        for size in (*sizes, out_size):
            check_range("sizes", size, 1)
        self.sizes, self.out_size = tuple(sizes), out_size

    def check(self, views: Sequence[Tensor]) -> None:
        """Raise unless there is one encoding of each view."""
        if len(views) != len(self.sizes):
            raise InputError(f"views must be {len(self.sizes)}, got {len(views)}")
        for view, size in zip(views, self.sizes, strict=True):
            check_shape("view", view, (size,), batched=True)

    def penalty(self) -> Tensor:
        r"""Omega of Kefalas et al. 2020, eq 12: the Frobenius norm of all parameters together, ().

        0 of a fusion without parameters.
        """
        parameters = [parameter.flatten() for parameter in self.parameters()]
        return torch.linalg.vector_norm(torch.cat(parameters)) if parameters else torch.zeros(())

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"{', '.join(map(str, self.sizes))} -> {self.out_size}"


class Concatenation(Fusion):
    """Views one after the other, as Vougioukas et al. 2019 have it: no two of them interact, m = sum of s."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes, sum(sizes))

    def forward(self, *views: Tensor) -> Tensor:
        """(..., m) of views (..., s)."""
        self.check(views)
        shape = torch.broadcast_shapes(*(view.shape[:-1] for view in views))
        return torch.cat([view.expand(*shape, -1) for view in views], dim=-1)


class PolynomialFusion(Fusion):
    r"""A polynomial of views, each of which appears in a term once at most (Kefalas et al. 2020, eq 1).

    With :math:`\mathcal S` all sets of up to ``order`` views, and :math:`\mathcal W^{[S]}` of shape m times
    the sizes of the views in S,

    .. math:: \tilde z = b + \sum_{S \in \mathcal S} \mathcal W^{[S]} \prod_{v \in S} \times_v z_v

    For two views and order two this is eq 1, :math:`b + W^{[a]} z_a + W^{[d]} z_d + \mathcal W^{[a,d]}
    \times_2 z_a \times_3 z_d`. Subclasses say how the :math:`\mathcal W^{[S]}` are made of fewer parameters,
    and evaluate the polynomial without ever forming one.

    Parameters begin as Gaussians so scaled that views of unit variance give a result of unit variance, to
    which all terms add alike.

    Args:
        sizes: of the views' encodings.
        out_size: m, of the result.
        order: highest number of different views that interact, 1 to 3; all of them by default.
    """

    def __init__(self, sizes: Sequence[int], out_size: int, order: int | None = None) -> None:
        super().__init__(sizes, out_size)
        self.order = min(len(sizes), MOST_ORDER) if order is None else order
        check_range("order", self.order, 1, min(len(sizes), MOST_ORDER))

    @property
    def terms(self) -> list[tuple[int, ...]]:
        """The sets of views that interact, by numbers of the views; the first is empty, the bias."""
        views = range(len(self.sizes))
        return [chosen for count in range(self.order + 1) for chosen in combinations(views, count)]

    @abstractmethod
    def forward(self, *views: Tensor) -> Tensor:
        """(..., m) of views (..., s)."""

    @abstractmethod
    def reconstruct(self) -> Blocks:
        """Parameters of the full polynomial by the views that interact, as in :attr:`terms`."""

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"{super().extra_repr()}, order={self.order}"


def gaussian(*shape: int, variance: float) -> nn.Parameter:
    """A parameter of independent Gaussians."""
    return nn.Parameter(math.sqrt(variance) * torch.randn(shape))


class FullFusion(PolynomialFusion):
    """The polynomial with all its parameters free: m times the product of s + 1 where all views interact."""

    def __init__(self, sizes: Sequence[int], out_size: int, order: int | None = None) -> None:
        super().__init__(sizes, out_size, order)
        shapes = [[self.sizes[view] for view in term] for term in self.terms]
        self.blocks = nn.ParameterList(
            gaussian(out_size, *shape, variance=1 / (math.prod(shape) * len(shapes))) for shape in shapes
        )

    def forward(self, *views: Tensor) -> Tensor:
        """(..., m) of views (..., s)."""
        self.check(views)
        return evaluate(self.reconstruct(), views)

    def reconstruct(self) -> Blocks:
        """The parameters themselves."""
        return dict(zip(self.terms, self.blocks, strict=True))


def evaluate(blocks: Blocks, views: Sequence[Tensor]) -> Tensor:
    """(..., m) the full polynomial of views (..., s): what every decomposition must come to.

    Args:
        blocks: as of :meth:`PolynomialFusion.reconstruct`.
        views: one encoding of each view.
    """
    total: Tensor | None = None
    for term, block in blocks.items():
        part = block
        for left, view in reversed([*enumerate(term, start=2)]):
            part = contract(part, views[view], left)
        total = part if total is None else total + part
    assert total is not None
    return total


def contract(tensor: Tensor, vector: Tensor, modes: int) -> Tensor:
    """The last mode of a tensor with a vector: (..., I, ..., J) of (..., I, ..., J, K) and (..., K).

    Args:
        tensor: with or without leading dimensions, which are broadcast.
        vector: the same.
        modes: how many there are, from I to K.
    """
    shape = tensor.shape[tensor.ndim - modes : -1]
    flat = tensor.flatten(tensor.ndim - modes, -2)
    if flat.ndim == 2:
        return functional.linear(vector, flat).unflatten(-1, shape)
    return (flat @ vector[..., None])[..., 0].unflatten(-1, shape)
