"""Pooling against its float64 reference, by values, gradients, laws and refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import mesh_pool, mesh_pool_reference
from meshanim.ops._library import cpu_library

Target = tuple[torch.device, torch.dtype]

# Sums of three products forward, of some dozens backward, all of order one.
BOUND = {torch.float32: 1e-6, torch.float64: 1e-14}

SIZES = [  # (batch, coarse, fine, width, channels)
    (2, 46, 228, 3, 64),
    (1, 228, 1138, 3, 32),
    (3, 50, 201, 3, 8),
    (2, 30, 70, 3, 3),
    (2, 30, 10, 1, 7),
    (1, 5, 9, 4, 33),
    (1, 1, 1, 1, 1),
    (0, 5, 9, 3, 4),
    (2, 5, 0, 3, 4),
]


def _inputs(sizes: tuple[int, ...], target: Target) -> tuple[Tensor, Tensor, Tensor]:
    batch, coarse, fine, width, channels = sizes
    generator = torch.Generator().manual_seed(0)
    device, dtype = target
    x = torch.randn(batch, coarse, channels, generator=generator, dtype=torch.float64).to(device, dtype)
    indices = torch.randint(0, coarse, (fine, width), generator=generator).to(device)
    weights = torch.rand(fine, width, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), indices, (weights / weights.sum(1, keepdim=True)).to(device, dtype)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients_are_the_references(sizes: tuple, target: Target) -> None:
    x, indices, weights = _inputs(sizes, target)
    weights.requires_grad_()
    y = mesh_pool(x, indices, weights)
    exact_inputs = [value.detach().double().requires_grad_() for value in (x, weights)]
    exact = mesh_pool_reference(exact_inputs[0], indices, exact_inputs[1])
    direction = torch.randn_like(y)
    found = (y, *torch.autograd.grad(y, (x, weights), direction))
    wanted = (exact, *torch.autograd.grad(exact, exact_inputs, direction.double()))
    for value, reference in zip(found, wanted, strict=True):
        assert value.shape == reference.shape and value.dtype == target[1]
        if reference.numel():
            error = (value.double() - reference).abs().max() / reference.abs().max().clamp(min=1e-30)
            assert error <= BOUND[target[1]]


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_instruction_set_gives_the_references_values(sizes: tuple, target: Target) -> None:
    test_values_and_gradients_are_the_references(sizes, target)


def test_a_constant_stays_constant(target: Target) -> None:
    x, indices, weights = _inputs((2, 46, 228, 3, 5), target)
    y = mesh_pool(torch.full_like(x, 3.0), indices, weights)
    torch.testing.assert_close(y, torch.full_like(y, 3.0))  # rows of barycentric weights sum to one


def test_selection_by_ones_is_exact(target: Target) -> None:
    x, _, _ = _inputs((2, 46, 228, 3, 5), target)
    order = torch.randperm(46, device=target[0])
    assert torch.equal(mesh_pool(x, order[:, None], torch.ones_like(x[0, :, :1])), x[:, order])


def test_the_gradient_is_the_adjoint(target: Target) -> None:
    x, indices, weights = _inputs((2, 46, 228, 3, 5), target)
    y = mesh_pool(x, indices, weights)
    direction = torch.randn_like(y)
    (back,) = torch.autograd.grad(y, x, direction)
    # <Ax, g> = <x, A'g>; both are sums of some 2000 products, of which errors partly cancel.
    bound = 1e-4 if target[1] == torch.float32 else 1e-12
    forward = (y * direction).detach()
    assert float((forward.sum() - (x * back).detach().sum()).abs()) <= bound * float(forward.abs().sum())


def test_strides_do_not_matter(target: Target, own_kernels: bool) -> None:
    x, indices, weights = _inputs((2, 46, 228, 3, 5), target)
    y = mesh_pool(x, indices, weights)
    wide = x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    transposed = weights.t().contiguous().t()
    assert torch.equal(mesh_pool(wide, indices.t().contiguous().t(), transposed), y)
    (found,) = torch.autograd.grad(mesh_pool(wide, indices, weights).sum(), wide)
    (wanted,) = torch.autograd.grad(y, x, torch.ones_like(y))
    if own_kernels:
        assert torch.equal(found, wanted)
    else:  # PyTorch may add rows that meet at a vertex in any order
        torch.testing.assert_close(found, wanted)


def test_same_bits_at_every_call_and_thread_count() -> None:
    x, indices, weights = _inputs((4, 1138, 5687, 3, 16), (torch.device("cpu"), torch.float32))
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 1, 2, 3, 4):
            torch.set_num_threads(count)
            y = mesh_pool(x, indices, weights)
            results.append((y, *torch.autograd.grad(y.square().sum(), x)))
    finally:
        torch.set_num_threads(threads)
    if cpu_library() is not None:
        assert all(torch.equal(a[i], results[0][i]) for a in results for i in range(2))


def test_one_index_matrix_serves_meshes_of_other_sizes() -> None:
    x, indices, weights = _inputs((1, 10, 30, 3, 2), (torch.device("cpu"), torch.float32))
    larger = torch.cat((x.detach(), torch.ones(1, 5, 2)), 1).requires_grad_()
    small, large = mesh_pool(x, indices, weights), mesh_pool(larger, indices, weights)
    assert torch.equal(small, large)
    (gradient,) = torch.autograd.grad(large.sum(), larger)
    assert gradient.shape == larger.shape and bool((gradient[:, 10:] == 0).all())
    with pytest.raises(InputError, match=r"indices must lie in \[0, 9\)"):
        mesh_pool(x[:, :9], torch.full((4, 3), 9), torch.ones(4, 3))


def test_gradcheck() -> None:
    x, indices, weights = _inputs((2, 6, 9, 3, 4), (torch.device("cpu"), torch.float64))
    assert torch.autograd.gradcheck(lambda a, w: mesh_pool(a, indices, w), (x, weights.requires_grad_()))


def test_opcheck(target: Target) -> None:
    x, indices, weights = _inputs((2, 6, 9, 3, 4), target)
    torch.library.opcheck(torch.ops.meshanim.mesh_pool.default, (x, indices, weights))
    torch.library.opcheck(torch.ops.meshanim.mesh_pool.default, (x, indices, weights.requires_grad_()))
    grad = torch.randn(2, 9, 4, device=target[0], dtype=target[1])
    arguments = (grad, x.detach(), indices, weights.detach())
    torch.library.opcheck(torch.ops.meshanim.mesh_pool_backward.default, arguments)


def test_compiled_graphs_hold_the_op_whole() -> None:
    x, indices, weights = _inputs((2, 6, 9, 3, 4), (torch.device("cpu"), torch.float32))

    def model(x: Tensor) -> Tensor:
        return mesh_pool(x.tanh(), indices, weights).sin()

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    y, wanted = compiled(x), model(x)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(z.sum(), x)[0] for z in (y, wanted)))


WRONG = {
    "x must have shape": {"x": torch.zeros(4, 3)},
    "x must be of a floating type": {"x": torch.zeros(2, 4, 3, dtype=torch.int64)},
    "indices must have shape": {"indices": torch.zeros(6, dtype=torch.int64)},
    "indices must be int64": {"indices": torch.zeros(6, 3, dtype=torch.int32)},
    r"indices must lie in \[0, 4\), got values from 4": {"indices": torch.full((6, 3), 4)},
    r"indices must lie in \[0, 4\), got values from -1": {"indices": torch.full((6, 3), -1)},
    r"weights must have shape \(6, 3\)": {"weights": torch.zeros(6, 2)},
    "weights must be torch.float32": {"weights": torch.zeros(6, 3, dtype=torch.float64)},
    "weights must be on cpu": {"weights": torch.zeros(6, 3, device="meta")},
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_arguments_are_named(words: str) -> None:
    arguments = {
        "x": torch.zeros(2, 4, 3),
        "indices": torch.zeros(6, 3, dtype=torch.int64),
        "weights": torch.zeros(6, 3),
    }
    mesh_pool(**arguments)
    with pytest.raises(InputError, match=words):
        mesh_pool(**{**arguments, **WRONG[words]})
