"""Spiral convolution on the CUDA kernels: against the float64 reference, on a CPU and on a GPU too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshanim.ops import _cuda_ops, mesh_pool, spiral_conv, spiral_conv_reference, spiral_decode

from .emulated import (
    DTYPES,
    Emulator,
    Gpu,
    amid_nan,
    check_close,
    direction_of,
    here,
    random_leaves,
    results_of,
    same_bits,
)

# The slope of ELU is y + 1 of a rounded y, which cancels next to -1.
ELU_FACTOR = 4
SIZES = [  # (batch, vertices, length, in, out): the paper's widths, odd ones, single ones, none
    (1, 140, 9, 64, 32),
    (2, 201, 9, 32, 16),
    (2, 130, 27, 16, 8),
    (2, 317, 9, 8, 3),
    (2, 65, 5, 3, 16),
    (1, 77, 4, 7, 5),
    (1, 64, 3, 33, 33),
    (2, 20, 3, 72, 70),
    (2, 40, 6, 1, 7),
    (2, 40, 1, 5, 1),
    (1, 1, 1, 1, 1),
    (300, 1, 4, 16, 64),
    (0, 20, 4, 3, 5),
    (2, 20, 0, 3, 5),
]


def _spiral_inputs(sizes: tuple[int, ...], dtype: torch.dtype) -> tuple[list[Tensor], Tensor]:
    batch, vertices, length, channels, outputs = sizes
    generator = torch.Generator().manual_seed(1)
    spirals = torch.randint(-1, vertices, (vertices, length), generator=generator, device="cpu")
    shapes = ((batch, vertices, channels), (outputs, length * channels), (outputs,))
    return random_leaves(dtype, *shapes), here(spirals)


@pytest.mark.parametrize("activation", [None, "relu", "elu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_spiral_convolution_is_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, activation: str | None, machine: Emulator | Gpu
) -> None:
    leaves, spirals = _spiral_inputs(sizes, dtype)
    found = results_of(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias, activation), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    reference = results_of(
        lambda x, weight, bias: spiral_conv_reference(x, spirals, weight, bias, activation), doubles
    )
    check_close(found, reference, ELU_FACTOR if activation == "elu" else 1)
    assert all(value.dtype == dtype for value in found) and machine.launched


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [size for size in SIZES if size[0] and size[3] < 70], ids=str)
def test_tiles_alignment_and_order_of_threads_do_not_matter(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves, spirals = _spiral_inputs(sizes, dtype)

    def run(leaves: list[Tensor]) -> list[Tensor]:
        return results_of(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias, "elu"), leaves)

    small = run(leaves)
    machine.backwards = True
    assert same_bits(run(leaves), small), "a barrier is missing"
    assert same_bits(run([amid_nan(leaf.detach(), 15) for leaf in leaves]), small)
    monkeypatch.setattr(_cuda_ops, "FEW_BLOCKS", 0)
    assert same_bits(run(leaves), small)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_kernel_is_launched_by_some_size(
    dtype: torch.dtype, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for few in (0, 256):
        monkeypatch.setattr(_cuda_ops, "FEW_BLOCKS", few)
        for width in (3, 8, 16, 32, 64):
            (x, weight, bias), spirals = _spiral_inputs((1, 2, 2, width, width), dtype)
            spiral_conv(x, spirals, weight, bias, "relu").sum().backward()
            pooling = (spirals.clamp(min=0), torch.ones(2, 2, dtype=dtype))
            mesh_pool(x, *pooling).sum().backward()
            spiral_decode(x, *pooling, spirals, weight, bias)
    for op in {op for op, _ in emulator.launched}:
        assert emulator.kernels(op, dtype) == {kernel for known, kernel in emulator.launched if known == op}


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)], ids=str)
def test_only_wanted_gradients_are_made(needs: tuple[bool, ...], machine: Emulator | Gpu) -> None:
    leaves, spirals = _spiral_inputs((2, 30, 4, 6, 5), torch.float32)
    wanted = results_of(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias, "relu"), leaves)
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip(leaves, needs, strict=True)]
    y = spiral_conv(leaves[0], spirals, leaves[1], leaves[2], "relu")
    y.backward(direction_of(y, y.dtype))
    assert [leaf.grad is not None for leaf in leaves] == list(needs)
    for leaf, gradient in zip(leaves, wanted[1:], strict=True):
        assert leaf.grad is None or torch.equal(leaf.grad, gradient)


def test_rounding_does_not_grow_with_the_mesh(machine: Emulator | Gpu) -> None:
    leaves, spirals = _spiral_inputs((1, 28431, 9, 8, 3), torch.float32)
    found = results_of(lambda x, weight, bias: spiral_conv(x, spirals, weight, bias), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    check_close(found, results_of(lambda x, w, b: spiral_conv_reference(x, spirals, w, b), doubles))
