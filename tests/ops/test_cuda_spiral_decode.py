"""Blocks of the decoder on the CUDA kernels: against the float64 reference, on a CPU and on a GPU too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from meshanim.ops import _cuda_decode, _cuda_ops, spiral_decode, spiral_decode_reference

from .emulated import (
    DTYPES,
    Emulator,
    Gpu,
    amid_nan,
    check_close,
    decode_inputs,
    direction_of,
    results_of,
    same_bits,
)

# Decoding rounds up-sampled rows, too, before their products are summed.
DECODE_FACTOR = 2
DECODE_SIZES = [  # (batch, coarse, fine, corners, length, in, out)
    (1, 20, 90, 3, 9, 64, 32),
    (9, 20, 80, 3, 9, 32, 16),
    (2, 30, 130, 3, 27, 16, 8),
    (3, 60, 317, 3, 9, 8, 3),
    (2, 20, 65, 4, 5, 3, 16),
    (1, 9, 77, 2, 4, 7, 5),
    (1, 20, 64, 1, 3, 33, 33),
    (2, 5, 20, 3, 3, 72, 70),
    (17, 3, 40, 3, 6, 1, 7),
    (2, 40, 11, 3, 1, 5, 1),
    (1, 9, 20, 3, 64, 5, 3),
    (1, 9, 20, 3, 65, 5, 3),
    (1, 1, 1, 1, 1, 1, 1),
    (0, 5, 20, 3, 4, 3, 5),
    (2, 5, 0, 3, 4, 3, 5),
    (2, 5, 20, 3, 0, 3, 5),
]


def _decode_results(
    leaves: list[Tensor], mesh: tuple[Tensor, Tensor, Tensor], activation: str | None
) -> list[Tensor]:
    return results_of(lambda x, weight, bias: spiral_decode(x, *mesh, weight, bias, activation), leaves)


@pytest.mark.parametrize("activation", [None, "relu", "elu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", DECODE_SIZES, ids=str)
def test_decoding_is_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, activation: str | None, machine: Emulator | Gpu
) -> None:
    leaves, mesh = decode_inputs(sizes, dtype)
    found = _decode_results(leaves, mesh, activation)
    indices, up_weights, spirals = mesh
    x, weight, bias = (leaf.detach().double().requires_grad_() for leaf in leaves)
    exact = spiral_decode_reference(x, indices, up_weights.double(), spirals, weight, bias)
    y, out = (exact if activation is None else getattr(functional, activation)(exact)), found[0].double()
    # Of the slope where rounding up-sampled rows moved a result across zero, as the rounded result has it.
    slope = {"relu": (out > 0).double(), "elu": out.clamp(max=0) + 1}.get(activation or "", torch.ones(()))
    gradients = torch.autograd.grad(exact, (x, weight, bias), direction_of(out, dtype).double() * slope)
    check_close(found, [y, *gradients], values_factor=DECODE_FACTOR)
    assert all(value.dtype == dtype for value in found)
    fused = spirals.shape[1] <= _cuda_decode.LONGEST
    assert not found[0].numel() or ("spiral_decode" in {op for op, _ in machine.launched}) == fused


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [size for size in DECODE_SIZES if size[0] and size[4] < 60], ids=str)
def test_patches_alignment_order_and_company_do_not_matter_to_decoding(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves, mesh = decode_inputs(sizes, dtype)
    small = _decode_results(leaves, mesh, "elu")
    machine.backwards = True
    assert same_bits(_decode_results(leaves, mesh, "elu"), small), "a barrier is missing"
    shifted = [amid_nan(leaf.detach(), 15) for leaf in leaves]
    assert same_bits(_decode_results(shifted, mesh, "elu"), small)
    alone = spiral_decode(leaves[0][:1], *mesh, leaves[1], leaves[2], "elu")
    assert torch.equal(alone, small[0][:1])
    monkeypatch.setattr(_cuda_ops, "FEW_BLOCKS", 0)
    assert same_bits(_decode_results(leaves, mesh, "elu"), small)


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)], ids=str)
def test_only_wanted_gradients_of_decoding_are_made(needs: tuple[bool, ...], machine: Emulator | Gpu) -> None:
    leaves, mesh = decode_inputs((2, 9, 30, 3, 4, 6, 5), torch.float32)
    wanted = _decode_results(leaves, mesh, "relu")
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip(leaves, needs, strict=True)]
    y = spiral_decode(leaves[0], *mesh, leaves[1], leaves[2], "relu")
    y.backward(direction_of(y, y.dtype))
    assert [leaf.grad is not None for leaf in leaves] == list(needs)
    for leaf, gradient in zip(leaves, wanted[1:], strict=True):
        assert leaf.grad is None or torch.equal(leaf.grad, gradient)


def test_rounding_of_decoding_does_not_grow_with_the_mesh(machine: Emulator | Gpu) -> None:
    leaves, mesh = decode_inputs((1, 5687, 28431, 3, 9, 8, 3), torch.float32)
    indices, up_weights, spirals = mesh
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    exact = results_of(
        lambda x, w, b: spiral_decode_reference(x, indices, up_weights.double(), spirals, w, b), doubles
    )
    check_close(_decode_results(leaves, mesh, None), exact)
