"""What ``bench_gpu.py`` times: inputs on a GPU, ours, the same in plain PyTorch, and bytes to be moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from plain_decoder import PlainDecoder, gather_pooling
from spiral_layers import PASSES, Layer, floors, inputs, reference, sphere
from torch import Tensor

from meshanim.mesh import MeshHierarchy
from meshanim.nn import MeshLevels, SpiralDecoder
from meshanim.ops import mesh_pool_reference, spiral_conv, spiral_decode

DEVICE = torch.device("cuda")
VERTICES, FACTORS, LENGTH = 28431, (5, 5, 5, 5), 9
LATENT, WIDTHS = 64, (64, 32, 16, 8, 3)
MOST_SETS = 8


@dataclass(frozen=True)
class Case:
    """Something to time: what takes inputs and leads to one tensor, ours and the peer's.

    Attributes:
        name: op, sizes and type, for the table.
        sets: inputs of the calls of one measurement, leaves among them.
        direction: a gradient of the result.
        ours: the call under test.
        peer: the same in plain PyTorch, None where that needs more memory than there is.
        bytes: to be moved at the least, by pass.
        fixed: whether the peer's tensors have sizes that do not depend on values, so that it may be compiled
            and captured in a graph.
    """

    name: dict[str, Any]
    sets: list[tuple[Tensor, ...]]
    direction: Tensor
    ours: Callable[..., Tensor]
    peer: Callable[..., Tensor] | None
    bytes: dict[str, float]
    fixed: bool = True


def input_sets(values: tuple[Tensor, ...], size: float) -> list[tuple[Tensor, ...]]:
    """Copies of inputs that together are twice as large as the cache of the GPU; not more than a few."""
    cache = torch.cuda.get_device_properties().L2_cache_size
    count = min(max(round(2 * cache / size), 1), MOST_SETS)
    return [tuple(value.detach().clone().requires_grad_() for value in values) for _ in range(count)]


def convolution(layer: Layer, length: int, batch: int, spirals: Tensor, dtype: torch.dtype) -> Case:
    """One layer; its inputs are features, weight and bias."""
    floor = floors(layer, length, batch, dtype.itemsize)
    sizes = {what: found["bytes"] for what, found in floor.items()}
    *values, direction = (value.detach().to(DEVICE, dtype) for value in inputs(layer, length, batch))
    spirals, flat = spirals.to(DEVICE), spirals.flatten().to(DEVICE)
    return Case(
        {"op": "spiral_conv", "layer": layer, "length": length, "batch": batch, "type": str(dtype)[6:]},
        input_sets(tuple(values), sizes[PASSES[0]]),
        direction,
        lambda x, weight, bias: spiral_conv(x, spirals, weight, bias),
        lambda x, weight, bias: reference(x, flat, weight, bias),
        sizes,
    )


def block(levels: MeshLevels, level: int, batch: int, dtype: torch.dtype) -> Case:
    """Up-sampling to a level and the convolution there."""
    indices, up_weights, spirals = levels.up_indices[level], levels.up_weights[level], levels.spirals[level]
    coarse, (vertices, length) = levels.vertex_counts[level + 1], spirals.shape
    channels, outputs = WIDTHS[len(WIDTHS) - 2 - level :][:2]
    layer = (vertices, channels, outputs)
    _, *others, direction = (value.detach().to(DEVICE, dtype) for value in inputs(layer, length, batch))
    x = torch.randn((batch, coarse, channels), generator=torch.Generator().manual_seed(0)).to(DEVICE, dtype)
    up_weights, flat, size = up_weights.to(dtype), spirals.flatten(), dtype.itemsize
    forward = size * (x.numel() + direction.numel() + sum(value.numel() for value in others))
    forward += spirals.numel() * 4 + indices.numel() * (4 + size)
    backward = forward + size * x.numel()
    return Case(
        {"op": "spiral_decode", "layer": layer, "length": length, "batch": batch, "type": str(dtype)[6:]},
        input_sets((x, *others), forward),
        direction,
        lambda x, weight, bias: spiral_decode(x, indices, up_weights, spirals, weight, bias),
        lambda x, weight, bias: reference(mesh_pool_reference(x, indices, up_weights), flat, weight, bias),
        dict(zip(PASSES, (forward, forward + backward), strict=True)),
    )


def decoder(levels: MeshLevels, batch: int) -> Case:
    """All of the decoder, and gradients of its parameters; the bytes are theirs, the code's, the result's."""
    torch.manual_seed(0)
    ours = SpiralDecoder(levels, LATENT, WIDTHS).to(DEVICE)
    plain = PlainDecoder(ours, levels, gather_pooling)
    code, direction = (
        torch.randn(batch, LATENT, device=DEVICE),
        torch.randn(batch, levels.vertex_counts[0], 3),
    )
    parameters = sum(parameter.numel() for parameter in ours.parameters())
    size = 4.0 * (code.numel() + direction.numel() + parameters)
    return Case(
        {
            "op": "decoder",
            "layer": (levels.vertex_counts[0], *WIDTHS),
            "length": 9,
            "batch": batch,
            "type": "float32",
        },
        [(code.requires_grad_(), *ours.parameters())],
        direction.to(DEVICE),
        lambda code, *_: ours(code),
        lambda code, *_: plain(code),
        dict(zip(PASSES, (size, 2 * size + 4 * parameters), strict=True)),
    )


def paper_levels() -> MeshLevels:
    """The paper's levels, of 28431, 5687, 1138, 228 and 46 vertices, on a sphere."""
    hierarchy = MeshLevels.of(MeshHierarchy.from_mesh(sphere(VERTICES), FACTORS, LENGTH))
    parts = (hierarchy.spirals, hierarchy.down, hierarchy.up_indices, hierarchy.up_weights)
    return MeshLevels(*(tuple(tensor.to(DEVICE) for tensor in part) for part in parts))
