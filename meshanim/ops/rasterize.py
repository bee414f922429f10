"""Which face each pixel sees, and where on it."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from meshanim._check import check_indices, check_shape, check_size
from meshanim.ops import _cuda_rasterize
from meshanim.ops._arguments import check_kinds
from meshanim.ops._coverage import located, nearest_faces_in_picture, seen_from
from meshanim.ops._library import RasterizeBackward, RasterizeShape, check_result, library_for, pointer
from meshanim.ops._plans import pool_plan
from meshanim.ops._registered import registered_op

NEAR = 1e-3
"""Depth in metres from which a face is seen, with perspective."""


def rasterize(
    points: Tensor, faces: Tensor, size: tuple[int, int], perspective: bool = True, near: float = NEAR
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The nearest face in the middle of each pixel, the place on it, and its depth.

    With :math:`e_i` the areas that a pixel's middle cuts off a face in the picture, opposite corner i of
    depth :math:`z_i`, the place has the weights

    .. math:: b_i = \frac{e_i / z_i}{\sum_j e_j / z_j} \qquad z = \frac{\sum_j e_j}{\sum_j e_j / z_j}

    and without perspective :math:`b_i = e_i / \sum_j e_j` and :math:`z = \sum_i b_i z_i`. Both sides of a
    face are seen. A middle exactly on an edge belongs to one of the two faces there, so that neighbours
    leave no gap and share no pixel; of faces that are equally near the lowest index is seen. Faces without
    area and faces with a corner that is not finite are left out whole. With perspective nothing is seen
    nearer than ``near``; a face that reaches nearer, or behind the camera, is seen as far as it does not: its
    edge functions are those of homogeneous coordinates (Olano and Greer, "Triangle Scan Conversion using 2D
    Homogeneous Coordinates", 1997), so that nothing has to be cut off. Gradients go to the points through
    weights and depth; which face is seen has none.

    Args:
        points: (B, V, 3) column, row (pixels) and depth (metres) of each vertex, any floating type; float32
            and float64 on a CPU and float32 on a GPU take the compiled code. Edges are always found in double
            precision. With perspective, vertices at a depth of zero or less come with column and row times
            depth.
        faces: (F, 3) int64 vertex indices.
        size: (height, width) in pixels.
        perspective: whether depth divides what is seen, see above.
        near: least depth in metres with perspective.

    Returns:
        Face (B, H, W) int64, -1 where there is none; weights (B, H, W, 3) of its corners, and depth (B, H, W)
        in metres, zero where there is none.

    Raises:
        InputError: where a shape, type, device or index does not fit; names the argument.
    """
    check_shape("points", points, (None, None, 3))
    check_shape("faces", faces, (None, 3))
    check_kinds(points, {}, {"faces": faces}, "points")
    check_size(size, highest=1 << 24)
    weights, depth, face = _forward_op(points, faces, *size, perspective, near)
    return face, weights, depth


def rasterize_reference(
    points: Tensor, faces: Tensor, size: tuple[int, int], perspective: bool = True, near: float = NEAR
) -> tuple[Tensor, Tensor, Tensor]:
    """The same as :func:`rasterize` in PyTorch, all pairs of face and pixel in a box around the face."""
    exact = points.detach().to(torch.float64)
    members = [nearest_faces_in_picture(member[faces], size, perspective, near) for member in exact]
    face = torch.stack(members) if members else faces.new_empty(0, *size)
    return face, *located(points, faces, face, perspective)


