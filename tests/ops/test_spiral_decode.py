"""Up-sampling with spiral convolution against its float64 reference: values, gradients, laws, refusals."""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import mesh_pool, spiral_conv, spiral_decode, spiral_decode_reference
from meshanim.ops._library import cpu_library
from meshanim.ops._plans import decode_plan, pool_plan

Target = tuple[torch.device, torch.dtype]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]

compiled_only = pytest.mark.skipif(cpu_library() is None, reason="the reference is PyTorch's own")
# Sums of a few hundred products of order one: a relative error of some hundred roundings at the very most.
BOUND = {torch.float32: 2e-6, torch.float64: 1e-14}
WEIGHT_BOUND = {torch.float32: 1e-5, torch.float64: 1e-13}
# The gradient of ELU reads y + 1 off a rounded y: another rounding or two in a product that may cancel.
ELU_FACTOR = 4

SIZES = [  # (batch, coarse, fine, corners, length, in, out): the paper's widths, odd ones, single ones, none
    (1, 46, 228, 3, 9, 64, 32),
    (16, 46, 228, 3, 9, 64, 32),
    (5, 60, 301, 3, 9, 32, 16),
    (2, 30, 130, 3, 27, 16, 8),
    (18, 103, 517, 3, 9, 8, 3),
    (33, 20, 65, 4, 5, 3, 16),
    (3, 9, 77, 2, 4, 7, 5),
    (1, 20, 64, 3, 3, 33, 33),
    (7, 20, 64, 1, 2, 17, 18),
    (8, 17, 40, 3, 6, 1, 7),
    (2, 40, 11, 3, 1, 5, 1),
    (1, 1, 1, 1, 1, 1, 1),
    (17, 1, 1, 3, 4, 16, 40),
    (0, 5, 20, 3, 4, 3, 5),
    (2, 5, 0, 3, 4, 3, 5),
]


def _inputs(sizes: tuple[int, ...], target: Target, seed: int = 0) -> Inputs:
    batch, coarse, fine, corners, length, channels, outputs = sizes
    generator = torch.Generator().manual_seed(seed)
    device, dtype = target
    indices = torch.randint(0, coarse, (fine, corners), generator=generator)
    spirals = torch.randint(-1, fine, (fine, length), generator=generator)
    up_weights = torch.rand((fine, corners), generator=generator, dtype=torch.float64)
    up_weights /= up_weights.sum(1, keepdim=True)
    values = [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(device, dtype).requires_grad_()
        for shape in ((batch, coarse, channels), (outputs, length * channels), (outputs,))
    ]
    mesh = (indices.to(device), up_weights.to(device, dtype), spirals.to(device))
    return values[0], *mesh, values[1], values[2]


def _learned(inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """What has a gradient: x, weight, bias."""
    return inputs[0], inputs[4], inputs[5]


def _doubled(inputs: Inputs) -> Inputs:
    x, indices, up_weights, spirals, weight, bias = inputs
    x, weight, bias = (value.detach().double().requires_grad_() for value in (x, weight, bias))
    return x, indices, up_weights.double(), spirals, weight, bias


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
    inputs = _inputs(sizes, target)
    y = spiral_decode(*inputs, activation)
    exact_inputs = _doubled(inputs)
    exact = spiral_decode_reference(*exact_inputs, activation)
    assert y.shape == exact.shape and y.dtype == target[1] and y.is_contiguous()
    assert _relative(y, exact) <= BOUND[target[1]]

    direction = torch.randn_like(y)
    found = torch.autograd.grad(y, _learned(inputs), direction)
    wanted = torch.autograd.grad(exact, _learned(exact_inputs), direction.double())
    factor = ELU_FACTOR if activation == "elu" else 1
    for value, reference, bound in zip(found, wanted, (BOUND, WEIGHT_BOUND, WEIGHT_BOUND), strict=True):
        assert value.shape == reference.shape and _relative(value, reference) <= factor * bound[target[1]]


@compiled_only
def test_rounding_does_not_grow_with_the_mesh() -> None:
    inputs = _inputs((16, 5687, 28431, 3, 9, 8, 3), (torch.device("cpu"), torch.float32))
    exact_inputs = _doubled(inputs)
    y, exact = spiral_decode(*inputs), spiral_decode_reference(*exact_inputs)
    assert _relative(y, exact) <= 2e-6
    direction = torch.randn_like(y)
    found = torch.autograd.grad(y, _learned(inputs), direction)
    wanted = torch.autograd.grad(exact, _learned(exact_inputs), direction.double())
    for value, reference, bound in zip(found, wanted, (2e-6, 1e-5, 1e-5), strict=True):
        assert _relative(value, reference) <= bound


def test_it_is_pooling_then_convolution(target: Target) -> None:
    inputs = _inputs((3, 60, 301, 3, 9, 32, 16), target)
    x, indices, up_weights, spirals, weight, bias = inputs
    two_steps = spiral_conv(mesh_pool(x, indices, up_weights), spirals, weight, bias, "relu")
    assert _relative(spiral_decode(*inputs, "relu"), two_steps.double()) <= 2 * BOUND[target[1]]


def test_padding_counts_as_zeros() -> None:
    x = torch.ones(1, 1, 1)
    indices, up_weights = torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1)
    spirals = torch.tensor([[0, 1, -1], [1, -1, -1]])
    weight = torch.tensor([[1.0, 10.0, 100.0]])
    assert spiral_decode(x, indices, up_weights, spirals, weight).flatten().tolist() == [11.0, 1.0]
    nothing = spiral_decode(x, indices, up_weights, torch.full((2, 3), -1), weight)
    assert nothing.abs().max() == 0


