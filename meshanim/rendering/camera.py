"""Pinhole camera with OpenCV axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape


@dataclass(frozen=True, eq=False)
class Camera:
    """Pinhole camera, ``x = K (R X + t)``: X right, Y down, Z into the picture, all in metres.

    Pixel coordinates are (column, row), with (0, 0) at the outer corner of the top left pixel, so that its
    middle is at (0.5, 0.5).

    Args:
        matrix: (3, 3) K, focal lengths and principal point in pixels.
        rotation: (3, 3) R, world to camera.
        translation: (3,) t in metres.
        size: (height, width) of the picture in pixels.
    """

    matrix: Tensor
    rotation: Tensor
    translation: Tensor
    size: tuple[int, int]

    def __post_init__(self) -> None:
        for name, shape in (("matrix", (3, 3)), ("rotation", (3, 3)), ("translation", (3,))):
            check_shape(name, getattr(self, name), shape)
            check_finite(name, getattr(self, name))
        for name, pixels in zip(("height", "width"), self.size, strict=True):
            check_range(name, pixels, 1)

    @classmethod
    def looking_at(
        cls,
        eye: Sequence[float] | Tensor,
        target: Sequence[float] | Tensor,
        fov: float = 25.0,
        size: tuple[int, int] = (512, 512),
    ) -> Camera:
        """Camera at ``eye`` that has ``target`` in the middle of its picture and world Y upwards.

        Args:
            eye: (3,) position in metres.
            target: (3,) position in metres, not straight above or below ``eye``.
            fov: vertical field of view in degrees, between 0 and 180.
            size: (height, width) in pixels.
        """
        check_range("fov", fov, 0, 179, open_low=True)
        position = torch.as_tensor(eye, dtype=torch.float32)
        forward = torch.as_tensor(target, dtype=torch.float32) - position
        right = torch.linalg.cross(forward, torch.tensor([0.0, 1.0, 0.0]))
        if float(right.norm()) <= 1e-6 * float(forward.norm()):
            raise InputError("target must not lie straight above or below eye, nor at the same place")
        forward, right = forward / forward.norm(), right / right.norm()
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
        focal = size[0] / (2 * math.tan(math.radians(fov) / 2))
        matrix = torch.tensor([[focal, 0.0, size[1] / 2], [0.0, focal, size[0] / 2], [0.0, 0.0, 1.0]])
        return cls(matrix, rotation, -rotation @ position, size)

    def scaled(self, factor: int) -> Camera:
        """The same view with ``factor`` times as many pixels along each side."""
        matrix = self.matrix * torch.tensor([[factor], [factor], [1.0]])
        return Camera(matrix, self.rotation, self.translation, (self.size[0] * factor, self.size[1] * factor))

    @property
    def position(self) -> Tensor:
        """(3,) place of the camera in the world, in metres."""
        return -self.rotation.mT @ self.translation

    def project(self, points: Tensor) -> Tensor:
        """World (..., 3) in metres to (..., 3): column and row in pixels, and depth in metres.

        Points at or behind the camera have a depth of zero or less, and a meaningless column and row.
        """
        seen = points @ self.rotation.mT + self.translation
        depth = seen[..., 2:]
        plane = seen @ self.matrix.mT
        return torch.cat([plane[..., :2] / torch.where(depth > 0, depth, 1), depth], dim=-1)