def _forward(
    points: Tensor, faces: Tensor, height: int, width: int, perspective: bool, near: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, depth, face: what has a gradient comes first, which ``torch.library.opcheck`` needs."""
    if _cuda_rasterize.takes(points):
        weights, depth, face = _fake_forward(points, faces, height, width, perspective, near)
        _cuda_rasterize.rasterize(points, faces, (face, weights, depth), perspective, near)
        return weights, depth, face
    library = library_for(points)
    if library is None:
        check_indices("faces", faces, points.shape[1])
        face, weights, depth = rasterize_reference(points, faces, (height, width), perspective, near)
        return weights, depth, face
    plan = pool_plan(faces, points.shape[1], "faces")
    points = points.contiguous()
    weights, depth, face = _fake_forward(points, faces, height, width, perspective, near)
    shape = _shape(points, faces, height, width, perspective, near)
    arrays = map(pointer, (points, plan.indices, face, weights, depth))
    check_result(library.meshanim_rasterize_forward(shape, *arrays))
    return weights, depth, face


def _fake_forward(
    points: Tensor, faces: Tensor, height: int, width: int, perspective: bool, near: float
) -> tuple[Tensor, Tensor, Tensor]:
    size = (points.shape[0], height, width)
    return points.new_empty((*size, 3)), points.new_empty(size), faces.new_empty(size)


def _gradient(
    points: Tensor,
    faces: Tensor,
    weights: Tensor,
    depth: Tensor,
    face: Tensor,
    grad_weights: Tensor | None,
    grad_depth: Tensor | None,
    perspective: bool,
) -> Tensor:
    """Gradient (B, V, 3) of the points."""
    if _cuda_rasterize.takes(points):
        values = (weights, grad_weights, grad_depth)
        return _cuda_rasterize.rasterize_gradient(points, faces, face, values, perspective)
    library = library_for(points)
    if library is None:
        return reference_gradient(points, faces, weights, depth, face, grad_weights, grad_depth, perspective)
    plan = pool_plan(faces, points.shape[1], "faces")
    result = torch.empty_like(points, memory_format=torch.contiguous_format)
    given = [x if x is None else x.contiguous() for x in (points, weights, depth, grad_weights, grad_depth)]
    faced = map(pointer, (given[0], plan.indices, face.contiguous()))
    arrays = RasterizeBackward(*faced, *map(pointer, (*given[1:], *plan.inverse, result)))
    shape = _shape(points, faces, face.shape[1], face.shape[2], perspective, NEAR)
    check_result(library.meshanim_rasterize_backward(shape, arrays))
    return result


def reference_gradient(
    points: Tensor,
    faces: Tensor,
    weights: Tensor,
    depth: Tensor,
    face: Tensor,
    grad_weights: Tensor | None,
    grad_depth: Tensor | None,
    perspective: bool,
) -> Tensor:
    """Gradient of the points in plain PyTorch.

    With corners (u, v) away from a pixel's middle, times their depths with perspective, the weights solve
    ``sum(b u) = sum(b v) = 0`` and ``sum(b) = 1``, and depth is ``sum(b z)``. With g the gradients of the
    weights, those of depth included, and p and q for which ``g - p u - q v`` is the same at all corners, u
    gets ``-p b`` and v gets ``-q b``.
    """
    seen = face >= 0
    batch, row, column = seen.nonzero(as_tuple=True)
    vertex = faces[face[seen]]
    corners = points.to(torch.float64)[batch[:, None], vertex]
    middle = torch.stack([column, row], 1).to(torch.float64) + 0.5
    share, z = weights[seen].to(torch.float64), corners[..., 2:]
    g = torch.zeros_like(share) if grad_weights is None else grad_weights[seen].to(torch.float64)
    h = torch.zeros_like(share[:, :1]) if grad_depth is None else grad_depth[seen].to(torch.float64)[:, None]
    away, g = seen_from(middle, corners, perspective), g + h * z[..., 0]
    side, rise = away[:, 1:] - away[:, :1], g[:, 1:] - g[:, :1]
    area = side[:, 0, 0] * side[:, 1, 1] - side[:, 1, 0] * side[:, 0, 1]
    p = (rise[:, 0] * side[:, 1, 1] - rise[:, 1] * side[:, 0, 1]) / area
    q = (side[:, 0, 0] * rise[:, 1] - side[:, 1, 0] * rise[:, 0]) / area
    to_away, grad_z = -torch.stack([p, q], 1)[:, None] * share[..., None], (h * share)[..., None]
    if perspective:
        before = z > 0
        moved = torch.where(before, corners[..., :2] - middle[:, None], -middle[:, None])
        grad_z = grad_z + (moved * to_away).sum(-1, keepdim=True)
        to_away = to_away * torch.where(before, z, 1)
    total = torch.zeros_like(points, dtype=torch.float64)
    total.index_put_((batch[:, None], vertex), torch.cat([to_away, grad_z], -1), accumulate=True)
    return total.to(points.dtype)


def _fake_gradient(points: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(points, memory_format=torch.contiguous_format)


def _shape(
    points: Tensor, faces: Tensor, height: int, width: int, perspective: bool, near: float
) -> ctypes.Structure:
    sizes = (points.shape[0], points.shape[1], faces.shape[0], height, width, near, 0.0, 1)
    return RasterizeShape(*sizes, perspective, points.dtype == torch.float64, torch.get_num_threads())


def _setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:2], *output)
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)
    ctx.perspective = inputs[4]


def _backward(
    ctx: Any, grad_weights: Tensor | None, grad_depth: Tensor | None, _: Tensor | None
) -> tuple[Tensor | None, ...]:
    if grad_weights is None and grad_depth is None:
        return (None,) * 6
    return _backward_op(*ctx.saved_tensors, grad_weights, grad_depth, ctx.perspective), *(None,) * 5


_backward_op = registered_op("rasterize_backward", _gradient, _fake_gradient)
_forward_op = registered_op("rasterize", _forward, _fake_forward, _setup_context, _backward)
