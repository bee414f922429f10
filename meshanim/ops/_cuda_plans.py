"""What the CUDA kernels need of an index tensor, worked out on its device once, kept as long as it lives."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from meshanim._check import check_indices
from meshanim.ops._cuda import check_not_capturing
from meshanim.ops._plans import check_count, find, keep

NOTHING, SEVERAL = -1, -2
"""Slots of no row and of a list of rows, as the CUDA sources have them."""


class SpiralSlots:
    """Spirals (V, L) as slots (L, V) int32: the row at each place of each vertex's spiral."""

    def __init__(self, spirals: Tensor) -> None:
        check_indices("spirals", spirals, spirals.shape[0], lowest=-1)
        check_count("spirals", spirals.numel())
        self.slots = spirals.detach().t().to(torch.int32, memory_format=torch.contiguous_format)

    @functools.cached_property
    def inverse(self) -> tuple[Tensor, Tensor, Tensor]:
        """Slots (L, V) of the vertices that have a vertex at a place of their spirals; list starts, members.

        The list of slot i is ``members[starts[i]:starts[i + 1]]``, ascending; a slot of one member names it.
        """
        length, vertices = self.slots.shape
        count, device = self.slots.numel(), self.slots.device
        check_not_capturing("the inverse of the spirals is made")
        firsts = torch.arange(length, device=device).unsqueeze(1) * vertices
        owners = torch.where(self.slots < 0, count, firsts + self.slots).flatten()
        owners, order = torch.sort(owners, stable=True)
        starts = torch.searchsorted(owners, torch.arange(count + 1, device=device))
        members = (order % max(vertices, 1)).to(torch.int32)
        sizes = starts.diff()
        slots = torch.where(sizes == 0, NOTHING, SEVERAL).to(torch.int32)
        single = sizes == 1
        slots[single] = members[starts[:-1][single]]
        return slots.view(length, vertices), starts.to(torch.int32), members


class PoolLists:
    """Pooling indices (V_f, K) as int32."""

    def __init__(self, indices: Tensor, coarse: int, name: str) -> None:
        check_indices(name, indices, coarse)
        check_count(name, indices.numel())
        self.coarse = coarse
        self.indices = indices.detach().to(torch.int32, memory_format=torch.contiguous_format)

    @functools.cached_property
    def inverse(self) -> tuple[Tensor, Tensor]:
        """List starts per coarse vertex, entries (row * K + column) of the index matrix; all int32."""
        check_not_capturing("the inverse of the pooling is made")
        owners, order = torch.sort(self.indices.flatten(), stable=True)
        numbers = torch.arange(self.coarse + 1, device=owners.device, dtype=torch.int32)
        return torch.searchsorted(owners, numbers).to(torch.int32), order.to(torch.int32)


def spiral_slots(spirals: Tensor) -> SpiralSlots:
    """The plan of a spiral matrix, made at the first call."""
    plan = find(spirals, SpiralSlots)
    if isinstance(plan, SpiralSlots):
        return plan
    check_not_capturing("spirals are checked")
    return keep(spirals, SpiralSlots, SpiralSlots(spirals))


def pool_lists(indices: Tensor, coarse: int, name: str = "indices") -> PoolLists:
    """The plan of pooling from ``coarse`` vertices, made at the first call; errors call it ``name``."""
    plan = find(indices, (PoolLists, coarse))
    if isinstance(plan, PoolLists):
        return plan
    check_not_capturing(f"{name} are checked")
    return keep(indices, (PoolLists, coarse), PoolLists(indices, coarse, name))
