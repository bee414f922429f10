"""What only a GPU can show: CUDA graphs, streams, errors at a first call while a graph is captured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from meshanim.ops import interpolate, mesh_pool, rasterize, soft_rasterize, spiral_conv, spiral_decode

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

BATCH, COARSE, FINE, LENGTH, CHANNELS, OUTPUTS = 3, 60, 300, 9, 16, 8
FACES, SIZE = 200, (40, 50)
Op = Callable[[Tensor, Tensor], Tensor]


def _ops() -> dict[str, tuple[Op, tuple[Tensor, Tensor]]]:
    """Ops on indices of their own, as functions of features and weights, or places and scale; and such."""
    generator = torch.Generator().manual_seed(0)
    indices = torch.randint(0, COARSE, (FINE, 3), generator=generator).cuda()
    spirals = torch.randint(-1, FINE, (FINE, LENGTH), generator=generator).cuda()
    up_weights = torch.rand((FINE, 3), generator=generator).cuda()
    coarse, fine = (
        torch.randn((BATCH, count, CHANNELS), generator=generator).cuda().requires_grad_()
        for count in (COARSE, FINE)
    )
    weight = torch.randn((OUTPUTS, LENGTH * CHANNELS), generator=generator).cuda().requires_grad_()
    corners = torch.randint(0, FINE, (FACES, 3), generator=generator).cuda()
    face = torch.randint(-1, FACES, (BATCH, FINE), generator=generator).cuda()
    places = torch.rand((BATCH, FINE, 3), generator=generator).cuda().requires_grad_()
    onto = torch.tensor([SIZE[1], SIZE[0], 1.0], device="cuda"), torch.tensor([0, 0, 0.5], device="cuda")

    def drawn(draw: Callable[..., tuple[Tensor, ...]], x: Tensor, scale: Tensor, *others: float) -> Tensor:
        _, weights, *values = draw(x.abs() * onto[0] * scale + onto[1], corners, SIZE, *others)
        return torch.cat([weights, *(value.unsqueeze(-1) for value in values)], dim=-1)

    one = torch.ones(3, device="cuda")
    return {
        "interpolate": (lambda x, weights: interpolate(x, corners, face, weights), (fine, places)),
        "rasterize": (lambda x, scale: drawn(rasterize, x, scale), (places, one)),
        "soft_rasterize": (lambda x, scale: drawn(soft_rasterize, x, scale, 1.5, 4), (places, one)),
        "mesh_pool": (lambda x, weights: mesh_pool(x, indices, weights), (coarse, up_weights)),
        "spiral_conv": (lambda x, weight: spiral_conv(x, spirals, weight, None, "elu"), (fine, weight)),
        "spiral_decode": (
            lambda x, weight: spiral_decode(x, indices, up_weights, spirals, weight, None, "relu"),
            (coarse, weight),
        ),
    }


OPS = ("interpolate", "mesh_pool", "rasterize", "soft_rasterize", "spiral_conv", "spiral_decode")


def _step(op: Op, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The result, and the gradient of x."""
    y = op(x, weight)
    return y, torch.autograd.grad(y.square().sum(), x)[0]


@pytest.mark.parametrize("name", OPS)
def test_graphs_replay_a_step_on_other_values(name: str) -> None:
    op, (x, weight) = _ops()[name]
    _step(op, x, weight)
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        _step(op, x, weight)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        found = _step(op, x, weight)
    for scale in (1.0, -2.0):
        with torch.no_grad():
            x.mul_(scale)
        graph.replay()
        assert all(torch.equal(a, b) for a, b in zip(found, _step(op, x, weight), strict=True))


@pytest.mark.parametrize("name", OPS)
def test_a_first_call_while_capturing_is_an_error_that_says_so(name: str) -> None:
    op, (x, weight) = _ops()[name]
    with (
        pytest.raises(RuntimeError, match="call the op once before a CUDA graph is captured"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        op(x.detach(), weight.detach())
    torch.cuda.synchronize()
    assert op(x, weight).isfinite().all()


@pytest.mark.parametrize("name", OPS)
def test_kernels_run_on_the_current_stream(name: str) -> None:
    op, (x, weight) = _ops()[name]
    wanted = op(x, weight)
    torch.cuda.synchronize()
    late, stream = torch.zeros_like(x), torch.cuda.Stream()
    with torch.cuda.stream(stream), torch.no_grad():
        torch.cuda._sleep(20_000_000)  # some milliseconds: another stream would read zeros
        late.copy_(x)
        found = op(late, weight)
    stream.synchronize()
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", OPS)
def test_the_same_bits_at_every_call(name: str) -> None:
    op, (x, weight) = _ops()[name]
    first = _step(op, x, weight)
    for _ in range(5):
        assert all(torch.equal(a, b) for a, b in zip(first, _step(op, x, weight), strict=True))
