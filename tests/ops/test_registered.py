"""Ops as PyTorch sees them: straight calls, and every way in which somebody may watch or transform a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from meshanim.ops import mesh_pool, spiral_conv, spiral_decode

Call = Callable[[Tensor, Tensor], Tensor]
SPIRALS = torch.randint(-1, 20, (20, 5), generator=torch.Generator().manual_seed(0))
INDICES = torch.randint(0, 20, (30, 3), generator=torch.Generator().manual_seed(0))
UP_WEIGHTS = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))
FINE_SPIRALS = torch.randint(-1, 30, (30, 5), generator=torch.Generator().manual_seed(0))
# Each op as a function of features (B, 20, 4) and weights.
OPS: dict[str, tuple[Call, tuple[int, ...]]] = {
    "spiral_conv": (lambda x, weight: spiral_conv(x, SPIRALS, weight, None, "elu"), (6, 20)),
    "mesh_pool": (lambda x, weights: mesh_pool(x, INDICES, weights), (30, 3)),
    "spiral_decode": (
        lambda x, weight: spiral_decode(x, INDICES, UP_WEIGHTS, FINE_SPIRALS, weight, None, "elu"),
        (6, 20),
    ),
}


@pytest.fixture(params=OPS)
def op(request: pytest.FixtureRequest) -> tuple[str, Call, Tensor, Tensor]:
    """Name, function, features and weights of each op."""
    call, shape = OPS[request.param]
    generator = torch.Generator().manual_seed(1)
    x, weight = torch.randn(3, 20, 4, generator=generator), torch.randn(shape, generator=generator)
    return request.param, call, x, weight


Op = tuple[str, Call, Tensor, Tensor]


def test_a_straight_call_gives_the_bits_of_the_registered_op(op: Op) -> None:
    _, call, x, weight = op
    leaves = [x.requires_grad_(), weight.requires_grad_()]
    straight = call(x, weight)
    with Seen():
        registered = call(x, weight)
    assert torch.equal(straight, registered)
    gradients = [torch.autograd.grad(y.square().sum(), leaves) for y in (straight, registered)]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


class Seen(TorchDispatchMode):
    """Names of the ops that the dispatcher sends on."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


class SeenFunctions(TorchFunctionMode):
    """Functions that a function mode is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_modes_see_the_op_and_its_gradient(op: Op) -> None:
    name, call, x, weight = op
    with Seen() as seen:
        call(x.requires_grad_(), weight).sum().backward()
    assert f"meshanim::{name}" in seen.names and f"meshanim::{name}_backward" in seen.names
    with SeenFunctions() as functions:
        call(x, weight)
    assert any(f"meshanim.{name}" in function for function in functions.names)


def test_fake_tensors_stay_fake(op: Op) -> None:
    _, call, x, weight = op
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        y = call(mode.from_tensor(x.requires_grad_()), mode.from_tensor(weight))
        assert isinstance(y, FakeTensor)
    assert y.shape == call(x, weight).shape


def test_traced_graphs_hold_the_op(op: Op) -> None:
    name, call, x, weight = op
    graph = make_fx(call)(x, weight)
    assert any(f"meshanim.{name}" in str(node.target) for node in graph.graph.nodes)
    assert torch.equal(graph(x, weight), call(x, weight))


class Tagged(Tensor):
    """A subclass that gets its own results back."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs or {})


def test_subclasses_stay_what_they_are(op: Op) -> None:
    _, call, x, weight = op
    assert type(call(x.as_subclass(Tagged), weight)) is Tagged


def test_lazily_negated_views_are_resolved(op: Op) -> None:
    _, call, x, weight = op
    negated = torch.complex(x, x).conj().imag
    assert negated.is_neg()
    assert torch.equal(call(negated, weight), call(-x, weight))


def test_function_gradients_are_autograds(op: Op) -> None:
    _, call, x, weight = op
    found = torch.func.grad(lambda a, w: call(a, w).square().sum(), argnums=(0, 1))(x, weight)
    leaves = (x.requires_grad_(), weight.requires_grad_())
    wanted = torch.autograd.grad(call(*leaves).square().sum(), leaves)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_vmap_is_a_loop_over_members(op: Op) -> None:
    _, call, x, weight = op
    many = torch.stack((weight, 2 * weight))
    assert torch.equal(torch.vmap(call, in_dims=(None, 0))(x, many), torch.stack([call(x, w) for w in many]))
    # The reference's products round otherwise for one member than for the batch.
    torch.testing.assert_close(torch.vmap(call, in_dims=(0, None))(x[:, None], weight)[:, 0], call(x, weight))


def test_gradients_of_each_sample(op: Op) -> None:
    _, call, x, weight = op

    def loss(w: Tensor, a: Tensor) -> Tensor:
        return call(a[None], w).square().sum()

    found = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, x)
    assert torch.equal(found, torch.stack([torch.func.grad(loss)(weight, a) for a in x]))


def test_batched_cotangents(op: Op) -> None:
    _, call, x, weight = op
    y = call(x.requires_grad_(), weight)
    directions = torch.randn(4, *y.shape)
    (found,) = torch.autograd.grad(y, x, directions, is_grads_batched=True, retain_graph=True)
    wanted = [torch.autograd.grad(y, x, direction, retain_graph=True)[0] for direction in directions]
    assert torch.equal(found, torch.stack(wanted))


def test_forward_mode_is_refused_rather_than_zero(op: Op) -> None:
    _, call, x, weight = op
    with pytest.raises(NotImplementedError, match="jvp"):
        torch.func.jvp(lambda a: call(a, weight), (x,), (x,))
    with forward_ad.dual_level(), pytest.raises(NotImplementedError, match="jvp"):
        call(forward_ad.make_dual(x, x), weight)


def test_second_derivatives_are_refused(op: Op) -> None:
    name, call, x, weight = op
    (gradient,) = torch.autograd.grad(call(x.requires_grad_(), weight).square().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match=f"{name}_backward has no derivative"):
        gradient.sum().backward()


def test_a_result_without_activation_may_be_changed_in_place() -> None:
    x, weight = torch.randn(2, 20, 4, requires_grad=True), torch.randn(6, 20, requires_grad=True)
    y, z = (spiral_conv(x, SPIRALS, weight) for _ in range(2))
    changed = torch.autograd.grad(torch.relu_(y).sum(), (x, weight))
    assert all(map(torch.equal, changed, torch.autograd.grad(torch.relu(z).sum(), (x, weight))))
