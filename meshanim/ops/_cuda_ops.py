"""The ops on CUDA tensors: sizes of tiles and blocks, parameters of kernels, launches.

Arguments are checked by the ops; shapes are theirs. Kernels take parameters as structures, declared here as
the CUDA sources declare them.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p

import torch
from torch import Tensor

from meshanim.ops import _cuda
from meshanim.ops._cuda_plans import pool_lists, spiral_slots
from meshanim.ops._library import ACTIVATIONS, pointer

PRODUCT_THREADS, SUM_THREADS = 128, 256
SHARE_COLUMNS = 64
"""Columns of the gradient of the weight that one block makes."""

SUM_ACROSS = 32
"""Entries of the gradient of the weight for which one block adds the shares."""

SLOPE_VALUES = 2048
"""Values that one block takes through the gradient of an activation."""

POOL_MEMBERS = 4
"""Members of the batch that a block of the pooling takes together."""

FEW_BLOCKS = 256
"""With fewer blocks of large tiles than this, small tiles keep more of a GPU's 100 to 150 processors busy."""

SHARE_ROWS = (256, 4096)
"""Rows that one block sums for the gradient of the weight: few enough for many blocks and small rounding."""

SHARE_BLOCKS = 512
"""Blocks wanted for the gradient of the weight."""


class SpiralProduct(ctypes.Structure):
    """``SpiralProductParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("source", "slots", "starts", "sources", "weight", "bias", "out")),
        *((name, c_int64) for name in ("rows", "step_column", "step_place", "step_channel")),
        *((name, c_int32) for name in ("vertices", "length", "channels", "columns", "activation")),
        *((name, c_int32) for name in ("whole_rows", "whole_weight")),
    )


class SpiralWeight(ctypes.Structure):
    """``SpiralWeightParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("x", "grad", "slots", "shares")),
        *((name, c_int64) for name in ("rows", "share")),
        *(
            (name, c_int32)
            for name in ("vertices", "channels", "depth", "outputs", "first_column", "columns")
        ),
        *((name, c_int32) for name in ("whole_rows", "whole_grad")),
    )


class SpiralShares(ctypes.Structure):
    """``SpiralSharesParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("shares", "grad_weight", "grad_bias")),
        ("size", c_int64),
        *((name, c_int32) for name in ("count", "columns", "depth", "first_column")),
    )


class SpiralSlope(ctypes.Structure):
    """``SpiralSlopeParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("grad", "out", "result")),
        ("size", c_int64),
        ("activation", c_int32),
    )


class MeshPool(ctypes.Structure):
    """``MeshPoolParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("source", "weights", "indices", "starts", "entries", "sources")),
        ("result", c_void_p),
        ("batch", c_int64),
        *((name, c_int32) for name in ("coarse", "fine", "width", "channels", "rows", "whole")),
    )


def spiral_conv(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """The result (B, V, C_out)."""
    plan = spiral_slots(spirals)
    x, weight = x.contiguous(), weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    out = x.new_empty((*x.shape[:2], weight.shape[0]))
    steps = (weight.shape[1], x.shape[2], 1)
    product((x, plan.slots, None, None), weight, bias, out, steps, activation)
    return out


def spiral_conv_gradients(
    grad: Tensor,
    x: Tensor,
    spirals: Tensor,
    weight: Tensor,
    out: Tensor | None,
    activation: str,
    needs: tuple[bool, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias, empty where not needed; ``out`` is the result under an activation."""
    need_x, *need_others = needs
    plan = spiral_slots(spirals)
    x, weight = x.contiguous(), weight.contiguous()
    grad = before_activation(grad.contiguous(), out, activation)
    grad_x = x.new_empty(x.shape if need_x else 0)
    if need_x:
        slots, starts, members = plan.inverse
        steps = (1, x.shape[2], weight.shape[1])
        product((grad, slots, starts, members), weight, None, grad_x, steps, "none")
    return grad_x, *weight_gradients(grad, x, plan.slots, need_others)


