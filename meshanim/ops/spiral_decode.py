"""Up-sampling and the spiral convolution that follows it as one op: a block of the mesh decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from meshanim._check import InputError, check_choice, check_indices, check_shape
from meshanim.ops import _cuda, _cuda_decode
from meshanim.ops._arguments import autocast, check_kinds
from meshanim.ops._library import (
    SpiralDecodeBackward,
    SpiralDecodeShape,
    check_result,
    library_for,
    pointer,
    remembered,
)
from meshanim.ops._plans import decode_plan
from meshanim.ops._registered import registered_op
from meshanim.ops.mesh_pool import mesh_pool_reference, reference_gradient_x
from meshanim.ops.spiral_conv import (
    ACTIVATIONS,
    gradient_buffers,
    reference_gradients,
    spiral_conv_reference,
)


def spiral_decode(
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
) -> Tensor:
    r"""Spiral convolution of up-sampled features (Potamias et al. 2020, section 3.2 and eq 3).

    .. math::
        y_v = \mathrm{act}\bigl(W\,[u_{s(v,0)}, \dots, u_{s(v,L-1)}] + b\bigr), \qquad
        u_f = \sum_{k=1}^{K} w_{f,k}\, x_{i(f,k)}

    The same as :func:`mesh_pool` and :func:`spiral_conv` one after the other. On a CPU the weight is applied
    first, on the coarse level with its fewer vertices, since both maps commute; on a GPU, patches of the fine
    level are up-sampled in shared memory. The up-sampled features are neither made as a whole nor kept for
    the backward pass. The gradient of ``x`` is a gather through inverse lists, so results are the same bits
    at every call with the same number of threads; a member of a batch has the same bits in ``y`` and in the
    gradient of ``x`` whatever the batch.

    Args:
        x: features of the coarse level (B, V_c, C_in), any floating type; float32 and float64 on a CPU,
            float32, float16 and bfloat16 on a GPU take the compiled code. Under ``torch.autocast`` weights
            and bias take its type.
        up_indices: rows of ``x`` (V_f, K) int64.
        up_weights: (V_f, K), of the type of ``x``; a constant, without gradient.
        spirals: vertex indices of the fine level (V_f, L) int64, -1 for none, which counts as a row of zeros.
        weight: (C_out, L * C_in), as a ``Linear`` over the concatenated spiral has it.
        bias: (C_out,) or None.
        activation: None, ``"relu"`` or ``"elu"``, applied to the output.

    Returns:
        Features of the fine level (B, V_f, C_out), contiguous, of the type of ``x``.

    Raises:
        InputError: where a shape, type, device or index does not fit; names the argument.
    """
    return _forward_op(x, up_indices, up_weights, spirals, weight, bias, activation or "none")


def spiral_decode_reference(
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
) -> Tensor:
    """The same as :func:`spiral_decode` by the references of its two steps."""
    up = mesh_pool_reference(x, up_indices, up_weights)
    return spiral_conv_reference(up, spirals, weight, bias, activation)


def _checked(
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str,
) -> tuple:
    up_weights, weight, bias = autocast(x, up_weights, weight, bias)
    check_shape("x", x, (None, None, None))
    check_shape("up_indices", up_indices, (None, None))
    check_shape("up_weights", up_weights, tuple(up_indices.shape))
    check_shape("spirals", spirals, (up_indices.shape[0], None))
    check_shape("weight", weight, (None, spirals.shape[1] * x.shape[2]))
    check_choice("activation", activation, ACTIVATIONS)
    values = {"up_weights": up_weights, "weight": weight}
    if bias is not None:
        check_shape("bias", bias, (weight.shape[0],))
        values["bias"] = bias
    check_kinds(x, values, {"up_indices": up_indices, "spirals": spirals})
    if up_weights.requires_grad:
        raise InputError("up_weights must be a constant, got a tensor that requires a gradient")
    return x, up_indices, up_weights, spirals, weight, bias, activation


def _forward(
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str,
) -> Tensor:
    if _cuda.takes(x):
        return _cuda_decode.spiral_decode(x, up_indices, up_weights, spirals, weight, bias, activation)
    library = library_for(x)
    if library is None:
        check_indices("up_indices", up_indices, x.shape[1])
        check_indices("spirals", spirals, spirals.shape[0], lowest=-1)
        arguments = (x, up_indices, up_weights, spirals, weight, bias, activation)
        return spiral_decode_reference(*arguments).contiguous()
    shape = _shape(x, up_indices, spirals, weight, activation)
    plan = decode_plan(up_indices, spirals, shape.coarse)
    x, up_weights, weight = x.contiguous(), up_weights.contiguous(), weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    out = x.new_empty((shape.batch, shape.fine, shape.channels_out))
    tables = plan.tables(library.meshanim_spiral_decode_patch_size(shape))
    arrays = map(pointer, (x, up_weights, weight, bias, out))
    check_result(library.meshanim_spiral_decode_forward(shape, tables, *arrays))
    return out


def _fake_forward(
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str,
) -> Tensor:
    return x.new_empty((x.shape[0], spirals.shape[0], weight.shape[0]))


def _gradients(
    grad: Tensor,
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    out: Tensor | None,
    activation: str,
    need_x: bool,
    need_weight: bool,
    need_bias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias, empty where not needed; ``out`` is the result under an activation."""
    needs = (need_x, need_weight, need_bias)
    if _cuda.takes(x):
        arguments = (grad, x, up_indices, up_weights, spirals, weight, out, activation, needs)
        return _cuda_decode.spiral_decode_gradients(*arguments)
    library = library_for(x)
    if library is None:
        return _reference_gradients(grad, x, up_indices, up_weights, spirals, weight, out, activation, needs)
    lists = decode_plan(up_indices, spirals, x.shape[1]).inverse
    grad, x, up_weights, weight = (value.contiguous() for value in (grad, x, up_weights, weight))
    results = gradient_buffers(x, weight, needs)
    outputs = (result if needed else None for result, needed in zip(results, needs, strict=True))
    arrays = SpiralDecodeBackward(*map(pointer, (grad, x, up_weights, weight, out, *lists, *outputs)))
    shape = _shape(x, up_indices, spirals, weight, activation)
    check_result(library.meshanim_spiral_decode_backward(shape, arrays))
    return results


