"""Vertices cut into patches of neighbours, small enough that what their spirals read stays near."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from meshanim.ops._library import SpiralDecodeTables, address, check_result, cpu_library
from meshanim.ops.arrays import IntArray

NOTHING = -1


class Patches:
    """Tables of patches, on the device of the spirals.

    ``vertices`` (N, size) int32 and ``rows`` (N, rows) int32, ascending, end in -1 where a patch has fewer;
    ``slots`` (N, L, size) are places in ``rows``, and the number of rows for no vertex.

    Args:
        spirals: (V, L) vertices, -1 for none.
        size: vertices of a patch, at most.
        rows: vertices that its spirals name, at most; L or more.
        kind: integers that the slots are, which hold ``rows``.
    """

    def __init__(self, spirals: Tensor, size: int, rows: int, kind: torch.dtype) -> None:
        with torch.device("cpu"):  # the walk is a processor's
            made = _tables(spirals.cpu().long().contiguous(), size, rows)
        self.vertices, self.rows = (table.to(spirals.device) for table in made[:2])
        self.slots = made[2].to(spirals.device, kind, memory_format=torch.contiguous_format)


class PatchesThrough:
    """Patches of an up-sampled mesh, with the coarse vertices that each needs.

    ``vertices`` and ``rows`` as in :class:`Patches`, as many rows as a patch reads at most; ``coarse`` (N, C)
    int32, ascending; all three end in -1 where a patch has fewer, ``counts`` (N, 3) int32 says how many.
    ``places`` (N, size, L) in ``rows``, their number for no vertex; ``corners`` (N, rows, K) int16 are the
    rows', as places in ``coarse``.

    Args:
        patches: of the fine vertices.
        corners: (V_fine, K) coarse vertices.
        coarse: their number.
    """

    def __init__(self, patches: Patches, corners: Tensor, coarse: int) -> None:
        width = int((patches.rows >= 0).sum(1).max()) if len(patches.rows) else 0
        self.vertices, self.rows = patches.vertices, patches.rows[:, :width].contiguous()
        self.places = patches.slots.clamp(max=width).transpose(1, 2).contiguous()
        with torch.device("cpu"):
            count, held = len(self.rows), (self.rows >= 0).unsqueeze(-1)
            keys = corners[self.rows.clamp(min=0)] + torch.arange(count).view(-1, 1, 1) * coarse
            needed = keys[held.expand_as(keys)].unique()
            self.coarse, firsts = _by_patch(needed, count, coarse)
            places = torch.searchsorted(needed, keys) - firsts.view(-1, 1, 1)
            self.corners = torch.where(held, places, 0).to(torch.int16)
        tables = (self.vertices, self.rows, self.coarse)
        self.counts = torch.stack([(table >= 0).sum(1) for table in tables], 1).to(torch.int32)

    def fill(self, tables: SpiralDecodeTables) -> None:
        """Write their addresses and sizes into the structure of the C side."""
        tables.patch_counts, tables.vertices = self.counts.data_ptr(), self.vertices.data_ptr()
        tables.rows, tables.patch_coarse = self.rows.data_ptr(), self.coarse.data_ptr()
        tables.places, tables.patch_corners = self.places.data_ptr(), self.corners.data_ptr()
        tables.patches, tables.patch_size = self.vertices.shape
        tables.patch_rows, tables.patch_coarse_size = self.rows.shape[1], self.coarse.shape[1]


def _by_patch(keys: Tensor, count: int, number: int, width: int | None = None) -> tuple[Tensor, Tensor]:
    """Table (count, width) int32 of ascending keys patch * number + vertex, and where each patch's begin."""
    owner = keys // max(number, 1)
    firsts = torch.searchsorted(owner, torch.arange(count))
    places = torch.arange(len(keys)) - firsts[owner]
    if width is None:
        width = int(places.max()) + 1 if len(places) else 0
    table = torch.full((count, width), NOTHING, dtype=torch.int32)
    table[owner, places] = (keys - owner * number).to(torch.int32)
    return table, firsts


def _tables(spirals: Tensor, size: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    number, owners = len(spirals), torch.from_numpy(patch_numbers(spirals.numpy(), size, rows))
    held = torch.bincount(owners)
    count, order = len(held), torch.sort(owners, stable=True).indices
    vertices = torch.full((count, size), NOTHING)
    vertices[torch.arange(size) < held.unsqueeze(1)] = order
    named = torch.where(vertices.unsqueeze(-1) < 0, NOTHING, spirals[vertices.clamp(min=0)])
    keys = named + torch.arange(count).view(-1, 1, 1) * number
    read = keys[named >= 0].unique()
    table, firsts = _by_patch(read, count, number, rows)
    places = torch.searchsorted(read, keys) - firsts.view(-1, 1, 1)
    return vertices.to(torch.int32), table, torch.where(named < 0, rows, places).transpose(1, 2)


def patch_numbers(spirals: IntArray, size: int, rows: int) -> IntArray:
    """The number (V,) of each vertex' patch, the patches numbered as they are made.

    Each is grown from a vertex beside the patches before, neighbours first, until it is full or would read
    too many rows.
    """
    library = cpu_library()
    if library is None:
        return patch_numbers_reference(spirals, size, rows)
    numbers = np.empty(len(spirals), dtype=np.int64)
    sizes = (*spirals.shape, size, rows)
    check_result(library.meshanim_spiral_patches(address(spirals), *sizes, address(numbers)))
    return numbers


def patch_numbers_reference(spirals: IntArray, size: int, rows: int) -> IntArray:
    """The same as :func:`patch_numbers`."""
    numbers = np.full(len(spirals), NOTHING)
    patch, held = 0, 0
    read: set[int] = set()
    front, seeds, others = deque[int](), deque[int](), deque(range(len(spirals)))
    for _ in spirals:
        vertex = next(v for v in _drained(front, seeds, others) if numbers[v] < 0)
        named = [v for v in spirals[vertex].tolist() if v >= 0]
        if held == size or (held and len(read.union(named)) > rows):
            seeds.extend(front)
            front.clear()
            patch, held, read = patch + 1, 0, set()
        numbers[vertex], held = patch, held + 1
        read.update(named)
        front.extend(named)
    return numbers


def _drained(*queues: deque[int]) -> Iterator[int]:
    """What the queues hold, the first one's first, taken off them."""
    for queue in queues:
        while queue:
            yield queue.popleft()
