"""What is worked out of index tensors for the CUDA kernels."""

from __future__ import annotations

import itertools

import pytest
import torch

from meshanim.ops import _cuda_plans

from .emulated import decode_inputs


def test_inverse_slots_name_everyone_who_has_a_vertex_at_a_place() -> None:
    spirals = torch.randint(-1, 40, (40, 6), generator=torch.Generator().manual_seed(0))
    slots, starts, members = _cuda_plans.SpiralSlots(spirals).inverse
    kinds = set()
    for place in range(6):
        for vertex in range(40):
            owners = [v for v in range(40) if spirals[v, place] == vertex]
            entry, slot = place * 40 + vertex, int(slots[place, vertex])
            assert members[starts[entry] : starts[entry + 1]].tolist() == owners
            wanted = (-1, owners[0] if owners else -1, -2)[min(len(owners), 2)]
            assert slot == wanted
            kinds.add(min(slot, 0))
    assert kinds == {-2, -1, 0}


def test_inverse_lists_name_all_who_read_a_coarse_vertex_at_a_place() -> None:
    _, (indices, _, spirals) = decode_inputs((1, 9, 20, 3, 4, 1, 1), torch.float32)
    plan, pool = _cuda_plans.SpiralSlots(spirals), _cuda_plans.pool_lists(indices, 9)
    starts, entries, sources = plan.inverse_through(pool)
    assert plan.inverse_through(pool)[0] is starts
    for u, place in itertools.product(range(9), range(4)):
        mine = slice(*starts[u * 4 + place : u * 4 + place + 2].tolist())
        wanted = [
            (v, 3 * f + k)
            for v, f in enumerate(spirals[:, place].tolist())
            for k in range(3)
            if f >= 0 and indices[f, k] == u
        ]
        assert list(zip(sources[mine].tolist(), entries[mine].tolist(), strict=True)) == wanted


def test_plans_lie_with_their_indices_whatever_the_default_device_is() -> None:
    _, (indices, _, spirals) = decode_inputs((1, 9, 20, 3, 4, 1, 1), torch.float32)
    with torch.device("meta"):
        plan, pool = _cuda_plans.SpiralSlots(spirals), _cuda_plans.PoolLists(indices, 9, "indices")
        patches = plan.patches(16, 64)
        made = [patches.vertices, patches.rows, patches.slots]
        made += [*plan.inverse, *pool.inverse, *plan.inverse_through(pool)]
    assert {tensor.device.type for tensor in made} == {"cpu"}


def test_plans_are_made_before_a_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    spirals, indices = torch.zeros((4, 3), dtype=torch.int64), torch.zeros((4, 3), dtype=torch.int64)
    plan = _cuda_plans.spiral_slots(spirals)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert _cuda_plans.spiral_slots(spirals) is plan
    with pytest.raises(RuntimeError, match="indices are checked at the first call: call the op once before"):
        _cuda_plans.pool_lists(indices, 4)
    with pytest.raises(RuntimeError, match="the inverse of the spirals is made at the first call"):
        _ = plan.inverse
    with pytest.raises(RuntimeError, match="spirals are cut into patches at the first call"):
        plan.patches(16, 64)
