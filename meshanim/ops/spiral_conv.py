"""Spiral convolution: the reference in plain PyTorch, and the op that picks the fastest code at hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_choice, check_indices, check_shape
from meshanim.ops import _cuda, _cuda_ops
from meshanim.ops._arguments import autocast, check_kinds
from meshanim.ops._library import (
    ACTIVATIONS,
    SpiralConvBackward,
    SpiralConvShape,
    check_result,
    library_for,
    pointer,
    remembered,
)
from meshanim.ops._plans import spiral_plan
from meshanim.ops._registered import registered_op


def spiral_conv(
    x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor:
    r"""One linear map over each vertex's spiral of neighbours (Bouritsas et al. 2019, eq 1; SpiralNet++).

    .. math:: y_v = \mathrm{act}\bigl(W\,[x_{s(v,0)}, \dots, x_{s(v,L-1)}] + b\bigr)

    Gather and product happen in one pass on a CPU, without a gathered copy; the gradient of ``x`` is a gather
    through inverse lists, so results are the same bits at every call with the same number of threads.

    Args:
        x: features (B, V, C_in), any floating type; float32 and float64 on a CPU take the compiled code.
            Under ``torch.autocast`` weight and bias take its type.
        spirals: vertex indices (V, L) int64, -1 for none, which counts as a row of zeros.
        weight: (C_out, L * C_in), as a ``Linear`` over the concatenated spiral has it.
        bias: (C_out,) or None.
        activation: None, ``"relu"`` or ``"elu"``, applied to the output.

    Returns:
        Features (B, V, C_out), contiguous, of the type of ``x``.

    Raises:
        InputError: where a shape, type, device or index does not fit; names the argument.
    """
    return _forward_op(x, spirals, weight, bias, activation or "none")


def spiral_conv_reference(
    x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor:
    """The same as :func:`spiral_conv` by ``index_select`` and ``linear``; makes the (B, V, L * C_in) copy."""
    y = functional.linear(_gathered(x, spirals), weight, bias)
    if activation == "relu":
        return functional.relu(y)
    return functional.elu(y) if activation == "elu" else y


def _gathered(x: Tensor, spirals: Tensor) -> Tensor:
    batch, vertices, channels = x.shape
    rows = x.index_select(1, spirals.clamp(min=0).reshape(-1)).view(batch, *spirals.shape, channels)
    if bool((spirals < 0).any()):
        rows = rows * (spirals >= 0).unsqueeze(-1).to(x.dtype)
    return rows.view(batch, vertices, spirals.shape[1] * channels)


def _checked(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> tuple:
    weight, bias = autocast(x, weight, bias)
    check_shape("x", x, (None, None, None))
    check_shape("spirals", spirals, (x.shape[1], None))
    check_shape("weight", weight, (None, spirals.shape[1] * x.shape[2]))
    check_choice("activation", activation, ACTIVATIONS)
    values = {"weight": weight}
    if bias is not None:
        check_shape("bias", bias, (weight.shape[0],))
        values["bias"] = bias
    check_kinds(x, values, {"spirals": spirals})
    return x, spirals, weight, bias, activation


def _forward(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    if _cuda.takes(x):
        return _cuda_ops.spiral_conv(x, spirals, weight, bias, activation)
    library = library_for(x)
    if library is None:
        check_indices("spirals", spirals, spirals.shape[0], lowest=-1)
        return spiral_conv_reference(x, spirals, weight, bias, activation).contiguous()
    plan = spiral_plan(spirals)
    x, weight = x.contiguous(), weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    out = x.new_empty((*x.shape[:2], weight.shape[0]))
    shape = _shape(x, spirals, weight, activation)
    arrays = (pointer(x), pointer(plan.slots), plan.stride, pointer(weight), pointer(bias), pointer(out))
    check_result(library.meshanim_spiral_conv_forward(shape, *arrays))
    return out


def _fake_forward(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    return x.new_empty((x.shape[0], x.shape[1], weight.shape[0]))


def _gradients(
    grad: Tensor,
    x: Tensor,
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
        return _cuda_ops.spiral_conv_gradients(grad, x, spirals, weight, out, activation, needs)
    library = library_for(x)
    if library is None:
        return reference_gradients(grad, x, spirals, weight, out, activation, needs)
    plan = spiral_plan(spirals)
    grad, x, weight = grad.contiguous(), x.contiguous(), weight.contiguous()
    results = gradient_buffers(x, weight, needs)
    shape = _shape(x, spirals, weight, activation)
    inverse = plan.inverse(bool(library.meshanim_inverse_by_vertex(shape))) if need_x else (None, None, None)
    outputs = (result if needed else None for result, needed in zip(results, needs, strict=True))
    inputs = map(pointer, (grad, x, weight, out, plan.slots))
    arrays = SpiralConvBackward(*inputs, plan.stride, *map(pointer, inverse), *map(pointer, outputs))
    check_result(library.meshanim_spiral_conv_backward(shape, arrays))
    return results


def _fake_gradients(
    grad: Tensor,
    x: Tensor,
    spirals: Tensor,
    weight: Tensor,
    out: Tensor | None,
    activation: str,
    *needs: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return gradient_buffers(x, weight, needs)


def gradient_buffers(x: Tensor, weight: Tensor, needs: tuple[bool, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Room for the gradients of x, weight and bias, empty where not needed."""
    need_x, need_weight, need_bias = needs
    return (
        torch.empty_like(x, memory_format=torch.contiguous_format) if need_x else x.new_empty(0),
        torch.empty_like(weight, memory_format=torch.contiguous_format) if need_weight else x.new_empty(0),
        x.new_empty(weight.shape[0] if need_bias else 0),
    )


