"""The spiral convolution against its float64 reference, by values, gradients, laws and refusals."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import spiral_conv, spiral_conv_reference
from meshanim.ops._library import cpu_library

Target = tuple[torch.device, torch.dtype]

# Sums of a few hundred products of order one: a relative error of some hundred roundings at the very most.
BOUND = {torch.float32: 2e-6, torch.float64: 1e-14}
WEIGHT_BOUND = {torch.float32: 1e-5, torch.float64: 1e-13}
# The gradient of ELU reads y + 1 off a rounded y: another rounding or two in a product that may cancel.
ELU_FACTOR = 4

SIZES = [  # (batch, vertices, length, in, out): the paper's widths, odd ones, single ones, none
    (1, 228, 9, 64, 32),
    (3, 301, 9, 32, 16),
    (2, 130, 27, 16, 8),
    (2, 517, 9, 8, 3),
    (2, 65, 5, 3, 16),
    (1, 77, 4, 7, 5),
    (1, 64, 3, 33, 33),
    (2, 40, 6, 1, 7),
    (2, 40, 1, 5, 1),
    (1, 1, 1, 1, 1),
    (3, 1, 4, 16, 64),
    (0, 20, 4, 3, 5),
]


def _inputs(sizes: tuple[int, ...], target: Target, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, vertices, length, channels, outputs = sizes
    generator = torch.Generator().manual_seed(seed)
    device, dtype = target
    spirals = torch.randint(-1, vertices, (vertices, length), generator=generator)
    values = [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(device, dtype).requires_grad_()
        for shape in ((batch, vertices, channels), (outputs, length * channels), (outputs,))
    ]
    return values[0], spirals.to(device), values[1], values[2]


def _doubles(*tensors: Tensor) -> list[Tensor]:
    return [tensor.detach().double().requires_grad_() for tensor in tensors]


def _relative(value: Tensor, exact: Tensor) -> float:
    """Largest absolute error over largest absolute reference."""
    if exact.numel() == 0:
        return 0.0
    return float(
        (value.detach().double() - exact.detach()).abs().max() / exact.detach().abs().max().clamp(min=1e-30)
    )


@pytest.mark.parametrize("activation", [None, "relu", "elu"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients_are_the_references(
    sizes: tuple, activation: str | None, target: Target
) -> None:
    x, spirals, weight, bias = _inputs(sizes, target)
    y = spiral_conv(x, spirals, weight, bias, activation)
    exact_inputs = _doubles(x, weight, bias)
    exact = spiral_conv_reference(exact_inputs[0], spirals, exact_inputs[1], exact_inputs[2], activation)
    assert y.shape == exact.shape and y.dtype == x.dtype and y.is_contiguous()
    assert _relative(y, exact) <= BOUND[target[1]]

    direction = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, weight, bias), direction)
    wanted = torch.autograd.grad(exact, exact_inputs, direction.double())
    factor = ELU_FACTOR if activation == "elu" else 1
    for value, reference, bound in zip(found, wanted, (BOUND, WEIGHT_BOUND, WEIGHT_BOUND), strict=True):
        assert _relative(value, reference) <= factor * bound[target[1]]


def test_rounding_does_not_grow_with_the_mesh() -> None:
    x, spirals, weight, bias = _inputs((2, 28431, 9, 8, 3), (torch.device("cpu"), torch.float32))
    exact_inputs = _doubles(x, weight, bias)
    y = spiral_conv(x, spirals, weight, bias)
    exact = spiral_conv_reference(exact_inputs[0], spirals, exact_inputs[1], exact_inputs[2])
    direction = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, weight, bias), direction)
    wanted = torch.autograd.grad(exact, exact_inputs, direction.double())
    for value, reference, bound in zip(found, wanted, (2e-6, 1e-5, 1e-5), strict=True):
        assert _relative(value, reference) <= bound


def test_padding_counts_as_zeros() -> None:
    x = torch.ones(1, 2, 1)
    spirals = torch.tensor([[0, 1, -1], [1, -1, -1]])
    weight = torch.tensor([[1.0, 10.0, 100.0]])
    assert spiral_conv(x, spirals, weight).flatten().tolist() == [11.0, 1.0]
    assert spiral_conv(x, torch.full((2, 3), -1), weight).abs().max() == 0


def test_length_zero_and_no_channels_leave_the_bias() -> None:
    bias = torch.tensor([1.0, -2.0])
    for x, length in ((torch.ones(2, 4, 3), 0), (torch.ones(2, 4, 0), 5)):
        spirals = torch.zeros(4, length, dtype=torch.int64)
        y = spiral_conv(x, spirals, torch.zeros(2, length * x.shape[2]), bias)
        assert torch.equal(y, bias.expand(2, 4, 2))


def _reordered(target: Target, own_kernels: bool) -> float:
    """Relative difference of sums in two orders: none in our kernels; else both are near the exact sum."""
    return 0 if own_kernels else 2 * BOUND[target[1]]


def test_relabelled_vertices_give_relabelled_results(target: Target, own_kernels: bool) -> None:
    x, spirals, weight, bias = _inputs((2, 50, 6, 16, 8), target)
    order = torch.randperm(50, device=target[0])
    place = torch.empty_like(order)
    place[order] = torch.arange(50, device=target[0])
    moved = torch.where(spirals < 0, -1, place[spirals.clamp(min=0)])[order]
    same = spiral_conv(x, spirals, weight, bias)[:, order]
    # Every vertex's sum runs over its spiral in the same order.
    found = spiral_conv(x[:, order], moved, weight, bias)
    assert _relative(found, same.double()) <= _reordered(target, own_kernels)


def test_a_batch_is_its_members(target: Target, own_kernels: bool) -> None:
    x, spirals, weight, bias = _inputs((3, 50, 6, 16, 8), target)
    one_by_one = [spiral_conv(x[i : i + 1], spirals, weight, bias, "relu") for i in range(3)]
    found = spiral_conv(x, spirals, weight, bias, "relu")
    assert _relative(found, torch.cat(one_by_one).double()) <= _reordered(target, own_kernels)


def test_strides_do_not_matter(target: Target, own_kernels: bool) -> None:
    x, spirals, weight, bias = _inputs((2, 30, 4, 6, 5), target)
    y = spiral_conv(x, spirals, weight, bias)
    wide = torch.stack((x.detach(), x.detach()), -1)[..., 0].requires_grad_()
    transposed = x.detach().transpose(1, 2).contiguous().transpose(1, 2)
    doubled = torch.stack((spirals, spirals), -1)[..., 1]
    assert not wide.is_contiguous() and not transposed.is_contiguous() and not doubled.is_contiguous()
    bound = _reordered(target, own_kernels)
    other = spiral_conv(wide, doubled, weight.t().contiguous().t(), bias)
    assert _relative(other, y.double()) <= bound
    assert _relative(spiral_conv(transposed, spirals, weight, bias), y.double()) <= bound
    (found,) = torch.autograd.grad(
        spiral_conv(wide, spirals, weight, bias).sum(), wide
    )  # an expanded gradient
    (wanted,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert _relative(found, wanted.double()) <= bound


def test_changed_spirals_are_seen() -> None:
    x, spirals, weight, _ = _inputs((1, 20, 4, 3, 5), (torch.device("cpu"), torch.float32))
    before = spiral_conv(x, spirals, weight)
    spirals[:, 0] = 0
    after = spiral_conv(x, spirals, weight)
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, spiral_conv_reference(x, spirals, weight))
    spirals[3, 2] = 20
    with pytest.raises(InputError, match="spirals must lie in"):
        spiral_conv(x, spirals, weight)


@pytest.mark.parametrize("needs", list(itertools.product([False, True], repeat=3)), ids=str)
def test_only_wanted_gradients_are_made(needs: tuple[bool, ...]) -> None:
    x, spirals, weight, bias = _inputs((2, 30, 4, 6, 5), (torch.device("cpu"), torch.float64))
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip((x, weight, bias), needs, strict=True)]
    y = spiral_conv(leaves[0], spirals, leaves[1], leaves[2], "relu")
    assert y.requires_grad == any(needs)
    if any(needs):
        y.square().sum().backward()
    assert tuple(leaf.grad is not None for leaf in leaves) == needs


def test_the_same_bits_at_every_call() -> None:
    x, spirals, weight, bias = _inputs((4, 3000, 9, 16, 8), (torch.device("cpu"), torch.float32))

    def run() -> tuple[Tensor, ...]:
        y = spiral_conv(x, spirals, weight, bias, "elu")
        return (y, *torch.autograd.grad(y.square().sum(), (x, weight, bias)))

    first = run()
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


@pytest.mark.skipif(cpu_library() is None, reason="the reference is PyTorch's own")
def test_thread_counts_agree() -> None:
    x, spirals, weight, bias = _inputs((3, 2000, 9, 16, 8), (torch.device("cpu"), torch.float32))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3, 4, 8):
            torch.set_num_threads(count)
            y = spiral_conv(x, spirals, weight, bias, "relu")
            results.append((y, *torch.autograd.grad(y.square().sum(), (x, weight, bias))))
    finally:
        torch.set_num_threads(threads)
    for y, grad_x, grad_weight, grad_bias in results[1:]:
        assert torch.equal(y, results[0][0]) and torch.equal(grad_x, results[0][1])
        # Shares of the vertices are added in another order, in double precision: one rounding at most.
        torch.testing.assert_close(grad_weight, results[0][2], rtol=2e-7, atol=1e-6)
        torch.testing.assert_close(grad_bias, results[0][3], rtol=2e-7, atol=1e-6)


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_instruction_set_gives_the_references_values(sizes: tuple, target: Target) -> None:
    test_values_and_gradients_are_the_references(sizes, "relu", target)


@pytest.mark.parametrize("activation", [None, "elu"])
@pytest.mark.parametrize("sizes", [(2, 7, 3, 3, 5), (1, 9, 4, 8, 3), (2, 1, 1, 1, 1)], ids=str)
def test_gradcheck(sizes: tuple, activation: str | None) -> None:
    x, spirals, weight, bias = _inputs(sizes, (torch.device("cpu"), torch.float64))
    assert torch.autograd.gradcheck(
        lambda *a: spiral_conv(a[0], spirals, a[1], a[2], activation), (x, weight, bias)
    )


@pytest.mark.parametrize("activation", ["none", "relu", "elu"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_opcheck(activation: str, with_bias: bool, target: Target) -> None:
    x, spirals, weight, bias = _inputs((2, 12, 4, 3, 5), target)
    arguments = (x, spirals, weight, bias if with_bias else None, activation)
    torch.library.opcheck(torch.ops.meshanim.spiral_conv.default, arguments)


def test_opcheck_of_the_backward_op(target: Target) -> None:
    x, spirals, weight, bias = (value.detach() for value in _inputs((2, 12, 4, 3, 5), target))
    y = spiral_conv(x, spirals, weight, bias, "relu")
    for needs in ((True, True, True), (False, True, False)):
        arguments = (torch.randn_like(y), x, spirals, weight, y, "relu", *needs)
        torch.library.opcheck(torch.ops.meshanim.spiral_conv_backward.default, arguments)


def test_compiled_graphs_hold_the_op_whole() -> None:
    x, spirals, weight, bias = _inputs((2, 40, 4, 3, 5), (torch.device("cpu"), torch.float32))

    def model(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return spiral_conv(x.tanh(), spirals, weight, bias, "elu").sin()

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    y, wanted = compiled(x, weight, bias), model(x, weight, bias)
    torch.testing.assert_close(y, wanted)
    for a, b in zip(*(torch.autograd.grad(z.sum(), (x, weight, bias)) for z in (y, wanted)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_takes_the_reference(dtype: torch.dtype) -> None:
    x, spirals, weight, bias = _inputs((2, 20, 4, 3, 5), (torch.device("cpu"), dtype))
    y = spiral_conv(x, spirals, weight, bias)
    torch.testing.assert_close(y, spiral_conv_reference(x, spirals, weight, bias))
    y.sum().backward()
    assert x.grad is not None and x.grad.dtype == dtype


def test_inference_mode() -> None:
    x, spirals, weight, bias = _inputs((1, 20, 4, 3, 5), (torch.device("cpu"), torch.float32))
    with torch.inference_mode():
        y = spiral_conv(x, spirals.clone(), weight, bias)
    torch.testing.assert_close(y.clone(), spiral_conv_reference(x, spirals, weight, bias).detach())


WRONG: dict[str, dict] = {
    "x must have shape": {"x": torch.zeros(4, 3)},
    "x must be of a floating type": {"x": torch.zeros(2, 4, 3, dtype=torch.int64)},
    r"spirals must have shape \(4, any\), got \(5, 2\)": {"spirals": torch.zeros(5, 2, dtype=torch.int64)},
    "spirals must be int64": {"spirals": torch.zeros(4, 2, dtype=torch.int32)},
    r"spirals must lie in \[-1, 4\)": {"spirals": torch.full((4, 2), 4)},
    r"spirals must lie in \[-1, 4\), got values from -2": {"spirals": torch.full((4, 2), -2)},
    r"weight must have shape \(any, 6\)": {"weight": torch.zeros(5, 7)},
    "weight must be torch.float32": {"weight": torch.zeros(5, 6, dtype=torch.float64)},
    "weight must be on cpu": {"weight": torch.zeros(5, 6, device="meta")},
    r"bias must have shape \(5,\)": {"bias": torch.zeros(6)},
    "bias must be torch.float32": {"bias": torch.zeros(5, dtype=torch.float64)},
    "activation must be one of": {"activation": "tanh"},
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_arguments_are_named(words: str) -> None:
    arguments: dict = {
        "x": torch.zeros(2, 4, 3),
        "spirals": torch.zeros(4, 2, dtype=torch.int64),
        "weight": torch.zeros(5, 6),
        "bias": torch.zeros(5),
        "activation": None,
    }
    spiral_conv(**arguments)
    with pytest.raises(InputError, match=words):
        spiral_conv(**{**arguments, **WRONG[words]})
