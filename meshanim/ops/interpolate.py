"""Attributes of vertices, on the faces that pixels see."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from meshanim._check import check_indices, check_shape
from meshanim.ops import _cuda, _cuda_faces
from meshanim.ops._arguments import check_kinds
from meshanim.ops._library import (
    InterpolateArrays,
    InterpolateShape,
    check_result,
    library_for,
    pointer,
)
from meshanim.ops._plans import pool_plan
from meshanim.ops._registered import registered_op


def interpolate(attributes: Tensor, faces: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    r"""A weighted sum of the attributes of a face's three corners, for each pixel.

    .. math:: y_n = \sum_{k=1}^{3} w_{n,k}\, x_{i(f(n), k)}

    Args:
        attributes: (B, V, C) of each vertex, any floating type; float32 and float64 on a CPU, and all but
            float64 on a GPU, take the compiled code.
        faces: (F, 3) int64 vertex indices.
        face: (B, N) int64 face of each pixel, -1 where there is none. The compiled code of a GPU takes what
            is no face for none: to look would be to wait for it at every call.
        weights: (B, N, 3) of its corners, of the type of ``attributes``.

    Returns:
        (B, N, C), zero where there is no face.

    Raises:
        InputError: where a shape, type, device or index does not fit; names the argument.
    """
    check_shape("attributes", attributes, (None, None, None))
    check_shape("faces", faces, (None, 3))
    check_shape("face", face, (attributes.shape[0], None))
    check_shape("weights", weights, (*face.shape, 3))
    check_kinds(attributes, {"weights": weights}, {"faces": faces, "face": face}, "attributes")
    return _forward_op(attributes, faces, face, weights)


def interpolate_reference(attributes: Tensor, faces: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    """The same as :func:`interpolate` by indexing; makes the (N, 3, C) copy."""
    batch, pixel = (face >= 0).nonzero(as_tuple=True)
    corners = attributes[batch[:, None], faces[face[batch, pixel]]]
    values = (weights[batch, pixel].unsqueeze(-1) * corners).sum(1)
    result = attributes.new_zeros(*face.shape, attributes.shape[2])
    return result.index_put((batch, pixel), values)


def _checked(faces: Tensor, face: Tensor, vertices: int) -> None:
    check_indices("faces", faces, vertices)
    check_indices("face", face, faces.shape[0], lowest=-1)


def _forward(attributes: Tensor, faces: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    if _cuda.takes(attributes):
        return _cuda_faces.interpolate(attributes, faces, face, weights)
    library = library_for(attributes)
    if library is None:
        _checked(faces, face, attributes.shape[1])
        return interpolate_reference(attributes, faces, face, weights)
    plan = pool_plan(faces, attributes.shape[1], "faces")
    check_indices("face", face, faces.shape[0], lowest=-1)
    inputs = (attributes.contiguous(), plan.indices, face.contiguous(), weights.contiguous())
    out = _fake_forward(attributes, faces, face, weights)
    arrays = InterpolateArrays(*map(pointer, inputs), None, pointer(out), None, None)
    check_result(library.meshanim_interpolate_forward(_shape(attributes, face), arrays))
    return out


def _fake_forward(attributes: Tensor, faces: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    return attributes.new_empty((*face.shape, attributes.shape[2]))


def _gradients(
    grad: Tensor,
    attributes: Tensor,
    faces: Tensor,
    face: Tensor,
    weights: Tensor,
    to_attributes: bool,
    to_weights: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of attributes and weights, without elements where not wanted."""
    if _cuda.takes(attributes):
        needs = (to_attributes, to_weights)
        return _cuda_faces.interpolate_gradients(grad, attributes, faces, face, weights, needs)
    library = library_for(attributes)
    if library is None:
        return reference_gradients(grad, attributes, faces, face, weights, to_attributes, to_weights)
    plan = pool_plan(faces, attributes.shape[1], "faces")
    inputs = (attributes, plan.indices, face, weights, grad)
    arrays_in = [value.contiguous() for value in inputs]
    grad_attributes = attributes.new_zeros(attributes.shape if to_attributes else 0)
    grad_weights = weights.new_empty(weights.shape if to_weights else 0)
    results = (grad_attributes if to_attributes else None, grad_weights if to_weights else None)
    arrays = InterpolateArrays(*map(pointer, arrays_in), None, *map(pointer, results))
    check_result(library.meshanim_interpolate_backward(_shape(attributes, face), arrays))
    return grad_attributes, grad_weights


def reference_gradients(
    grad: Tensor,
    attributes: Tensor,
    faces: Tensor,
    face: Tensor,
    weights: Tensor,
    to_attributes: bool,
    to_weights: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of attributes and weights in plain PyTorch, without elements where not wanted."""
    batch, pixel = (face >= 0).nonzero(as_tuple=True)
    vertex, given = faces[face[batch, pixel]], grad[batch, pixel].unsqueeze(1)
    grad_attributes, grad_weights = attributes.new_zeros(0), weights.new_zeros(0)
    if to_attributes:
        terms = weights[batch, pixel].unsqueeze(-1) * given
        grad_attributes = torch.zeros_like(attributes, memory_format=torch.contiguous_format)
        grad_attributes.index_put_((batch[:, None], vertex), terms, accumulate=True)
    if to_weights:
        grad_weights = torch.zeros_like(weights, memory_format=torch.contiguous_format)
        grad_weights[batch, pixel] = (attributes[batch[:, None], vertex] * given).sum(-1)
    return grad_attributes, grad_weights


def _fake_gradients(
    grad: Tensor,
    attributes: Tensor,
    faces: Tensor,
    face: Tensor,
    weights: Tensor,
    to_attributes: bool,
    to_weights: bool,
) -> tuple[Tensor, Tensor]:
    return (
        attributes.new_empty(attributes.shape if to_attributes else 0),
        weights.new_empty(weights.shape if to_weights else 0),
    )


def _shape(attributes: Tensor, face: Tensor) -> ctypes.Structure:
    sizes = (*attributes.shape[:2], face.shape[1], attributes.shape[2])
    return InterpolateShape(*sizes, attributes.dtype == torch.float64, torch.get_num_threads())


def _setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[3])
    grad_attributes, grad_weights = _backward_op(grad, *ctx.saved_tensors, *wanted)
    return grad_attributes if wanted[0] else None, None, None, grad_weights if wanted[1] else None


_backward_op = registered_op("interpolate_backward", _gradients, _fake_gradients)
_forward_op = registered_op("interpolate", _forward, _fake_forward, _setup_context, _backward)
