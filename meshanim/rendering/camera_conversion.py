"""Cameras of other houses in numbers: OpenGL's matrices, PyTorch3D's row vectors. See :class:`Camera`."""

from __future__ import annotations

import torch
from torch import Tensor

OPENGL_AXES = (1.0, -1.0, -1.0)
"""OpenGL's camera has X right, Y up, and looks along -Z; ours has Y down and looks along Z."""
PYTORCH3D_AXES = (-1.0, -1.0, 1.0)
"""PyTorch3D's camera has X left, Y up, and looks along Z."""


def turned_axes(rotation: Tensor, translation: Tensor, axes: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """World-to-camera (..., 3, 3) and (..., 3) with the camera's axes turned; its own inverse."""
    signs = rotation.new_tensor(axes)
    return signs[:, None] * rotation, signs.to(translation) * translation


def homogeneous(rotation: Tensor, translation: Tensor) -> Tensor:
    """(..., 4, 4) of (..., 3, 3) and (..., 3)."""
    batch = torch.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    upper = torch.cat([rotation.expand(*batch, 3, 3), translation.expand(*batch, 3).unsqueeze(-1)], dim=-1)
    return torch.cat([upper, upper.new_tensor([[0.0, 0.0, 0.0, 1.0]]).expand(*batch, 1, 4)], dim=-2)


def _half_pictures(matrix: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(2, 1) and (2, 3): what takes K's upper rows from pixels to half pictures, from the middle upwards."""
    height, width = size
    return matrix.new_tensor([[2 / width], [-2 / height]]), matrix.new_tensor([[0, 0, -1], [0, 0, 1]])


def opengl_projection(
    matrix: Tensor, size: tuple[int, int], near: float, far: float, perspective: bool
) -> Tensor:
    """OpenGL's projection (..., 4, 4) of K (..., 3, 3)."""
    scale, shift = _half_pictures(matrix, size)
    rows = (matrix[..., :2, :] * scale + shift) * matrix.new_tensor(OPENGL_AXES)
    focal, centre = rows[..., :2], rows[..., 2:]
    zero = torch.zeros_like(centre)
    depth: tuple[tuple[float, ...], ...]
    if perspective:
        upper = torch.cat([focal, centre, zero], dim=-1)
        depth = ((0, 0, (near + far) / (near - far), 2 * near * far / (near - far)), (0, 0, -1, 0))
    else:
        upper = torch.cat([focal, zero, -centre], dim=-1)
        depth = ((0, 0, 2 / (near - far), (near + far) / (near - far)), (0, 0, 0, 1))
    lower = matrix.new_tensor(depth).expand(*matrix.shape[:-2], 2, 4)
    return torch.cat([upper, lower], dim=-2)


def matrix_of_opengl(projection: Tensor, size: tuple[int, int], perspective: bool) -> Tensor:
    """K (..., 3, 3) of OpenGL's projection (..., 4, 4)."""
    scale, shift = _half_pictures(projection, size)
    centre = projection[..., :2, 2:3] if perspective else -projection[..., :2, 3:]
    rows = torch.cat([projection[..., :2, :2], centre], dim=-1) * projection.new_tensor(OPENGL_AXES)
    last = rows.new_tensor([[0.0, 0.0, 1.0]]).expand(*rows.shape[:-2], 1, 3)
    return torch.cat([(rows - shift) / scale, last], dim=-2)
