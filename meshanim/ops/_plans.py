"""What is worked out once per index tensor and kept as long as that tensor lives.

A plan holds the indices as the kernels want them (checked, 32 bit) and the inverse lists that turn the
gradient's scatter into a gather. Plans are found again by storage, place in it and version counter, so that
views and detached aliases share one, and a change in place that PyTorch counts makes a new one.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from typing import TypeVar

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from meshanim._check import InputError, check_indices
from meshanim.ops._library import SpiralDecodeTables, check_result, cpu_library
from meshanim.ops._patches import Patches, PatchesThrough


class SpiralPlan:
    """Spirals for the kernels: slots (L, V padded by -1) int32; inverse lists for gradients."""

    def __init__(self, spirals: Tensor) -> None:
        check_indices("spirals", spirals, spirals.shape[0], lowest=-1)
        self.vertices, self.length = spirals.shape
        multiple = _library().meshanim_slot_padding()
        self.stride = -(-self.vertices // multiple) * multiple
        check_count("spirals", self.length * self.stride)
        self.slots = torch.full((self.length, self.stride), -1, dtype=torch.int32, device="cpu")
        self.slots[:, : self.vertices] = spirals.detach().t()
        self._inverse: dict[bool, tuple[Tensor, Tensor, Tensor]] = {}

    def inverse(self, by_vertex: bool) -> tuple[Tensor, Tensor, Tensor]:
        """List starts, source vertices and places (slots, or positions in a tile of vertices); all int32."""
        if by_vertex not in self._inverse:
            library = _library()
            count = library.meshanim_inverse_list_count(self.vertices, self.length, by_vertex)
            starts = torch.empty(count + 1, dtype=torch.int32, device="cpu")
            sources, places = torch.empty(
                (2, max(self.vertices * self.length, 1)), dtype=torch.int32, device="cpu"
            )
            sizes = (self.stride, self.vertices, self.length, by_vertex)
            arrays = (starts.data_ptr(), sources.data_ptr(), places.data_ptr())
            check_result(library.meshanim_inverse_spirals(self.slots.data_ptr(), *sizes, *arrays))
            self._inverse[by_vertex] = (starts, sources, places)
        return self._inverse[by_vertex]


class PoolPlan:
    """Pooling indices for the kernels: ``indices`` (V_f, K) int32, and inverse lists."""

    def __init__(self, indices: Tensor, coarse: int, name: str) -> None:
        check_indices(name, indices, coarse)
        self.coarse = coarse
        self.indices = _narrow(name, indices)

    @functools.cached_property
    def inverse(self) -> tuple[Tensor, Tensor]:
        """List starts per coarse vertex, places (row * K + column) in the index matrix; all int32."""
        rows, width = self.indices.shape
        starts = torch.empty(self.coarse + 1, dtype=torch.int32, device="cpu")
        entries = torch.empty(max(rows * width, 1), dtype=torch.int32, device="cpu")
        sizes = (rows, width, self.coarse)
        arrays = (starts.data_ptr(), entries.data_ptr())
        check_result(_library().meshanim_inverse_lists(self.indices.data_ptr(), *sizes, *arrays))
        return starts, entries


class DecodePlan:
    """Spirals over an up-sampled mesh, for the kernels."""

    def __init__(self, pool: PoolPlan, spirals: SpiralPlan) -> None:
        self._pool, self._spirals = pool, spirals
        # patches are kept because the structure of the C side points into them
        self._tables: dict[int, tuple[SpiralDecodeTables, PatchesThrough | None]] = {}

    def tables(self, patch_size: int) -> SpiralDecodeTables:
        """Indices, and patches of ``patch_size`` vertices that read at most twice as many; 0 for none."""
        found = self._tables.get(patch_size)
        if found is None:
            pool, plan = self._pool, self._spirals
            tables = SpiralDecodeTables(pool.indices.data_ptr(), plan.slots.data_ptr(), plan.stride)
            patches = None
            if patch_size:
                spirals = plan.slots[:, : plan.vertices].t()
                cut = Patches(spirals, patch_size, max(2 * patch_size, plan.length), torch.int16)
                patches = PatchesThrough(cut, pool.indices, pool.coarse)
                patches.fill(tables)
            found = self._tables[patch_size] = (tables, patches)
        return found[0]

    @functools.cached_property
    def inverse(self) -> tuple[Tensor, Tensor, Tensor]:
        """List starts by coarse vertex and slot, source vertices, places (row * K + column) in the pooling
        matrix; all int32."""
        pool, plan = self._pool, self._spirals
        rows, width = pool.indices.shape
        check_count("up_indices at all places of spirals", plan.vertices * plan.length * width)
        starts = torch.empty(pool.coarse * plan.length + 1, dtype=torch.int32, device="cpu")
        sources, places = torch.empty(
            (2, max(rows * plan.length * width, 1)), dtype=torch.int32, device="cpu"
        )
        sizes = (plan.stride, plan.vertices, plan.length)
        arrays = (starts.data_ptr(), sources.data_ptr(), places.data_ptr())
        corners = (pool.indices.data_ptr(), width, pool.coarse)
        check_result(_library().meshanim_inverse_decode(plan.slots.data_ptr(), *sizes, *corners, *arrays))
        return starts, sources, places


def spiral_plan(spirals: Tensor) -> SpiralPlan:
    """The plan of a spiral matrix, made at the first call."""
    plan = find(SpiralPlan, spirals)
    return plan if isinstance(plan, SpiralPlan) else keep(SpiralPlan(spirals), SpiralPlan, spirals)


def pool_plan(indices: Tensor, coarse: int, name: str = "indices") -> PoolPlan:
    """The plan of a pooling matrix over ``coarse`` vertices, made at the first call; errors say ``name``."""
    plan = find(coarse, indices)
    return plan if isinstance(plan, PoolPlan) else keep(PoolPlan(indices, coarse, name), coarse, indices)


def decode_plan(up_indices: Tensor, spirals: Tensor, coarse: int) -> DecodePlan:
    """The plan of spirals over a mesh up-sampled from ``coarse`` vertices, made at the first call."""
    plan = find(coarse, up_indices, spirals)
    if isinstance(plan, DecodePlan):
        return plan
    plan = DecodePlan(pool_plan(up_indices, coarse, "up_indices"), spiral_plan(spirals))
    return keep(plan, coarse, up_indices, spirals)


_plans: dict[tuple | None, tuple[list[StorageWeakRef], object]] = {}
_lock = threading.Lock()
Plan = TypeVar("Plan")


def _key(what: object, tensors: tuple[Tensor, ...]) -> tuple | None:
    key: list[object] = [what]
    try:
        for tensor in tensors:
            key += (tensor.untyped_storage()._cdata, tensor.storage_offset())
            key += (tensor.shape, tensor.stride(), tensor._version)
    except RuntimeError:  # inference tensors have no version counter: a change in place could not be seen
        return None
    return tuple(key)


def find(what: object, *tensors: Tensor) -> object | None:
    """The plan ``what`` that is kept for tensors, None where there is none."""
    # no other storage has a kept one's number: a weak reference holds it
    found = _plans.get(_key(what, tensors))
    return None if found is None else found[1]


def keep(plan: Plan, what: object, *tensors: Tensor) -> Plan:
    """Keep a plan as long as the tensors live unchanged; returns it."""
    key = _key(what, tensors)
    if key is not None:
        with _lock:
            for other, (storages, _) in list(_plans.items()):
                if any(storage.expired() for storage in storages):
                    del _plans[other]
            _plans[key] = ([StorageWeakRef(tensor.untyped_storage()) for tensor in tensors], plan)
    return plan


def check_count(name: str, count: int) -> None:
    """Raise where ``count`` entries are more than 32 bits can number."""
    if count > torch.iinfo(torch.int32).max:
        raise InputError(f"{name} must have fewer than 2^31 entries, got {count}")


def _narrow(name: str, indices: Tensor) -> Tensor:
    check_count(name, indices.numel())
    return indices.detach().to(torch.int32).contiguous()


def _library() -> ctypes.CDLL:
    library = cpu_library()
    assert library is not None  # plans are made on the compiled path only
    return library