def mesh_pool(x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """The result (B, V_f, C)."""
    plan = pool_lists(indices, x.shape[1])
    out = x.new_empty((x.shape[0], indices.shape[0], x.shape[2]))
    pool("mesh_pool", x.contiguous(), weights, (plan.indices, None, None, None), out)
    return out


def mesh_pool_gradient(grad: Tensor, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """The gradient of x (B, V_c, C)."""
    lists = (None, *pool_lists(indices, x.shape[1]).inverse, None)
    result = x.new_empty(x.shape)
    pool("mesh_pool_gradient", grad.contiguous(), weights, lists, result)
    return result


def product(
    rows: tuple[Tensor | None, ...],
    weight: Tensor,
    bias: Tensor | None,
    out: Tensor,
    steps: tuple[int, int, int],
    activation: str,
) -> None:
    """Gather rows (source, slots, list starts, list members) and multiply; ``steps`` are the weight's."""
    source, slots = rows[:2]
    assert source is not None and slots is not None
    count, columns, channels = out.shape[0] * out.shape[1], out.shape[2], source.shape[2]
    width, height = _tile(out.dtype, count, columns)
    parameters = SpiralProduct(
        *map(pointer, (*rows, weight, bias, out)),
        *(count, *steps),
        *(slots.shape[1], slots.shape[0], channels, columns, ACTIVATIONS.index(activation)),
        *(whole(source, channels), steps[2] == 1 and whole(weight, channels)),
    )
    grid = (blocks(count, height), blocks(columns, width), 1)
    _cuda.launch("spiral_conv", f"spiral_product_{height}x{width}", out, grid, PRODUCT_THREADS, parameters)


def _tile(dtype: torch.dtype, rows: int, columns: int) -> tuple[int, int]:
    """Columns and rows of the tile that one block makes."""
    width = narrowest(columns, (4, 8, 16, 32, 64) if dtype == torch.float32 else (16, 32, 64))
    return width, 128 if blocks(rows, 128) * blocks(columns, width) >= FEW_BLOCKS else 32


def weight_gradients(grad: Tensor, x: Tensor, slots: Tensor, needs: list[bool]) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias from the gradient before the activation, empty where not needed."""
    (vertices, channels), outputs = x.shape[1:], grad.shape[2]
    rows, depth = x.shape[0] * vertices, slots.shape[0] * channels
    need_weight, need_bias = needs
    grad_weight = x.new_empty((outputs, depth) if need_weight else 0)
    grad_bias = x.new_empty(outputs if need_bias else 0)
    first, last = 0 if need_weight else depth, depth + 1 if need_bias else depth
    columns = last - first
    if columns == 0:
        return grad_weight, grad_bias
    width = narrowest(outputs, (8, 16, 32, 64))
    tiles = blocks(columns, SHARE_COLUMNS) * blocks(outputs, width)
    share = min(max(blocks(rows * tiles, SHARE_BLOCKS), SHARE_ROWS[0]), SHARE_ROWS[1])
    count = blocks(rows, share)
    shares = x.new_empty((count, outputs, columns), dtype=torch.float32)
    parameters = SpiralWeight(
        *map(pointer, (x, grad, slots, shares)),
        *(rows, share),
        *(vertices, channels, depth, outputs, first, columns),
        *(whole(x, channels), whole(grad, outputs)),
    )
    grid = (count, blocks(columns, SHARE_COLUMNS), blocks(outputs, width))
    _cuda.launch("spiral_conv", f"spiral_weight_{width}", x, grid, PRODUCT_THREADS, parameters)
    size = outputs * columns
    arrays = map(pointer, (shares, grad_weight, grad_bias))
    sums = SpiralShares(*arrays, size, count, columns, depth, first)
    grid = (blocks(size, SUM_ACROSS), 1, 1)
    _cuda.launch("spiral_conv", "spiral_shares", x, grid, SUM_THREADS, sums)
    return grad_weight, grad_bias


def before_activation(grad: Tensor, out: Tensor | None, activation: str) -> Tensor:
    """The gradient of what went into an activation, from what came out; ``out`` is None without one."""
    if out is None or activation == "none":
        return grad
    result = torch.empty_like(grad)
    size = grad.numel()
    arrays = map(pointer, (grad, out, result))
    parameters = SpiralSlope(*arrays, size, ACTIVATIONS.index(activation))
    grid = (blocks(size, SLOPE_VALUES), 1, 1)
    _cuda.launch("spiral_conv", "spiral_slope", grad, grid, SUM_THREADS, parameters)
    return result


def pool(
    kernel: str, source: Tensor, weights: Tensor, lists: tuple[Tensor | None, ...], result: Tensor
) -> None:
    """Pool, or its adjoint; ``lists`` are indices (of pooling), starts, entries, sources (of the adjoint)."""
    batch, count, channels = result.shape
    fine, coarse = (weights.shape[0], source.shape[1]) if lists[0] is not None else (source.shape[1], count)
    in_vectors = whole(source, channels)
    pieces = channels * source.element_size() // 16 if in_vectors else channels
    rows = max(SUM_THREADS // max(pieces, 1), 1)
    weights = weights.contiguous()
    parameters = MeshPool(
        *map(pointer, (source, weights, *lists, result)),
        *(batch, coarse, fine, weights.shape[1], channels, rows, in_vectors),
    )
    grid = (blocks(count, rows) if channels else 0, min(blocks(batch, POOL_MEMBERS), 65535), 1)
    _cuda.launch("mesh_pool", kernel, source, grid, SUM_THREADS, parameters)


def narrowest(columns: int, widths: tuple[int, ...]) -> int:
    """The first width that takes all columns, or the last."""
    return next((width for width in widths if width >= columns), widths[-1])


def whole(tensor: Tensor, channels: int) -> bool:
    """Whether every 16 bytes from the first on lie in one row of ``channels`` values, and are aligned."""
    return channels * tensor.element_size() % 16 == 0 and tensor.data_ptr() % 16 == 0


def blocks(count: int, size: int) -> int:
    """How many blocks of ``size`` cover ``count``."""
    return -(-count // size)
