"""What is worked out of index tensors for the CUDA kernels."""

from __future__ import annotations

import itertools

import pytest
import torch

from meshanim.ops import _cuda_decode, _cuda_plans

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


@pytest.mark.parametrize(("size", "rows"), [*_cuda_decode.PATCH_ROWS.items(), (5, 7)])
def test_patches_hold_every_vertex_once_and_all_that_it_reads(size: int, rows: int) -> None:
    _, (*_, spirals) = decode_inputs((1, 60, 300, 3, 7, 1, 1), torch.float32)
    patches = _cuda_plans.SpiralSlots(spirals).patches(size, rows)
    assert patches.vertices.shape[1] == size and patches.rows.shape[1] == rows
    made = []
    for vertices, read, slots in zip(patches.vertices, patches.rows, patches.slots, strict=True):
        read = torch.cat((read, torch.tensor([-1])))
        for i, vertex in enumerate(vertices.tolist()):
            wanted = spirals[vertex] if vertex >= 0 else torch.full((7,), -1)
            assert torch.equal(read[slots[:, i].long()].long(), wanted)
            made.append(vertex)
    assert sorted(v for v in made if v >= 0) == list(range(300))


def test_patches_are_of_neighbours() -> None:
    across = torch.arange(900).view(30, 30)
    around = [torch.roll(across, (i, j), (0, 1)).flatten() for i in (-1, 0, 1) for j in (-1, 0, 1)]
    numbers = torch.randperm(900, generator=torch.Generator().manual_seed(0))
    spirals = torch.empty((900, 9), dtype=torch.int64)
    spirals[numbers] = numbers[torch.stack(around, 1)]
    patches = _cuda_plans.SpiralSlots(spirals).patches(64, 128)
    # A square of 8 x 8 vertices reads 10 x 10; the last patches are what the others left.
    assert (patches.rows >= 0).sum(1).float().mean() < 1.25 * 100


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
