"""Pinhole and weak-perspective cameras with OpenCV axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_finite, check_range, check_shape, check_size, check_tensor
from meshanim.mesh.precision import exact
from meshanim.rendering.camera_conversion import (
    OPENGL_AXES,
    PYTORCH3D_AXES,
    homogeneous,
    matrix_of_opengl,
    opengl_projection,
    turned_axes,
)


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera or a batch of them, ``x = K (R X + t)``: X right, Y down, Z into the picture, all in metres.

    Pixel coordinates are (column, row), with (0, 0) at the outer corner of the top left pixel, so that its
    middle is at (0.5, 0.5). With perspective, x is divided by its depth; without, all points count as
    equally far away (weak perspective), and K's focal lengths are in pixels per metre.

    The three tensors may have leading batch dimensions that broadcast; everything is differentiable in them.

    Args:
        matrix: (..., 3, 3) K, focal lengths, skew and principal point in pixels; its last row is 0, 0, 1.
        rotation: (..., 3, 3) R, world to camera.
        translation: (..., 3) t in metres.
        size: (height, width) of the picture in pixels.
        perspective: whether what is farther away looks smaller.
    """

    matrix: Tensor
    rotation: Tensor
    translation: Tensor
    size: tuple[int, int]
    perspective: bool = True

    def __post_init__(self) -> None:
        for name, shape in (("matrix", (3, 3)), ("rotation", (3, 3)), ("translation", (3,))):
            check_finite(name, getattr(self, name))
            check_shape(name, getattr(self, name), shape, batched=True)
        check_size(self.size)

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
            eye: (..., 3) position in metres.
            target: (..., 3) position in metres, not straight above or below ``eye``.
            fov: vertical field of view in degrees, above 0 and at most 179.
            size: (height, width) in pixels.
        """
        check_range("fov", fov, 0, 179, open_low=True)
        check_size(size)
        position, middle = (torch.as_tensor(point) for point in (eye, target))
        dtype = torch.promote_types(torch.promote_types(position.dtype, middle.dtype), torch.float32)
        position, middle = position.to(dtype), middle.to(position.device, dtype)
        forward = middle - position
        right = torch.linalg.cross(forward, forward.new_tensor([0.0, 1.0, 0.0]).expand_as(forward))
        length, across = (vector.norm(dim=-1, keepdim=True) for vector in (forward, right))
        if bool((across <= 1e-6 * length).any()):
            raise InputError("target must not lie straight above or below eye, nor at the same place")
        forward, right = forward / length, right / across
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-2)
        focal = size[0] / (2 * math.tan(math.radians(fov) / 2))
        matrix = [[focal, 0.0, size[1] / 2], [0.0, focal, size[0] / 2], [0.0, 0.0, 1.0]]
        return cls(forward.new_tensor(matrix), rotation, -_turn(rotation, position), size)

    def to(self, target: torch.dtype | torch.device | Tensor) -> Camera:
        """The same camera in another floating type, on another device, or like another tensor."""
        tensors = {name: getattr(self, name).to(target) for name in ("matrix", "rotation", "translation")}
        return replace(self, **tensors)

    def scaled(self, factor: float) -> Camera:
        """The same view with ``factor`` times as many pixels along each side, to the nearest whole number."""
        matrix = self.matrix * self.matrix.new_tensor([[factor], [factor], [1.0]])
        height, width = (round(pixels * factor) for pixels in self.size)
        return replace(self, matrix=matrix, size=(height, width))

    def cropped(self, corner: tuple[int, int], size: tuple[int, int]) -> Camera:
        """The part of the view of a size (height, width) whose first pixel is at a corner (row, column)."""
        matrix = self.matrix.clone()
        matrix[..., :2, 2] -= matrix.new_tensor([corner[1], corner[0]])
        return replace(self, matrix=matrix, size=size)

    def weak_perspective(self, depth: float) -> Camera:
        """The camera without perspective that agrees with this one on all points at a depth in metres."""
        check_range("depth", depth, 0, open_low=True)
        focal = self.matrix.new_tensor([[1 / depth, 1 / depth, 1.0]] * 2 + [[1.0, 1.0, 1.0]])
        return replace(self, matrix=self.matrix * focal, perspective=False)

    @property
    def batch_shape(self) -> torch.Size:
        """Leading dimensions of the batch; empty for one camera."""
        shapes = (self.matrix.shape[:-2], self.rotation.shape[:-2], self.translation.shape[:-1])
        return torch.broadcast_shapes(*shapes)

    @property
    def position(self) -> Tensor:
        """(..., 3) place of the camera in the world, in metres."""
        return -_turn(self.rotation.mT, self.translation)

    def project(self, points: Tensor) -> Tensor:
        """World (..., 3) in metres to (..., 3): column and row in pixels, and depth in metres.

        With perspective, points at or behind the camera have a depth of zero or less, and column and row
        times depth, which are not divided there.

        The points' floating type and device are the result's, whatever the camera's.

        Args:
            points: (..., 3); for a batch of cameras (..., N, 3), whose leading dimensions broadcast with the
                cameras'.
        """
        self._check_points("points", points, 3)
        with exact(points):
            return self._projected(points)

    def _projected(self, points: Tensor) -> Tensor:
        lens, rotation, translation = self._like(points)
        middle = torch.zeros_like(lens[..., 2])
        if not self.perspective:
            middle = lens[..., 2] * lens.new_tensor([1.0, 1.0, 0.0])
            lens = lens * lens.new_tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        turn, shift = lens @ rotation, _turn(lens, translation) + middle
        if turn.ndim == 2 and shift.ndim == 1:
            plane = functional.linear(points, turn, shift)
        else:
            plane = points @ turn.mT + _beside_points(shift)
        if not self.perspective:
            return plane
        depth = plane[..., 2:]
        return torch.cat([plane[..., :2] / torch.where(depth > 0, depth, 1), depth], dim=-1)

    def unproject(self, pixels: Tensor, depth: Tensor) -> Tensor:
        """World points (..., 3) in metres that are seen at a place in the picture, the inverse of project.

        Args:
            pixels: (..., 2) column and row; for a batch of cameras (..., N, 2).
            depth: (...,) metres along the camera's axis.
        """
        self._check_points("pixels", pixels, 2)
        check_shape("depth", depth, tuple(pixels.shape[:-1]))
        with exact(pixels):
            lens, rotation, translation = self._like(pixels)
            plane = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
            # PyTorch inverts no matrix of 16 bits.
            widest = torch.promote_types(lens.dtype, torch.float32)
            ray = plane @ torch.linalg.inv(self.matrix.to(pixels.device, widest)).to(lens).mT
            far = depth.unsqueeze(-1)
            seen = torch.cat(
                [ray[..., :2] * (far if self.perspective else 1), far.expand_as(ray[..., :1])], -1
            )
            return (seen - _beside_points(translation)) @ rotation

    def _like(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """K, R and t in the floating type and on the device of points."""
        return self.matrix.to(points), self.rotation.to(points), self.translation.to(points)

    def _check_points(self, name: str, points: Tensor, width: int) -> None:
        check_tensor(name, points)
        check_shape(name, points, (None, width) if self.batch_shape else (width,), batched=True)

    def to_opengl(self, near: float, far: float) -> tuple[Tensor, Tensor]:
        """View and projection matrices (..., 4, 4) for column vectors: clip = projection @ view @ (X, 1).

        OpenGL's camera has Y up and looks along -Z; its picture runs from -1 to 1, upwards, and its depth
        from -1 at ``near`` to 1 at ``far``.

        Args:
            near, far: depths in metres between which things are drawn.
        """
        check_range("near", near, 0, open_low=True)
        check_range("far", far, near, open_low=True)
        view = homogeneous(*turned_axes(self.rotation, self.translation, OPENGL_AXES))
        return view, opengl_projection(self.matrix, self.size, near, far, self.perspective)

    @classmethod
    def from_opengl(cls, view: Tensor, projection: Tensor, size: tuple[int, int]) -> Camera:
        """The camera of OpenGL's view and projection matrices (..., 4, 4), see :meth:`to_opengl`."""
        check_shape("view", view, (4, 4), batched=True)
        check_shape("projection", projection, (4, 4), batched=True)
        perspective = bool((projection[..., 3, 3] == 0).all())
        matrix = matrix_of_opengl(projection, size, perspective)
        pose = turned_axes(view[..., :3, :3], view[..., :3, 3], OPENGL_AXES)
        return cls(matrix, *pose, size, perspective)

    def to_pytorch3d(self) -> dict[str, Any]:
        """Arguments of PyTorch3D's ``PerspectiveCameras``, or ``OrthographicCameras`` without perspective.

        PyTorch3D multiplies row vectors, ``X R + T``, and its camera has X to the left and Y up; focal length
        and principal point are in pixels here. Its tensors have one batch dimension: ours are flattened.

        Raises:
            InputError: K is skewed, which PyTorch3D cannot say.
        """
        if bool((self.matrix[..., 0, 1] != 0).any()):
            raise InputError("matrix must have no skew for PyTorch3D, got one that has")
        rotation, translation = turned_axes(self.rotation, self.translation, PYTORCH3D_AXES)
        parts = {
            "R": (rotation.mT, 2),
            "T": (translation, 1),
            "focal_length": (self.matrix[..., [0, 1], [0, 1]], 1),
            "principal_point": (self.matrix[..., :2, 2], 1),
        }
        batch = self.batch_shape
        flat: dict[str, Any] = {
            name: part.expand(*batch, *part.shape[-own:]).reshape(-1, *part.shape[-own:])
            for name, (part, own) in parts.items()
        }
        return {**flat, "image_size": torch.tensor([self.size] * len(flat["R"])), "in_ndc": False}

    @classmethod
    def from_pytorch3d(
        cls,
        R: Tensor,
        T: Tensor,
        focal_length: Tensor,
        principal_point: Tensor,
        size: tuple[int, int],
        perspective: bool = True,
    ) -> Camera:
        """The camera of PyTorch3D's parameters with focal lengths in pixels, see :meth:`to_pytorch3d`.

        Args:
            R: (..., 3, 3), for row vectors.
            T: (..., 3) in metres.
            focal_length, principal_point: (..., 2) in pixels, along columns and along rows.
            size: (height, width) of the picture in pixels.
            perspective: false for the parameters of ``OrthographicCameras``.
        """
        for name, pair in (("focal_length", focal_length), ("principal_point", principal_point)):
            check_shape(name, pair, (2,), batched=True)
        check_shape("R", R, (3, 3), batched=True)
        rows = torch.cat([torch.diag_embed(focal_length), principal_point.unsqueeze(-1)], dim=-1)
        last = rows.new_tensor([[0.0, 0.0, 1.0]]).expand(*rows.shape[:-2], 1, 3)
        pose = turned_axes(R.mT, T, PYTORCH3D_AXES)
        return cls(torch.cat([rows, last], dim=-2), *pose, size, perspective)


def _turn(rotation: Tensor, vector: Tensor) -> Tensor:
    with exact(vector):
        return (rotation @ vector.unsqueeze(-1)).squeeze(-1)


def _beside_points(translation: Tensor) -> Tensor:
    """A batch of translations with room for the dimension of points."""
    return translation if translation.ndim == 1 else translation.unsqueeze(-2)
