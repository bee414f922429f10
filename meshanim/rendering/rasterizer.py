"""From meshes to pixels, differentiable: which face is seen where, and the vertices' attributes there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from meshanim import ops
from meshanim._check import check_choice, check_shape, check_tensor
from meshanim.rendering import _pytorch3d
from meshanim.rendering.camera import Camera


@dataclass(frozen=True, eq=False)
class Fragments:
    """What the pixels of a picture see, or of a batch of pictures.

    Args:
        face: (..., H, W) index of the nearest face, -1 where there is none.
        barycentric: (..., H, W, 3) perspective-correct weights of its three vertices, zero without a face.
        depth: (..., H, W) distance from the camera along its axis in metres, zero without a face.
        points: (..., V, 3) column, row and depth of the vertices, from which all this comes.
        faces: (F, 3) vertex indices.
        perspective: whether the camera has perspective.
    """

    face: Tensor
    barycentric: Tensor
    depth: Tensor
    points: Tensor
    faces: Tensor
    perspective: bool

    @property
    def covered(self) -> Tensor:
        """(..., H, W) whether a pixel sees a face."""
        return self.face >= 0

    @property
    def front(self) -> Tensor:
        """(..., H, W) whether a pixel sees the counter-clockwise side of a face."""
        sides = front_faces(self.points.detach(), self.faces, self.perspective)
        sides = torch.cat([sides, sides.new_zeros(*sides.shape[:-1], 1)], dim=-1)  # last: no face
        if sides.ndim == 1:
            return sides[self.face]
        member = torch.arange(sides[..., 0].numel(), device=sides.device)[:, None]
        face = self.face.reshape(len(member), -1)
        return sides.reshape(len(member), -1)[member, face].view(self.face.shape)

    def at(self, pixels: Tensor) -> Fragments:
        """Only pixels (N,) of a single picture, row * width + column; (N,) then stands for (H, W)."""
        face, depth = (value.flatten().index_select(0, pixels) for value in (self.face, self.depth))
        weights = self.barycentric.view(-1, 3).index_select(0, pixels)
        return replace(self, face=face, barycentric=weights, depth=depth)


def front_faces(points: Tensor, faces: Tensor, perspective: bool) -> Tensor:
    """(..., F) whether faces turn their counter-clockwise side to the camera.

    Args:
        points: (..., V, 3) column, row and depth of each vertex, as ``Camera.project`` has them.
        faces: (F, 3).
        perspective: whether the camera has it; faces may then reach behind it.
    """
    one, two, three = (points[..., faces[:, k], :2] for k in range(3))
    side, other = two - one, three - one
    # Rows count downwards, which turns counter-clockwise into a negative area.
    area = side[..., 0] * other[..., 1] - other[..., 0] * side[..., 1]
    if not perspective or bool((points[..., 2] > 0).all()):
        return area < 0
    depth = points[..., 2:]
    homogeneous = torch.cat([points[..., :2] * torch.where(depth > 0, depth, 1), depth], dim=-1)[
        ..., faces, :
    ]
    return torch.where((homogeneous[..., 2] > 0).all(-1), area, torch.linalg.det(homogeneous)) < 0


def rasterize(
    vertices: Tensor, faces: Tensor, camera: Camera, rasterizer: Literal["meshanim", "pytorch3d"] = "meshanim"
) -> Fragments:
    """What each pixel's middle sees of a mesh; gradients go to vertices and camera through weights and depth.

    Both sides of a face are seen. Of faces that reach nearer than a millimetre to a perspective camera, or
    behind it, the rest is seen; those with a vertex that is not finite are left out whole. Which face is seen
    has no gradient: silhouettes get theirs from :func:`antialias`.

    Args:
        vertices: (..., V, 3) in metres; leading dimensions broadcast with the camera's.
        faces: (F, 3) vertex indices, one topology for the whole batch.
        camera: its size is the picture's.
        rasterizer: ``pytorch3d`` has PyTorch3D do it, where that is installed (extra ``pytorch3d``).

    Raises:
        MissingExtra: PyTorch3D is asked for and not installed.
    """
    check_choice("rasterizer", rasterizer, ("meshanim", "pytorch3d"))
    check_tensor("vertices", vertices)
    check_tensor("faces", faces)
    points = camera.project(vertices)
    batch = points.shape[:-2]
    if rasterizer == "pytorch3d":
        found = _pytorch3d.rasterize(
            vertices.expand(*batch, -1, -1).reshape(-1, *vertices.shape[-2:]), faces, camera
        )
    else:
        flat = points.flatten(0, -3) if batch else points[None]
        found = ops.rasterize(flat, faces, camera.size, camera.perspective)
    face, weights, depth = (value.view(*batch, *value.shape[1:]) for value in found)
    return Fragments(face, weights, depth, points, faces, camera.perspective)


def interpolate(fragments: Fragments, attributes: Tensor, faces: Tensor | None = None) -> Tensor:
    """Attributes (..., H, W, C) of the pixels; zero where no face is seen.

    Args:
        fragments: of :func:`rasterize`.
        attributes: (..., V, C) at the vertices; leading dimensions broadcast with the fragments', whose
            floating type they take.
        faces: (F, 3) rows of ``attributes`` at the corners of each face; default: the mesh's own, others for
            texture coordinates with seams.
    """
    check_shape("attributes", attributes, (None, None), batched=True)
    attributes = attributes.to(fragments.barycentric)
    faces = fragments.faces if faces is None else faces
    face, weights = fragments.face, fragments.barycentric
    if attributes.ndim == 2:  # one set for all pictures
        values = ops.interpolate(attributes[None], faces, face.reshape(1, -1), weights.reshape(1, -1, 3))
        return values.view(*face.shape, attributes.shape[-1])
    batch = torch.broadcast_shapes(attributes.shape[:-2], face.shape[:-2])
    attributes = attributes.expand(*batch, *attributes.shape[-2:]).flatten(0, -3)
    picture = face.shape[-2:]
    face = face.expand(*batch, *picture).flatten(-2).reshape(len(attributes), picture.numel())
    weights = weights.expand(*batch, *picture, 3).reshape(len(attributes), picture.numel(), 3)
    return ops.interpolate(attributes, faces, face, weights).view(*batch, *picture, attributes.shape[-1])