def reference_gradients(
    grad: Tensor,
    x: Tensor,
    spirals: Tensor,
    weight: Tensor,
    out: Tensor | None,
    activation: str,
    needs: tuple[bool, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias in plain PyTorch, empty where not needed."""
    if out is not None:
        slope = (out > 0).to(grad) if activation == "relu" else torch.where(out > 0, 1, out + 1)
        grad = grad * slope
    grad_x, grad_weight, grad_bias = gradient_buffers(x, weight, needs)
    if needs[0]:
        terms = (grad @ weight).view(x.shape[0], spirals.numel(), x.shape[2])
        terms = terms * (spirals >= 0).reshape(-1, 1).to(x.dtype)
        grad_x = torch.zeros_like(x).index_add_(1, spirals.clamp(min=0).reshape(-1), terms)
    if needs[1]:
        grad_weight = torch.einsum("bvo,bvk->ok", grad, _gathered(x, spirals))
    if needs[2]:
        grad_bias = grad.sum((0, 1))
    return grad_x, grad_weight, grad_bias


def _shape(x: Tensor, spirals: Tensor, weight: Tensor, activation: str) -> SpiralConvShape:
    return _structure(x.shape, spirals.shape, weight.shape, x.dtype, activation, torch.get_num_threads())


@remembered
def _structure(
    x: torch.Size, spirals: torch.Size, weight: torch.Size, kind: torch.dtype, activation: str, threads: int
) -> SpiralConvShape:
    sizes = (x[0], *spirals, x[2], weight[0])
    return SpiralConvShape(*sizes, kind == torch.float64, ACTIVATIONS.index(activation), threads)


def _setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, spirals, weight, bias, activation = inputs
    ctx.save_for_backward(x, spirals, weight, None if activation == "none" else output)
    ctx.activation, ctx.has_bias = activation, bias is not None


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    need_x, _, need_weight, need_bias, _ = ctx.needs_input_grad
    needs = (need_x, need_weight, ctx.has_bias and need_bias)
    results = _backward_op(grad, *ctx.saved_tensors, ctx.activation, *needs)
    grad_x, grad_weight, grad_bias = (
        result if needed else None for result, needed in zip(results, needs, strict=True)
    )
    return grad_x, None, grad_weight, grad_bias, None


_backward_op = registered_op("spiral_conv_backward", _gradients, _fake_gradients)
_forward_op = registered_op("spiral_conv", _forward, _fake_forward, _setup_context, _backward, _checked)
