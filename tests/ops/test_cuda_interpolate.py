"""Interpolation on the CUDA kernels: against the float64 reference, on a CPU and on a GPU too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshanim.ops import interpolate, interpolate_reference

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

SIZES = [  # (batch, vertices, faces, pixels, channels)
    (2, 300, 500, 700, 7),
    (1, 4, 2, 3000, 3),
    (3, 20, 10, 5, 1),
    (2, 20, 10, 50, 33),
    (1, 40, 30, 129, 2),
    (1, 3, 1, 1, 1),
    (0, 3, 1, 4, 2),
    (2, 3, 0, 4, 2),
    (2, 3, 1, 0, 2),
    (2, 3, 1, 4, 0),
]

# Hundreds of products in single precision, a few at most for most vertices.
SUM_FACTOR = 4


def inputs(sizes: tuple[int, ...], dtype: torch.dtype) -> tuple[list[Tensor], Tensor, Tensor]:
    """Leaves: attributes and weights; corners of faces, and faces of pixels."""
    batch, vertices, faces, pixels, channels = sizes
    generator = torch.Generator().manual_seed(1)
    corners = torch.randint(0, vertices, (faces, 3), generator=generator, device="cpu")
    face = torch.randint(-1, max(faces, 1), (batch, pixels), generator=generator, device="cpu")
    leaves = random_leaves(dtype, (batch, vertices, channels), (batch, pixels, 3))
    return leaves, here(corners), here(face.clamp(max=faces - 1))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients_are_the_references(
    sizes: tuple[int, ...], dtype: torch.dtype, machine: Emulator | Gpu
) -> None:
    leaves, corners, face = inputs(sizes, dtype)
    found = results_of(lambda x, weights: interpolate(x, corners, face, weights), leaves)
    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    wanted = results_of(lambda x, weights: interpolate_reference(x, corners, face, weights), doubles)
    check_close(found, wanted, SUM_FACTOR)
    assert all(value.dtype == dtype for value in found) and (found[0][face < 0] == 0).all()
    machine.backwards = True
    shifted = [amid_nan(leaf.detach(), 15) for leaf in leaves]
    assert same_bits(results_of(lambda x, weights: interpolate(x, corners, face, weights), shifted), found)


@pytest.mark.parametrize("needs", [(True, False), (False, True)], ids=str)
def test_only_wanted_gradients_are_made(needs: tuple[bool, bool], machine: Emulator | Gpu) -> None:
    leaves, corners, face = inputs((2, 30, 20, 90, 5), torch.float32)
    wanted = results_of(lambda x, weights: interpolate(x, corners, face, weights), leaves)
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip(leaves, needs, strict=True)]
    y = interpolate(leaves[0], corners, face, leaves[1])
    y.backward(direction_of(y, y.dtype))
    assert [leaf.grad is not None for leaf in leaves] == list(needs)
    for leaf, gradient in zip(leaves, wanted[1:], strict=True):
        assert leaf.grad is None or torch.equal(leaf.grad, gradient)


def test_strides_do_not_matter(machine: Emulator | Gpu) -> None:
    leaves, corners, face = inputs((2, 30, 20, 90, 5), torch.float32)
    wanted = results_of(lambda x, weights: interpolate(x, corners, face, weights), leaves)
    turned = [leaf.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for leaf in leaves]
    others = [index.t().contiguous().t() for index in (corners, face)]
    found = results_of(lambda x, weights: interpolate(x, others[0], others[1], weights), turned)
    assert same_bits(found, wanted)


def test_what_is_no_face_counts_as_none(machine: Emulator | Gpu) -> None:
    leaves, corners, face = inputs((2, 30, 20, 90, 5), torch.float32)
    wrong = face.clone()
    wrong[:, ::3], face[:, ::3] = 20, -1
    wanted = results_of(lambda x, weights: interpolate(x, corners, face, weights), leaves)
    assert same_bits(results_of(lambda x, weights: interpolate(x, corners, wrong, weights), leaves), wanted)


def test_opcheck(machine: Emulator | Gpu) -> None:
    (attributes, weights), corners, face = inputs((2, 9, 5, 6, 4), torch.float32)
    torch.library.opcheck(torch.ops.meshanim.interpolate.default, (attributes, corners, face, weights))
    grad = torch.randn(2, 6, 4)
    arguments = (grad, attributes.detach(), corners, face, weights.detach(), True, True)
    torch.library.opcheck(torch.ops.meshanim.interpolate_backward.default, arguments)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_kernel_is_launched(dtype: torch.dtype, emulator: Emulator) -> None:
    leaves, corners, face = inputs((1, 5, 4, 6, 2), dtype)
    results_of(lambda x, weights: interpolate(x, corners, face, weights), leaves)
    assert emulator.kernels("interpolate", dtype) == {kernel for _, kernel in emulator.launched}
