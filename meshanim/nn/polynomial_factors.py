"""Decompositions of a polynomial's parameters (Kefalas et al. 2020, section 2.2); TensorLy undoes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_choice, check_range
from meshanim.nn.polynomial_fusion import (
    Blocks,
    Concatenation,
    FullFusion,
    Fusion,
    PolynomialFusion,
    contract,
    gaussian,
)

FUSIONS = ("cp", "tucker", "cmf", "cmf-sr", "full", "concatenation")


@contextmanager
def _tensorly() -> Iterator[Any]:
    """TensorLy on PyTorch; it takes a second to import, and only reconstruction wants it."""
    import tensorly

    with tensorly.backend_context("pytorch"):
        yield tensorly


class _JointFusion(PolynomialFusion):
    r"""Joint factorization of all terms: one tensor of m x (s_1 + 1) x (s_2 + 1) x ... holds them (eq 6).

    .. math:: \tilde z = \mathcal W \times_2 \phi(z_1) \times_3 \phi(z_2) \cdots, \qquad \phi(z) = [z, 1]

    Each mode's factor ends with the row that the 1 meets. Where fewer views may interact than there are,
    the part of the tensor in which more do is left out: what has met views is kept apart by how many.
    """

    factors: nn.ParameterList

    def _meet(
        self, start: Tensor, views: Sequence[Tensor], meet: Callable[[Tensor, Tensor, int], Tensor]
    ) -> Tensor:
        """The sum of all terms: ``start`` after it met every view, from the last to the first.

        Args:
            start: what there is before any view.
            views: as of ``forward``.
            meet: gives a part and (..., k) of a view together, told how many modes the part has yet.
        """
        degrees = [start]
        for number, factor in reversed([*enumerate(self.factors)]):
            seen, unseen, modes = views[number] @ factor[:-1], factor[-1], number + 2
            longer = [meet(part, unseen, modes) for part in degrees] + [meet(degrees[-1], seen, modes)]
            for degree, part in enumerate(degrees[:-1], start=1):
                longer[degree] = longer[degree] + meet(part, seen, modes)
            degrees = longer[: self.order + 1]
        return reduce(torch.add, degrees)

    def _cut(self, joint: Tensor) -> Blocks:
        """The terms' tensors in the joint one."""
        return {
            term: joint[:, *(slice(size) if view in term else size for view, size in enumerate(self.sizes))]
            for term in self.terms
        }


class CPFusion(_JointFusion):
    r"""Canonical polyadic decomposition of the joint tensor (eq 7), k (m + sum of s + 1) parameters.

    .. math:: W_{(1)} = A^{(1)} (A^{(3)} \odot A^{(2)})^T, \qquad
        \tilde z = A^{(1)} \left(A^{(2)T} \phi(z_1) * A^{(3)T} \phi(z_2)\right)

    and so on for three views.

    Args:
        sizes: of the views' encodings.
        out_size: m, of the result.
        rank: k.
        order: highest number of different views that interact; all of them by default.
    """

    def __init__(self, sizes: Sequence[int], out_size: int, rank: int, order: int | None = None) -> None:
        super().__init__(sizes, out_size, order)
        check_range("rank", rank, 1)
        self.out = gaussian(out_size, rank, variance=1 / (rank * len(self.terms)))
        self.factors = nn.ParameterList(_with_row(size, rank) for size in sizes)

    def forward(self, *views: Tensor) -> Tensor:
        """(..., m) of views (..., s)."""
        self.check(views)
        return self._meet(self.out.new_ones(()), views, lambda part, met, _: part * met) @ self.out.T

    def reconstruct(self) -> Blocks:
        """Parameters of the full polynomial by the views that interact."""
        with _tensorly() as tl:
            return self._cut(tl.cp_to_tensor((None, [self.out, *self.factors])))


class TuckerFusion(_JointFusion):
    r"""Tucker decomposition of the joint tensor (eq 8).

    .. math:: \mathcal W = \mathcal G \times_1 U^{(1)} \times_2 U^{(2)} \times_3 U^{(3)} \cdots

    Args:
        sizes: of the views' encodings.
        out_size: m, of the result.
        ranks: k_1 of the result's mode, then one of each view.
        order: highest number of different views that interact; all of them by default.
    """

    def __init__(
        self, sizes: Sequence[int], out_size: int, ranks: Sequence[int], order: int | None = None
    ) -> None:
        super().__init__(sizes, out_size, order)
        if len(ranks) != len(sizes) + 1:
            raise InputError(f"ranks must be {len(sizes) + 1}, of the result and each view, got {len(ranks)}")
        for rank in ranks:
            check_range("ranks", rank, 1)
        inner = math.prod(ranks[1:])
        self.out = gaussian(out_size, ranks[0], variance=1 / ranks[0])
        self.core = gaussian(*ranks, variance=1 / (inner * len(self.terms)))
        self.factors = nn.ParameterList(
            _with_row(size, rank) for size, rank in zip(sizes, ranks[1:], strict=True)
        )

    def forward(self, *views: Tensor) -> Tensor:
        """(..., m) of views (..., s)."""
        self.check(views)
        return self._meet(self.core, views, contract) @ self.out.T

    def reconstruct(self) -> Blocks:
        """Parameters of the full polynomial by the views that interact."""
        with _tensorly() as tl:
            return self._cut(tl.tucker_to_tensor((self.core, [self.out, *self.factors])))


