"""How a surface moves locally from one shape to another."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape
from meshanim.mesh.geometry import unit


def _sides(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two sides, unit normal and (..., F, 1) area of every face."""
    corner, second, third = vertices[..., faces.T, :].unbind(-3)
    first_side, second_side = second - corner, third - corner
    cross = torch.linalg.cross(first_side, second_side)
    return first_side, second_side, unit(cross), torch.linalg.vector_norm(cross, dim=-1, keepdim=True) / 2


def _outer(column: Tensor, row: Tensor) -> Tensor:
    return column.unsqueeze(-1) * row.unsqueeze(-2)


def deformation_gradients(source_vertices: Tensor, target_vertices: Tensor, faces: Tensor) -> Tensor:
    """The local affine map of each vertex's neighbourhood from a source to a target surface.

    For a face, the 3x3 map G takes the two sides and the unit normal of the source triangle to those of
    the target triangle, ``G = [t1 t2 m] [s1 s2 n]^-1`` (the deformation gradient of Sumner and Popovic,
    "Deformation Transfer for Triangle Meshes", 2004, with a normal of unit length on both sides, so that
    a surface without thickness is not scaled across). A vertex takes the mean over its faces, weighted by
    their source areas. ``G @ d`` carries a displacement d of the source surface to the target.

    Args:
        source_vertices: (V, 3).
        target_vertices: (..., V, 3), any number of targets at once.
        faces: (F, 3).

    Returns:
        (..., V, 3, 3), differentiable in both shapes; the identity for a vertex without a face of area.
    """
    check_shape("source_vertices", source_vertices, (None, 3))
    check_shape("target_vertices", target_vertices, (len(source_vertices), 3), batched=True)
    check_shape("faces", faces, (None, 3))
    if source_vertices.dtype != target_vertices.dtype:
        raise InputError(
            f"target_vertices must be of type {source_vertices.dtype} as the source is, "
            f"got {target_vertices.dtype}"
        )
    s1, s2, n, area = _sides(source_vertices, faces)
    t1, t2, m, _ = _sides(target_vertices, faces)
    # The area times G: dual vectors of the sides are (s2 x n) / 2A and (n x s1) / 2A, so nothing is
    # divided by an area and slivers do no harm.
    weighted = _outer(t1, torch.linalg.cross(s2, n) / 2) + _outer(t2, torch.linalg.cross(n, s1) / 2)
    weighted = (weighted + _outer(m, n * area)).flatten(-2)
    corners = weighted.unsqueeze(-2).expand(*weighted.shape[:-1], 3, 9).flatten(-3, -2)
    count = len(source_vertices)
    total = corners.new_zeros(*corners.shape[:-2], count, 9).index_add(-2, faces.flatten(), corners)
    weight = area.new_zeros(count, 1).index_add(0, faces.flatten(), area.repeat_interleave(3, dim=0))
    has_area = weight > 0
    mean = total / torch.where(has_area, weight, torch.ones_like(weight))
    identity = torch.eye(3, dtype=mean.dtype, device=mean.device).flatten()
    return torch.where(has_area, mean, identity).unflatten(-1, (3, 3))
