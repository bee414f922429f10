"""Normals and areas, differentiable, over any leading batch dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.mesh.precision import as_given, widened


def _face_crosses(vertices: Tensor, faces: Tensor) -> Tensor:
    """(..., F, 3) cross products of two sides: along the normal, as long as twice the area."""
    check_shape("vertices", vertices, (None, 3), batched=True)
    check_shape("faces", faces, (None, 3))
    corner, second, third = widened(vertices)[..., faces.T, :].unbind(-3)
    return torch.linalg.cross(second - corner, third - corner)


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) at unit length; a zero vector stays zero and has finite derivatives."""
    wide = widened(vectors)
    squared = (wide * wide).sum(-1, keepdim=True)
    return as_given(wide / torch.where(squared > 0, squared, torch.ones_like(squared)).sqrt(), vectors)


def face_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (..., F, 3) of counter-clockwise faces; zero for a face without area.

    Args:
        vertices: (..., V, 3).
        faces: (F, 3).
    """
    return as_given(unit(_face_crosses(vertices, faces)), vertices)


def face_areas(vertices: Tensor, faces: Tensor) -> Tensor:
    """Areas (..., F) in the square of the vertices' unit.

    Args:
        vertices: (..., V, 3).
        faces: (F, 3).
    """
    return as_given(torch.linalg.vector_norm(_face_crosses(vertices, faces), dim=-1) / 2, vertices)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (..., V, 3): the area-weighted mean of the faces around; zero where there are none.

    Args:
        vertices: (..., V, 3).
        faces: (F, 3).
    """
    crosses = _face_crosses(vertices, faces)
    corners = crosses.unsqueeze(-2).expand(*crosses.shape[:-1], 3, 3).flatten(-3, -2)
    total = torch.zeros_like(vertices, dtype=crosses.dtype).index_add(-2, faces.flatten(), corners)
    return as_given(unit(total), vertices)
