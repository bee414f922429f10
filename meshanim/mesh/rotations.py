"""Rotations between axis-angle, quaternion and matrix.

Right-handed, acting on column vectors (``y = R x``). Angles in radians. Quaternions are XYZW and of unit
length. Any leading batch dimensions; first and second derivatives are finite everywhere, the zero angle
included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.mesh.precision import as_given, widened

# Below this squared angle the series to second order is exact in float64 (the next term is 1e-16).
_SMALL = 1e-8


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """(..., 3) axis times angle to (..., 4) XYZW quaternion."""
    check_shape("axis_angle", axis_angle, (3,), batched=True)
    vector = widened(axis_angle)
    squared = (vector * vector).sum(-1, keepdim=True)
    small = squared < _SMALL
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    factor = torch.where(small, 0.5 - squared / 48, torch.sin(angle / 2) / angle)
    real = torch.where(small, 1 - squared / 8, torch.cos(angle / 2))
    return as_given(torch.cat([vector * factor, real], dim=-1), axis_angle)


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """(..., 4) XYZW quaternion to (..., 3) axis times angle, the angle in [0, pi]."""
    check_shape("quaternion", quaternion, (4,), batched=True)
    wide = widened(quaternion)
    wide = torch.where(wide[..., 3:] < 0, -wide, wide)
    imaginary, real = wide[..., :3], wide[..., 3:]
    squared = (imaginary * imaginary).sum(-1, keepdim=True)
    small = squared < _SMALL
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    safe_real = torch.where(small, real, torch.ones_like(real))
    series = 2 / safe_real - 2 * squared / (3 * safe_real**3)
    return as_given(imaginary * torch.where(small, series, 2 * torch.atan2(sine, real) / sine), quaternion)


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """(..., 4) XYZW unit quaternion to (..., 3, 3) rotation matrix."""
    check_shape("quaternion", quaternion, (4,), batched=True)
    x, y, z, w = quaternion.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrix to (..., 4) XYZW unit quaternion with a real part that is not negative.

    The matrix determines the outer product 4 q q^T; its row with the largest diagonal element, brought
    to unit length, is q without cancellation, whatever the angle.
    """
    check_shape("matrix", matrix, (3, 3), batched=True)
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = (row.unbind(-1) for row in matrix.unbind(-2))
    outer = [
        1 + m00 - m11 - m22, m01 + m10, m02 + m20, m21 - m12,
        m01 + m10, 1 - m00 + m11 - m22, m12 + m21, m02 - m20,
        m02 + m20, m12 + m21, 1 - m00 - m11 + m22, m10 - m01,
        m21 - m12, m02 - m20, m10 - m01, 1 + m00 + m11 + m22,
    ]  # fmt: skip
    rows = torch.stack(outer, dim=-1).unflatten(-1, (4, 4))
    largest = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = rows.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    row = torch.where(row[..., 3:] < 0, -row, row)
    return row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """(..., 3) axis times angle to (..., 3, 3) rotation matrix."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrix to (..., 3) axis times angle, the angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))