def test_length_zero_and_no_channels_leave_the_bias() -> None:
    bias = torch.tensor([1.0, -2.0])
    indices, up_weights = torch.zeros(4, 3, dtype=torch.int64), torch.ones(4, 3)
    for batch, channels, length in itertools.product((2, 20), (3, 0), (0, 5)):
        if channels and length:
            continue
        x, spirals = torch.ones(batch, 2, channels), torch.zeros(4, length, dtype=torch.int64)
        y = spiral_decode(x, indices, up_weights, spirals, torch.zeros(2, length * channels), bias)
        assert torch.equal(y, bias.expand(batch, 4, 2))


@pytest.mark.parametrize("sizes", [(37, 20, 65, 3, 9, 8, 3), (37, 20, 65, 2, 5, 5, 17)], ids=str)
def test_a_batch_is_its_members(sizes: tuple, target: Target, own_kernels: bool) -> None:
    """To the bit, so that what an animation shows at one time does not depend on how it is cut in batches."""
    if not own_kernels:
        pytest.skip("the reference is PyTorch's own")
    x, indices, up_weights, spirals, weight, bias = _inputs(sizes, target)
    direction = torch.randn(37, 65, sizes[-1]).to(x)

    def run(first: int, last: int) -> tuple[Tensor, Tensor]:
        y = spiral_decode(x[first:last], indices, up_weights, spirals, weight, bias, "relu")
        return y, torch.autograd.grad(y, x, direction[first:last])[0][first:last]

    whole = run(0, 37)
    for cuts in (range(38), (0, 4, 20, 37)):
        parts = [run(first, last) for first, last in itertools.pairwise(cuts)]
        assert all(torch.equal(a, torch.cat(b)) for a, b in zip(whole, zip(*parts, strict=True), strict=True))


