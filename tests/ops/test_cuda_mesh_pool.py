"""Pooling on the CUDA kernels: against the float64 reference, on a CPU and on a GPU too."""

from __future__ import annotations

import pytest
import torch

from meshanim.ops import mesh_pool, mesh_pool_reference

from .emulated import DTYPES, Emulator, Gpu, amid_nan, check_close, here, random_leaves, results_of, same_bits

POOL_SIZES = [  # (batch, coarse, fine, width, channels)
    (2, 46, 228, 3, 64),
    (3, 50, 201, 3, 8),
    (2, 30, 70, 3, 3),
    (2, 30, 10, 1, 7),
    (1, 5, 9, 4, 33),
    (1, 3, 4, 2, 2100),
    (1, 1, 1, 1, 1),
    (0, 5, 9, 3, 4),
    (2, 5, 0, 3, 4),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", POOL_SIZES, ids=str)
def test_pooling_is_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu
) -> None:
    batch, coarse, fine, width, channels = sizes
    leaves = random_leaves(dtype, (batch, coarse, channels), (fine, width))
    generator = torch.Generator().manual_seed(1)
    indices = here(torch.randint(0, coarse, (fine, width), generator=generator, device="cpu"))
    found = results_of(lambda x, weights: mesh_pool(x, indices, weights), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    check_close(found, results_of(lambda x, weights: mesh_pool_reference(x, indices, weights), doubles))
    assert all(value.dtype == dtype for value in found)
    shifted = [amid_nan(leaf.detach(), 15) for leaf in leaves]  # no loads of 16 bytes there
    assert same_bits(results_of(lambda x, weights: mesh_pool(x, indices, weights), shifted)[:2], found[:2])
