"""Up-sampling and spiral convolution as one on CUDA tensors; arguments are checked by the op."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.ops import _cuda, _cuda_ops
from meshanim.ops._cuda_ops import PRODUCT_THREADS, blocks, narrowest, whole
from meshanim.ops._cuda_plans import pool_lists, spiral_slots
from meshanim.ops._library import ACTIVATIONS, pointer

PATCH_ROWS = {64: 128, 16: 64}
"""For each size of patch that is compiled, large first: rows of the fine level that a patch may read."""

LONGEST = min(PATCH_ROWS.values())
"""Places of a spiral that the fused kernel takes: one vertex must not read more rows than a patch may."""

MEMBERS = 8
"""Members of the batch that one block takes."""


class SpiralDecode(ctypes.Structure):
    """``SpiralDecodeParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("x", "up_weights", "corners", "vertices", "rows", "slots")),
        *((name, c_void_p) for name in ("weight", "bias", "out")),
        ("batch", c_int64),
        *((name, c_int32) for name in ("patches", "coarse", "fine", "width", "length", "channels")),
        *((name, c_int32) for name in ("columns", "activation", "whole_rows", "whole_weight")),
    )


def spiral_decode(
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str,
) -> Tensor:
    """The result (B, V_f, C_out)."""
    plan, corners = spiral_slots(spirals), pool_lists(up_indices, x.shape[1], "up_indices").indices
    if spirals.shape[1] > LONGEST:
        up = _cuda_ops.mesh_pool(x, up_indices, up_weights)
        return _cuda_ops.spiral_conv(up, spirals, weight, bias, activation)
    x, up_weights, weight = x.contiguous(), up_weights.contiguous(), weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    out = x.new_empty((x.shape[0], spirals.shape[0], weight.shape[0]))
    (batch, fine, columns), (coarse, channels) = out.shape, x.shape[1:]
    width = narrowest(columns, (4, 8, 16) if out.dtype == torch.float32 else (8, 16))
    groups, tiles = blocks(batch, MEMBERS), blocks(columns, width)
    patches = plan.patches(*_patch(fine, groups * tiles))
    count, size = patches.vertices.shape
    arrays = (x, up_weights, corners, patches.vertices, patches.rows, patches.slots, weight, bias, out)
    parameters = SpiralDecode(
        *map(pointer, arrays),
        *(batch, count, coarse, fine, corners.shape[1], spirals.shape[1], channels, columns),
        *(ACTIVATIONS.index(activation), whole(x, channels), whole(weight, channels)),
    )
    grid = (count * groups, tiles, 1)
    _cuda.launch("spiral_decode", f"spiral_decode_{size}x{width}", out, grid, PRODUCT_THREADS, parameters)
    return out


def _patch(vertices: int, times: int) -> tuple[int, int]:
    """Vertices and rows of the largest patches that make enough blocks, with so many blocks each."""
    enough = (size for size in PATCH_ROWS if blocks(vertices, size) * times >= _cuda_ops.FEW_BLOCKS)
    size = next(enough, min(PATCH_ROWS))
    return size, PATCH_ROWS[size]


def spiral_decode_gradients(
    grad: Tensor,
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    out: Tensor | None,
    activation: str,
    needs: tuple[bool, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias, empty where not needed; ``out`` is the result under an activation.

    The adjoint of spirals and up-sampling is one gather, from the gradient of the result to
    r (B, V_c, L, C_out) on the coarse level with its fewer vertices. The gradients of x and the weight are
    plain products there, of r with the weight and with x.
    """
    need_x, need_weight, need_bias = needs
    plan, pool = spiral_slots(spirals), pool_lists(up_indices, x.shape[1], "up_indices")
    x, (batch, coarse, channels) = x.contiguous(), x.shape
    outputs, length = weight.shape[0], spirals.shape[1]
    grad = _in_whole_vectors(_cuda_ops.before_activation(grad.contiguous(), out, activation))
    grad_x = x.new_empty(x.shape if need_x else 0)
    grad_weight = x.new_empty(0)
    _, grad_bias = _cuda_ops.weight_gradients(grad, grad, plan.slots, [False, need_bias])
    if need_x or need_weight:
        r = x.new_empty((batch, coarse * length, grad.shape[2]))
        _cuda_ops.pool("mesh_pool_gradient", grad, up_weights, (None, *plan.inverse_through(pool)), r)
        r = r.view(batch, coarse, length * grad.shape[2])
        same = torch.arange(coarse, device=x.device, dtype=torch.int32).unsqueeze(0)
    if need_x:
        by_channel = weight.view(outputs, length, channels).permute(2, 1, 0)
        by_channel = _in_whole_vectors(by_channel).reshape(channels, r.shape[2])
        steps = (r.shape[2], 0, 1)
        _cuda_ops.product((r, same, None, None), by_channel, None, grad_x, steps, "none")
    if need_weight:
        by_channel, _ = _cuda_ops.weight_gradients(x, r, same, [True, False])
        by_channel = by_channel.view(channels, length, grad.shape[2])[..., :outputs]
        grad_weight = by_channel.permute(2, 1, 0).reshape(weight.shape)
    return grad_x, grad_weight, grad_bias[:outputs]


def _in_whole_vectors(x: Tensor) -> Tensor:
    """Rows with zeros at their ends, so that they are made of 16 bytes at a time."""
    return functional.pad(x, (0, -x.shape[-1] % (16 // x.element_size())))