def test_strides_do_not_matter(target: Target, own_kernels: bool) -> None:
    x, indices, up_weights, spirals, weight, bias = _inputs((2, 12, 30, 3, 4, 6, 5), target)
    y = spiral_decode(x, indices, up_weights, spirals, weight, bias)
    wide = torch.stack((x.detach(), x.detach()), -1)[..., 0].requires_grad_()
    others = (
        indices.t().contiguous().t(),
        up_weights.t().contiguous().t(),
        torch.stack((spirals, spirals), -1)[..., 1],
        weight.t().contiguous().t(),
        torch.stack((bias, bias), -1)[..., 1],
    )
    assert not any(value.is_contiguous() for value in (wide, *others))
    same = spiral_decode(wide, *others)
    # Our kernels give the same bits; PyTorch may add in another order, either way near the exact sums.
    bound = 0 if own_kernels else 2 * BOUND[target[1]]
    assert _relative(same, y.double()) <= bound
    (found,) = torch.autograd.grad(same.sum(), wide)  # an expanded gradient
    (wanted,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert _relative(found, wanted.double()) <= bound


def test_changed_indices_are_seen() -> None:
    inputs = _inputs((1, 9, 20, 3, 4, 3, 5), (torch.device("cpu"), torch.float32))
    _, indices, _, spirals, *_ = inputs
    for changed in (indices, spirals):
        before = spiral_decode(*inputs)
        changed[:, 0] = 0
        y = spiral_decode(*inputs)
        assert not torch.equal(before, y)
        torch.testing.assert_close(y, spiral_decode_reference(*inputs))
        for a, b in zip(
            torch.autograd.grad(y.sum(), _learned(inputs)),
            torch.autograd.grad(spiral_decode_reference(*inputs).sum(), _learned(inputs)),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("needs", list(itertools.product([False, True], repeat=3)), ids=str)
def test_only_wanted_gradients_are_made(needs: tuple[bool, ...], batch: int) -> None:
    x, indices, up_weights, spirals, weight, bias = _inputs(
        (batch, 12, 30, 3, 4, 6, 5), (torch.device("cpu"), torch.float64)
    )
    all_gradients = torch.autograd.grad(
        spiral_decode(x, indices, up_weights, spirals, weight, bias, "relu").square().sum(), (x, weight, bias)
    )
    leaves = [leaf.detach().requires_grad_(need) for leaf, need in zip((x, weight, bias), needs, strict=True)]
    y = spiral_decode(leaves[0], indices, up_weights, spirals, leaves[1], leaves[2], "relu")
    assert y.requires_grad == any(needs)
    if any(needs):
        y.square().sum().backward()
    for leaf, need, wanted in zip(leaves, needs, all_gradients, strict=True):
        assert (leaf.grad is not None) == need
        if leaf.grad is not None:
            torch.testing.assert_close(leaf.grad, wanted)


@pytest.mark.parametrize("batch", [1, 20])
def test_the_same_bits_at_every_call(batch: int) -> None:
    inputs = _inputs((batch, 600, 3000, 3, 9, 16, 8), (torch.device("cpu"), torch.float32))

    def run() -> tuple[Tensor, ...]:
        y = spiral_decode(*inputs, "elu")
        return (y, *torch.autograd.grad(y.square().sum(), _learned(inputs)))

    first = run()
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


@compiled_only
@pytest.mark.parametrize("batch", [2, 20])
def test_thread_counts_agree(batch: int) -> None:
    inputs = _inputs((batch, 400, 2000, 3, 9, 16, 8), (torch.device("cpu"), torch.float32))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3, 4, 8):
            torch.set_num_threads(count)
            y = spiral_decode(*inputs, "relu")
            results.append((y, *torch.autograd.grad(y.square().sum(), _learned(inputs))))
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
@pytest.mark.parametrize("sizes", [(2, 5, 7, 3, 3, 3, 5), (9, 4, 6, 2, 3, 2, 3), (1,) * 7], ids=str)
def test_gradcheck(sizes: tuple, activation: str | None) -> None:
    inputs = _inputs(sizes, (torch.device("cpu"), torch.float64))
    mesh = inputs[1:4]
    assert torch.autograd.gradcheck(
        lambda x, weight, bias: spiral_decode(x, *mesh, weight, bias, activation), _learned(inputs)
    )


@pytest.mark.parametrize("activation", ["none", "relu", "elu"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_opcheck(activation: str, with_bias: bool, target: Target) -> None:
    *others, bias = _inputs((2, 5, 12, 3, 4, 3, 5), target)
    arguments = (*others, bias if with_bias else None, activation)
    torch.library.opcheck(torch.ops.meshanim.spiral_decode.default, arguments)


def test_opcheck_of_the_backward_op(target: Target) -> None:
    inputs = _inputs((2, 5, 12, 3, 4, 3, 5), target)
    x, indices, up_weights, spirals, weight, bias = (value.detach() for value in inputs)
    y = spiral_decode(x, indices, up_weights, spirals, weight, bias, "relu")
    for needs in ((True, True, True), (False, True, False)):
        arguments = (torch.randn_like(y), x, indices, up_weights, spirals, weight, y, "relu", *needs)
        torch.library.opcheck(torch.ops.meshanim.spiral_decode_backward.default, arguments)


def test_compiled_graphs_hold_the_op_whole() -> None:
    x, indices, up_weights, spirals, weight, bias = _inputs(
        (2, 9, 40, 3, 4, 3, 5), (torch.device("cpu"), torch.float32)
    )

    def model(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return spiral_decode(x.tanh(), indices, up_weights, spirals, weight, bias, "elu").sin()

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    y, wanted = compiled(x, weight, bias), model(x, weight, bias)
    torch.testing.assert_close(y, wanted)
    for a, b in zip(*(torch.autograd.grad(z.sum(), (x, weight, bias)) for z in (y, wanted)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_takes_the_reference(dtype: torch.dtype) -> None:
    inputs = _inputs((2, 9, 20, 3, 4, 3, 5), (torch.device("cpu"), dtype))
    y = spiral_decode(*inputs, "relu")
    torch.testing.assert_close(y, spiral_decode_reference(*inputs, "relu"))
    found = torch.autograd.grad(y.sum(), _learned(inputs))
    wanted = torch.autograd.grad(spiral_decode_reference(*inputs, "relu").sum(), _learned(inputs))
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.05)  # a few roundings of either type, added


def test_inference_mode() -> None:
    inputs = _inputs((1, 9, 20, 3, 4, 3, 5), (torch.device("cpu"), torch.float32))
    x, indices, up_weights, spirals, weight, bias = inputs
    with torch.inference_mode():
        y = spiral_decode(x, indices.clone(), up_weights, spirals.clone(), weight, bias)
    torch.testing.assert_close(y.clone(), spiral_decode_reference(*inputs).detach())


@pytest.mark.skipif(cpu_library() is None, reason="references need no plans")
def test_inverse_lists_go_with_either_matrix() -> None:
    _, indices, _, spirals, *_ = _inputs((1, 9, 20, 3, 4, 3, 5), (torch.device("cpu"), torch.float32))
    for other in (indices, indices.clone()):
        starts, sources, places = decode_plan(other, spirals, 9).inverse
        assert decode_plan(other, spirals, 9).inverse[0] is starts
        for u, place in itertools.product(range(9), range(4)):
            mine = slice(*starts[u * 4 + place : u * 4 + place + 2].tolist())
            assert bool((indices.reshape(-1)[places[mine].long()] == u).all())
            assert torch.equal(spirals[sources[mine].long(), place], (places[mine] // 3).long())
        assert int(starts[-1]) == 3 * int((spirals >= 0).sum())
    gone = weakref.ref(decode_plan(other, spirals, 9))
    del other
    pool_plan(torch.zeros(2, 3, dtype=torch.int64), 9)  # plans of dead tensors go when the next one comes
    gc.collect()
    assert gone() is None


WRONG: dict[str, dict] = {
    "x must have shape": {"x": torch.zeros(4, 3)},
    "x must be of a floating type": {"x": torch.zeros(2, 4, 3, dtype=torch.int64)},
    "up_indices must have shape": {"up_indices": torch.zeros(6, dtype=torch.int64)},
    "up_indices must be int64": {"up_indices": torch.zeros(6, 3, dtype=torch.int32)},
    r"up_indices must lie in \[0, 4\), got values from 4": {"up_indices": torch.full((6, 3), 4)},
    r"up_indices must lie in \[0, 4\), got values from -1": {"up_indices": torch.full((6, 3), -1)},
    r"up_weights must have shape \(6, 3\)": {"up_weights": torch.zeros(6, 2)},
    "up_weights must be torch.float32": {"up_weights": torch.zeros(6, 3, dtype=torch.float64)},
    "up_weights must be on cpu": {"up_weights": torch.zeros(6, 3, device="meta")},
    "up_weights must be a constant": {"up_weights": torch.zeros(6, 3, requires_grad=True)},
    r"spirals must have shape \(6, any\), got \(5, 2\)": {"spirals": torch.zeros(5, 2, dtype=torch.int64)},
    "spirals must be int64": {"spirals": torch.zeros(6, 2, dtype=torch.int32)},
    r"spirals must lie in \[-1, 6\)": {"spirals": torch.full((6, 2), 6)},
    r"spirals must lie in \[-1, 6\), got values from -2": {"spirals": torch.full((6, 2), -2)},
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
        "up_indices": torch.zeros(6, 3, dtype=torch.int64),
        "up_weights": torch.zeros(6, 3),
        "spirals": torch.zeros(6, 2, dtype=torch.int64),
        "weight": torch.zeros(5, 6),
        "bias": torch.zeros(5),
        "activation": None,
    }
    spiral_decode(**arguments)
    with pytest.raises(InputError, match=words):
        spiral_decode(**{**arguments, **WRONG[words]})
