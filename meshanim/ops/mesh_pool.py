"""Pooling between levels of a mesh hierarchy: a few weighted rows per vertex, no general sparse product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from meshanim._check import check_indices, check_shape
from meshanim.ops import _cuda, _cuda_ops
from meshanim.ops._arguments import autocast, check_kinds
from meshanim.ops._library import MeshPoolShape, check_result, library_for, pointer, remembered
from meshanim.ops._plans import pool_plan
from meshanim.ops._registered import registered_op


def mesh_pool(x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    r"""Each output vertex is a weighted sum of K input vertices: up-sampling by barycentric coordinates.

    .. math:: y_f = \sum_{k=1}^{K} w_{f,k}\, x_{i(f,k)}

    Args:
        x: features (B, V_c, C), any floating type; float32 and float64 on a CPU take the compiled code.
        indices: rows of ``x`` (V_f, K) int64.
        weights: (V_f, K), of the type of ``x``, which they take under ``torch.autocast``; get a gradient
            where they ask for one.

    Returns:
        Features (B, V_f, C).

    Raises:
        InputError: where a shape, type, device or index does not fit; names the argument.
    """
    return _forward_op(x, indices, weights)


def mesh_pool_reference(x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """The same as :func:`mesh_pool` by ``index_select``; makes the (B, V_f, K, C) copy."""
    rows = x.index_select(1, indices.reshape(-1)).view(x.shape[0], *indices.shape, x.shape[2])
    return (rows * weights.unsqueeze(-1)).sum(2)


def _checked(x: Tensor, indices: Tensor, weights: Tensor) -> tuple:
    (weights,) = autocast(x, weights)
    check_shape("x", x, (None, None, None))
    check_shape("indices", indices, (None, None))
    check_shape("weights", weights, tuple(indices.shape))
    check_kinds(x, {"weights": weights}, {"indices": indices})
    return x, indices, weights


def _forward(x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    if _cuda.takes(x):
        return _cuda_ops.mesh_pool(x, indices, weights)
    library = library_for(x)
    if library is None:
        check_indices("indices", indices, x.shape[1])
        return mesh_pool_reference(x, indices, weights)
    plan = pool_plan(indices, x.shape[1])
    x, weights = x.contiguous(), weights.contiguous()
    out = x.new_empty((x.shape[0], indices.shape[0], x.shape[2]))
    arrays = map(pointer, (x, plan.indices, weights, out))
    check_result(library.meshanim_mesh_pool_forward(_shape(x, indices), *arrays))
    return out


def _fake_forward(x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    return x.new_empty((x.shape[0], indices.shape[0], x.shape[2]))


def _gradient_x(grad: Tensor, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Gradient of x: a gather through the inverse lists."""
    if _cuda.takes(x):
        return _cuda_ops.mesh_pool_gradient(grad, x, indices, weights)
    library = library_for(x)
    if library is None:
        return reference_gradient_x(grad, x, indices, weights)
    starts, entries = pool_plan(indices, x.shape[1]).inverse
    grad, weights = grad.contiguous(), weights.contiguous()
    result = x.new_empty(x.shape)
    arrays = map(pointer, (grad, starts, entries, weights, result))
    check_result(library.meshanim_mesh_pool_backward(_shape(x, indices), *arrays))
    return result


def reference_gradient_x(grad: Tensor, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Gradient of x in plain PyTorch."""
    terms = grad.unsqueeze(2) * weights.unsqueeze(-1)
    return torch.zeros_like(x).index_add_(1, indices.reshape(-1), terms.flatten(1, 2))


def _fake_gradient_x(grad: Tensor, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    return x.new_empty(x.shape)


def _shape(x: Tensor, indices: Tensor) -> MeshPoolShape:
    return _structure(x.shape, indices.shape, x.dtype, torch.get_num_threads())


@remembered
def _structure(x: torch.Size, indices: torch.Size, kind: torch.dtype, threads: int) -> MeshPoolShape:
    return MeshPoolShape(x[0], x[1], *indices, x[2], kind == torch.float64, threads)


def _setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, indices, weights = ctx.saved_tensors
    grad_x = _backward_op(grad, x, indices, weights) if ctx.needs_input_grad[0] else None
    grad_weights = None
    if ctx.needs_input_grad[2]:  # rare: barycentric coordinates are constants nearly always
        rows = x.index_select(1, indices.reshape(-1)).view(x.shape[0], *indices.shape, x.shape[2])
        grad_weights = torch.einsum("bfc,bfkc->fk", grad, rows)
    return grad_x, None, grad_weights


_backward_op = registered_op("mesh_pool_backward", _gradient_x, _fake_gradient_x)
_forward_op = registered_op("mesh_pool", _forward, _fake_forward, _setup_context, _backward, _checked)
