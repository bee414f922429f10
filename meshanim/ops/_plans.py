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
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from meshanim._check import InputError, check_indices
from meshanim.ops._library import check_result, cpu_library
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
        self._inverse_through: WeakKeyDictionary[PoolPlan, tuple[Tensor, Tensor, Tensor]]
        self._inverse_through = WeakKeyDictionary()
        self._patches_through: WeakKeyDictionary[PoolPlan, dict[int, PatchesThrough]] = WeakKeyDictionary()

    def patches_through(self, pool: PoolPlan, size: int) -> PatchesThrough:
        """The vertices of an up-sampled mesh in patches of ``size`` that read at most twice as many."""
        found = self._patches_through.setdefault(pool, {})
        if size not in found:
            spirals = self.slots[:, : self.vertices].t()
            patches = Patches(spirals, size, max(2 * size, self.length), torch.int16)
            found[size] = PatchesThrough(patches, pool.indices, pool.coarse)
        return found[size]

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

    def inverse_through(self, pool: PoolPlan) -> tuple[Tensor, Tensor, Tensor]:
        """Inverse of spirals over an up-sampled mesh: list starts by coarse vertex and slot, source vertices,
        places (row * K + column) in the pooling matrix; all int32."""
        if pool not in self._inverse_through:
            rows, width = pool.indices.shape
            check_count("up_indices at all places of spirals", self.vertices * self.length * width)
            starts = torch.empty(pool.coarse * self.length + 1, dtype=torch.int32, device="cpu")
            sources, places = torch.empty(
                (2, max(rows * self.length * width, 1)), dtype=torch.int32, device="cpu"
            )
            sizes = (self.stride, self.vertices, self.length)
            arrays = (starts.data_ptr(), sources.data_ptr(), places.data_ptr())
            corners = (pool.indices.data_ptr(), width, pool.coarse)
            check_result(_library().meshanim_inverse_decode(self.slots.data_ptr(), *sizes, *corners, *arrays))
            self._inverse_through[pool] = (starts, sources, places)
        return self._inverse_through[pool]


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


def spiral_plan(spirals: Tensor) -> SpiralPlan:
    """The plan of a spiral matrix, made at the first call."""
    plan = find(spirals, 0)
    return plan if isinstance(plan, SpiralPlan) else keep(spirals, 0, SpiralPlan(spirals))


def pool_plan(indices: Tensor, coarse: int, name: str = "indices") -> PoolPlan:
    """The plan of a pooling matrix over ``coarse`` vertices, made at the first call; errors say ``name``."""
    plan = find(indices, coarse + 1)
    return plan if isinstance(plan, PoolPlan) else keep(indices, coarse + 1, PoolPlan(indices, coarse, name))


_plans: dict[tuple, tuple[StorageWeakRef, object]] = {}
_lock = threading.Lock()
Plan = TypeVar("Plan")


def _key(tensor: Tensor, extra: object) -> tuple:
    storage, place = tensor.untyped_storage()._cdata, tensor.storage_offset()
    return (storage, place, tensor.shape, tensor.stride(), tensor._version, extra)


def find(tensor: Tensor, extra: object) -> object | None:
    """The plan kept for a tensor under ``extra``, None where there is none."""
    if tensor.is_inference():  # no version counter: a change in place could not be seen
        return None
    found = _plans.get(_key(tensor, extra))
    return None if found is None or found[0].expired() else found[1]


def keep(tensor: Tensor, extra: object, plan: Plan) -> Plan:
    """Keep a plan as long as the tensor lives unchanged; returns it."""
    if not tensor.is_inference():
        with _lock:
            for key in [key for key, (storage, _) in _plans.items() if storage.expired()]:
                del _plans[key]
            _plans[_key(tensor, extra)] = (StorageWeakRef(tensor.untyped_storage()), plan)
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