def _fake_gradients(
    grad: Tensor,
    x: Tensor,
    up_indices: Tensor,
    up_weights: Tensor,
    spirals: Tensor,
    weight: Tensor,
    out: Tensor | None,
    activation: str,
    *needs: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return gradient_buffers(x, weight, needs)


def _reference_gradients(
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
    up = mesh_pool_reference(x, up_indices, up_weights)
    grad_up, grad_weight, grad_bias = reference_gradients(grad, up, spirals, weight, out, activation, needs)
    grad_x = reference_gradient_x(grad_up, x, up_indices, up_weights) if needs[0] else grad_up
    return grad_x, grad_weight, grad_bias


def _shape(
    x: Tensor, up_indices: Tensor, spirals: Tensor, weight: Tensor, activation: str
) -> SpiralDecodeShape:
    sizes = (x.shape, up_indices.shape, spirals.shape, weight.shape)
    return _structure(*sizes, x.dtype, activation, torch.get_num_threads())


@remembered
def _structure(
    x: torch.Size,
    up_indices: torch.Size,
    spirals: torch.Size,
    weight: torch.Size,
    kind: torch.dtype,
    activation: str,
    threads: int,
) -> SpiralDecodeShape:
    sizes = (x[0], x[1], *up_indices, spirals[1], x[2], weight[0])
    return SpiralDecodeShape(*sizes, kind == torch.float64, ACTIVATIONS.index(activation), threads)


def _setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, up_indices, up_weights, spirals, weight, bias, activation = inputs
    kept = None if activation == "none" else output
    ctx.save_for_backward(x, up_indices, up_weights, spirals, weight, kept)
    ctx.activation, ctx.has_bias = activation, bias is not None


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    need_x, _, _, _, need_weight, need_bias, _ = ctx.needs_input_grad
    needs = (need_x, need_weight, ctx.has_bias and need_bias)
    results = _backward_op(grad, *ctx.saved_tensors, ctx.activation, *needs)
    grad_x, grad_weight, grad_bias = (
        result if needed else None for result, needed in zip(results, needs, strict=True)
    )
    return grad_x, None, None, None, grad_weight, grad_bias, None


_backward_op = registered_op("spiral_decode_backward", _gradients, _fake_gradients)
_forward_op = registered_op("spiral_decode", _forward, _fake_forward, _setup_context, _backward, _checked)
