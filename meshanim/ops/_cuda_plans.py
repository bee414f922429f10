"""What the CUDA kernels need of an index tensor, worked out on its device once, kept as long as it lives."""

from __future__ import annotations

import functools
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from meshanim._check import check_indices
from meshanim.ops._cuda import check_not_capturing, finished
from meshanim.ops._patches import NOTHING, Patches
from meshanim.ops._plans import check_count, find, keep

SEVERAL = -2
"""Slot of a list of rows, as the CUDA sources have it, beside NOTHING for no row."""


class SpiralSlots:
    """Spirals (V, L) as slots (L, V) int32: the row at each place of each vertex's spiral."""

    def __init__(self, spirals: Tensor) -> None:
        check_indices("spirals", spirals, spirals.shape[0], lowest=-1)
        check_count("spirals", spirals.numel())
        (self.slots,) = finished(spirals.detach().t().to(torch.int32, memory_format=torch.contiguous_format))
        self._patches: dict[tuple[int, int], Patches] = {}
        self._through: WeakKeyDictionary[PoolLists, tuple[Tensor, ...]] = WeakKeyDictionary()

    @functools.cached_property
    def inverse(self) -> tuple[Tensor, ...]:
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
        return finished(slots.view(length, vertices), starts.to(torch.int32), members)

    def patches(self, size: int, rows: int) -> Patches:
        """The vertices cut into patches of ``size`` that read ``rows`` vertices at most."""
        if (size, rows) not in self._patches:
            check_not_capturing("spirals are cut into patches")
            patches = Patches(self.slots.t(), size, rows, torch.uint8)
            finished(patches.vertices, patches.rows, patches.slots)
            self._patches[size, rows] = patches
        return self._patches[size, rows]

    def inverse_through(self, pool: PoolLists) -> tuple[Tensor, ...]:
        """Inverse of the spirals of an up-sampled mesh: list starts by coarse vertex and place of a spiral,
        entries (row * K + column) of the pooling matrix, vertices with such spirals; all int32.
        """
        if pool not in self._through:
            check_not_capturing("the inverse of the spirals is made")
            (length, vertices), width = self.slots.shape, pool.indices.shape[1]
            check_count("up_indices at all places of spirals", self.slots.numel() * width)
            fine, columns = self.slots.t().long(), torch.arange(width, device=self.slots.device)
            places = torch.arange(length, device=fine.device).unsqueeze(1)
            count = pool.coarse * length
            lists = pool.indices[fine.clamp(min=0)] * length + places if vertices else fine.unsqueeze(-1)
            lists = torch.where(fine.unsqueeze(-1) < 0, count, lists).flatten()
            owners, order = torch.sort(lists, stable=True)
            starts = torch.searchsorted(owners, torch.arange(count + 1, device=fine.device))
            entries = (fine.unsqueeze(-1) * width + columns).flatten()[order]
            sources = order // max(length * width, 1)
            self._through[pool] = finished(*(values.to(torch.int32) for values in (starts, entries, sources)))
        return self._through[pool]


class PoolLists:
    """Pooling indices (V_f, K) as int32."""

    def __init__(self, indices: Tensor, coarse: int, name: str) -> None:
        check_indices(name, indices, coarse)
        check_count(name, indices.numel())
        self.coarse = coarse
        (self.indices,) = finished(indices.detach().to(torch.int32, memory_format=torch.contiguous_format))

    @functools.cached_property
    def inverse(self) -> tuple[Tensor, ...]:
        """List starts per coarse vertex, entries (row * K + column) of the index matrix; all int32."""
        check_not_capturing("the inverse of the pooling is made")
        owners, order = torch.sort(self.indices.flatten(), stable=True)
        numbers = torch.arange(self.coarse + 1, device=owners.device, dtype=torch.int32)
        return finished(torch.searchsorted(owners, numbers).to(torch.int32), order.to(torch.int32))


def spiral_slots(spirals: Tensor) -> SpiralSlots:
    """The plan of a spiral matrix, made at the first call."""
    plan = find(SpiralSlots, spirals)
    if isinstance(plan, SpiralSlots):
        return plan
    check_not_capturing("spirals are checked")
    return keep(SpiralSlots(spirals), SpiralSlots, spirals)


def pool_lists(indices: Tensor, coarse: int, name: str = "indices") -> PoolLists:
    """The plan of pooling from ``coarse`` vertices, made at the first call; errors call it ``name``."""
    plan = find((PoolLists, coarse), indices)
    if isinstance(plan, PoolLists):
        return plan
    check_not_capturing(f"{name} are checked")
    return keep(PoolLists(indices, coarse, name), (PoolLists, coarse), indices)
