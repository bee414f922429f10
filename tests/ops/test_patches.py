"""Patches of neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from meshanim.ops._library import cpu_library
from meshanim.ops._patches import Patches, PatchesThrough, patch_numbers, patch_numbers_reference

from .emulated import decode_inputs


@pytest.mark.parametrize(("size", "rows"), [(64, 128), (16, 64), (5, 7)])
def test_patches_hold_every_vertex_once_and_all_that_it_reads(size: int, rows: int) -> None:
    _, (*_, spirals) = decode_inputs((1, 60, 300, 3, 7, 1, 1), torch.float32)
    patches = Patches(spirals, size, rows, torch.uint8)
    assert patches.vertices.shape[1] == size and patches.rows.shape[1] == rows
    made = []
    for vertices, read, slots in zip(patches.vertices, patches.rows, patches.slots, strict=True):
        read = torch.cat((read, torch.tensor([-1])))
        for i, vertex in enumerate(vertices.tolist()):
            wanted = spirals[vertex] if vertex >= 0 else torch.full((7,), -1)
            assert torch.equal(read[slots[:, i].long()].long(), wanted)
            made.append(vertex)
    assert sorted(v for v in made if v >= 0) == list(range(300))


@pytest.mark.parametrize(("size", "rows"), [(64, 128), (5, 7), (300, 300)])
def test_patches_of_an_up_sampled_mesh_name_the_corners_of_their_rows_and_no_others(
    size: int, rows: int
) -> None:
    _, (corners, _, spirals) = decode_inputs((1, 60, 300, 3, 7, 1, 1), torch.float32)
    patches = Patches(spirals, size, rows, torch.int16)
    through = PatchesThrough(patches, corners.to(torch.int32), 60)
    assert (through.coarse.dtype, through.corners.dtype) == (torch.int32, torch.int16)
    tables = (through.vertices, through.rows, through.coarse)
    counts = torch.stack([(table >= 0).sum(1) for table in tables], 1)
    assert torch.equal(through.counts.long(), counts)
    for read, coarse, places in zip(through.rows, through.coarse, through.corners, strict=True):
        needed = coarse[coarse >= 0]
        wanted = corners[read[read >= 0].long()]
        assert torch.equal(needed.long(), wanted.unique())
        assert torch.equal(coarse[places[read >= 0].long()].long(), wanted)
    assert bool((through.coarse[:, -1] >= 0).any())
    for vertices, read, places in zip(through.vertices, through.rows, through.places, strict=True):
        named = torch.cat((read, torch.tensor([-1])))[places[vertices >= 0].long()]
        assert torch.equal(named.long(), spirals[vertices[vertices >= 0].long()])


def test_patches_are_of_neighbours() -> None:
    across = torch.arange(900).view(30, 30)
    around = [torch.roll(across, (i, j), (0, 1)).flatten() for i in (-1, 0, 1) for j in (-1, 0, 1)]
    numbers = torch.randperm(900, generator=torch.Generator().manual_seed(0))
    spirals = torch.empty((900, 9), dtype=torch.int64)
    spirals[numbers] = numbers[torch.stack(around, 1)]
    patches = Patches(spirals, 64, 128, torch.int16)
    # A square of 8 x 8 vertices reads 10 x 10; the last patches are what the others left.
    assert (patches.rows >= 0).sum(1).float().mean() < 1.25 * 100


@pytest.mark.skipif(cpu_library() is None, reason="no compiled library in use")
@pytest.mark.parametrize(("size", "rows"), [(1, 9), (7, 9), (64, 90), (64, 1000), (1000, 1000)])
def test_the_compiled_walk_is_the_reference(size: int, rows: int) -> None:
    generator = np.random.default_rng(size + rows)
    near = np.arange(500)[:, None] + generator.integers(-20, 21, (500, 9))
    far = generator.integers(0, 500, (500, 9))
    for spirals in (near % 500, far, np.where(far < 100, -1, near % 500)):
        found = patch_numbers(spirals, size, rows)
        wanted = patch_numbers_reference(spirals, size, rows)
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)


def test_no_vertices_make_no_patches() -> None:
    patches = Patches(torch.empty((0, 9), dtype=torch.int64), 8, 16, torch.int16)
    assert patches.vertices.shape == (0, 8)
    assert patches.rows.shape == (0, 16)
    assert patches.slots.shape == (0, 9, 8)
    through = PatchesThrough(patches, torch.empty((0, 3), dtype=torch.int32), 5)
    assert through.coarse.shape == (0, 0)
    assert through.corners.shape == (0, 0, 3)