class CoupledFusion(PolynomialFusion):
    r"""Coupled matrix-tensor factorizations: all terms share their column space U (eqs 3 to 5).

    .. math:: W^{[a]} = U V^{[a]T}, \quad W^{[d]} = U V^{[d]T}, \quad
        W^{[a,d]}_{(1)} = U (B^{(3)} \odot B^{(2)})^T

    and so on: in every term each of its views has a factor of its own, or, where rows are shared (eq 6b), the
    same one in all terms, :math:`B^{(2)} = V^{[a]}, B^{(3)} = V^{[d]}`. The bias is free.

    Args:
        sizes: of the views' encodings.
        out_size: m, of the result.
        rank: k.
        order: highest number of different views that interact; all of them by default.
        shared_rows: share the rows' spaces too.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        out_size: int,
        rank: int,
        order: int | None = None,
        shared_rows: bool = False,
    ) -> None:
        super().__init__(sizes, out_size, order)
        check_range("rank", rank, 1)
        self.rank, self.shared_rows = rank, shared_rows
        share = 1 / len(self.terms)
        self.bias = gaussian(out_size, variance=share)
        self.columns = gaussian(out_size, rank, variance=share / rank)
        self.rows = nn.ParameterDict(
            {
                self._key(term, view): gaussian(self.sizes[view], rank, variance=1 / self.sizes[view])
                for term in self.terms
                for view in term
            }
        )

    def _key(self, term: tuple[int, ...], view: int) -> str:
        return str(view) if self.shared_rows else f"{view} of {'-'.join(map(str, term))}"

    def forward(self, *views: Tensor) -> Tensor:
        """(..., m) of views (..., s)."""
        self.check(views)
        met = {key: views[int(key.split()[0])] @ factor for key, factor in self.rows.items()}
        parts = [reduce(torch.mul, [met[self._key(term, view)] for view in term]) for term in self.terms[1:]]
        return reduce(torch.add, parts) @ self.columns.T + self.bias

    def reconstruct(self) -> Blocks:
        """Parameters of the full polynomial by the views that interact."""
        with _tensorly() as tl:
            blocks = {
                term: tl.cp_to_tensor(
                    (None, [self.columns, *(self.rows[self._key(term, view)] for view in term)])
                )
                for term in self.terms[1:]
            }
        return {(): self.bias, **blocks}


def _with_row(size: int, rank: int) -> nn.Parameter:
    """(size + 1, rank): rows that a view of unit variance meets, and the one that the 1 does."""
    factor = gaussian(size + 1, rank, variance=1 / size)
    nn.init.normal_(factor.data[-1])
    return factor


def make_fusion(
    kind: str,
    sizes: Sequence[int],
    out_size: int,
    rank: int = 128,
    ranks: Sequence[int] = (192, 128, 64),
    order: int | None = None,
) -> Fusion:
    """A fusion by its name; ranks are the paper's.

    Args:
        kind: one of :data:`FUSIONS`.
        sizes: of the views' encodings.
        out_size: m; for a concatenation, the sum of the sizes.
        rank: of ``cp``, ``cmf`` and ``cmf-sr``.
        ranks: of ``tucker``, the result's first.
        order: highest number of different views that interact; all of them by default.
    """
    check_choice("fusion", kind, FUSIONS)
    if kind == "cp":
        return CPFusion(sizes, out_size, rank, order)
    if kind == "tucker":
        return TuckerFusion(sizes, out_size, ranks, order)
    if kind in ("cmf", "cmf-sr"):
        return CoupledFusion(sizes, out_size, rank, order, shared_rows=kind == "cmf-sr")
    if kind == "full":
        return FullFusion(sizes, out_size, order)
    if out_size != sum(sizes):
        raise InputError(f"out_size of a concatenation must be {sum(sizes)}, got {out_size}")
    return Concatenation(sizes)
