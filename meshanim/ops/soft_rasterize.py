"""The nearest faces around each pixel, and how far the pixel is from each."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from meshanim._check import check_indices, check_range, check_shape, check_size
from meshanim.ops import _cuda_rasterize
from meshanim.ops._arguments import check_kinds
from meshanim.ops._coverage import faces_around, located_softly
from meshanim.ops._library import (
    RasterizeShape,
    SoftRasterizeBackward,
    check_result,
    library_for,
    pointer,
)
from meshanim.ops._plans import pool_plan
from meshanim.ops._registered import registered_op
from meshanim.ops.rasterize import NEAR

Soft = tuple[Tensor, Tensor, Tensor, Tensor]


def soft_rasterize(
    points: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    radius: float,
    count: int = 8,
    perspective: bool = True,
) -> Soft:
    """Up to ``count`` faces within a radius of each pixel's middle, the nearest in depth first.

    Each comes with the place on it that is nearest to the middle in the picture: the middle itself inside the
    face, a place on its outline otherwise. Faces that :func:`rasterize` leaves out are left out, and so are
    those that reach nearer than a millimetre to the camera, with perspective.

    Args:
        points: (B, V, 3) column, row (pixels) and depth (metres) of each vertex, any floating type; float32
            and float64 on a CPU and float32 on a GPU take the compiled code.
        faces: (F, 3) int64 vertex indices.
        size: (height, width) in pixels.
        radius: how far outside of a face pixels still see it, in pixels.
        count: K, most faces of a pixel.
        perspective: whether depth divides what is seen.

    Returns:
        Face (B, H, W, K) int64, -1 where there are no more; weights (B, H, W, K, 3) of its corners at the
        place; depth (B, H, W, K) there in metres; squared distance (B, H, W, K) in pixels of the middle from
        the face's outline, negative outside. All three get gradients, and are zero where there is no face.

    Raises:
        InputError: where a shape, type, device or index does not fit; names the argument.
    """
    check_shape("points", points, (None, None, 3))
    check_shape("faces", faces, (None, 3))
    check_kinds(points, {}, {"faces": faces}, "points")
    check_range("radius", radius, 0)
    check_range("count", count, 1, 64)
    check_size(size, highest=1 << 24)
    weights, depth, distance, face = _forward_op(points, faces, *size, radius, count, perspective)
    return face, weights, depth, distance


def soft_rasterize_reference(
    points: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    radius: float,
    count: int = 8,
    perspective: bool = True,
) -> Soft:
    """The same as :func:`soft_rasterize` in PyTorch, all pairs of face and pixel in a box around the face."""
    exact = points.detach().to(torch.float64)
    members = [faces_around(member[faces], size, radius, count, perspective, NEAR) for member in exact]
    face = torch.stack(members) if members else faces.new_empty(0, *size, count)
    return face, *located_softly(points, faces, face, perspective)


def _forward(
    points: Tensor, faces: Tensor, height: int, width: int, radius: float, count: int, perspective: bool
) -> Soft:
    """Weights, depth, distance, face: what has a gradient comes first."""
    if _cuda_rasterize.takes(points):
        values = _fake_forward(points, faces, height, width, radius, count, perspective)
        _cuda_rasterize.soft_rasterize(points, faces, (values[3], *values[:3]), perspective, NEAR, radius)
        return values
    library = library_for(points)
    if library is None:
        check_indices("faces", faces, points.shape[1])
        arguments = (points, faces, (height, width), radius, count, perspective)
        face, weights, depth, distance = soft_rasterize_reference(*arguments)
        return weights, depth, distance, face
    plan = pool_plan(faces, points.shape[1], "faces")
    points = points.contiguous()
    values = _fake_forward(points, faces, height, width, radius, count, perspective)
    shape = _shape(points, faces, values[3], radius, perspective)
    arrays = map(pointer, (points, plan.indices, values[3], *values[:3]))
    check_result(library.meshanim_soft_rasterize_forward(shape, *arrays))
    return values


def _fake_forward(
    points: Tensor, faces: Tensor, height: int, width: int, radius: float, count: int, perspective: bool
) -> Soft:
    size = (points.shape[0], height, width, count)
    depth, distance = points.new_empty(size), points.new_empty(size)
    return points.new_empty((*size, 3)), depth, distance, faces.new_empty(size)


def _gradient(
    points: Tensor,
    faces: Tensor,
    face: Tensor,
    grad_weights: Tensor | None,
    grad_depth: Tensor | None,
    grad_distance: Tensor | None,
    perspective: bool,
) -> Tensor:
    """Gradient (B, V, 3) of the points."""
    library = library_for(points)
    given = [x if x is None else x.contiguous() for x in (grad_weights, grad_depth, grad_distance)]
    if _cuda_rasterize.takes(points):
        return _cuda_rasterize.soft_rasterize_gradient(points, faces, face, given, perspective)
    if library is None:
        return _reference_gradient(points, faces, face, given, perspective)
    plan = pool_plan(faces, points.shape[1], "faces")
    points, face = points.contiguous(), face.contiguous()
    result = torch.empty_like(points)
    arrays = SoftRasterizeBackward(*map(pointer, (points, plan.indices, face, *given, *plan.inverse, result)))
    check_result(
        library.meshanim_soft_rasterize_backward(_shape(points, faces, face, 0.0, perspective), arrays)
    )
    return result


def _reference_gradient(
    points: Tensor, faces: Tensor, face: Tensor, given: list[Tensor | None], perspective: bool
) -> Tensor:
    """PyTorch's derivative of the reference, by a functional transform: autograd is off inside of ops."""

    def value(leaf: Tensor) -> Tensor:
        found = located_softly(leaf, faces, face, perspective)
        terms = [(x * grad).sum() for x, grad in zip(found, given, strict=True) if grad is not None]
        return torch.stack(terms).sum()

    return torch.func.grad(value)(points)


def _fake_gradient(points: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(points, memory_format=torch.contiguous_format)


def _shape(points: Tensor, faces: Tensor, face: Tensor, radius: float, perspective: bool) -> ctypes.Structure:
    sizes = (*points.shape[:2], faces.shape[0], *face.shape[1:3], NEAR, radius, face.shape[3])
    return RasterizeShape(*sizes, perspective, points.dtype == torch.float64, torch.get_num_threads())


def _setup_context(ctx: Any, inputs: tuple, output: Soft) -> None:
    ctx.save_for_backward(*inputs[:2], output[3])
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)
    ctx.perspective = inputs[6]


def _backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    if all(grad is None for grad in grads[:3]):
        return (None,) * 7
    return _backward_op(*ctx.saved_tensors, *grads[:3], ctx.perspective), *(None,) * 6


_backward_op = registered_op("soft_rasterize_backward", _gradient, _fake_gradient)
_forward_op = registered_op("soft_rasterize", _forward, _fake_forward, _setup_context, _backward)
