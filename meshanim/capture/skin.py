"""What is seen of a face's skin, and in which part of the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from meshanim.capture.landmark_fit import LandmarkFit, Person
from meshanim.mesh import axis_angle_to_matrix, vertex_normals
from meshanim.rendering import Camera, rasterize
from meshanim.rendering.shading import from_display

_SIDE = 192
"""Most pixels along each side of a window."""
_ROOM = 1.5
"""Side of a window, in units of its landmarks' bounding box."""
_FACING = 0.25
"""Cosine between normal and line of sight from which skin counts as seen."""
_BORDER = 2
"""Pixels at a window's border that are left out."""


class Window:
    """A square of the picture around the face, never enlarged.

    Args:
        landmarks: (T, 68, 2) of all frames that it must hold.
    """

    def __init__(self, landmarks: Tensor) -> None:
        flat = landmarks.reshape(-1, 2)
        flat = flat[~flat.isnan().any(dim=1)]
        low, high = flat.amin(dim=0), flat.amax(dim=0)
        size = _ROOM * float((high - low).amax())
        self.corner = (low + high) / 2 - size / 2
        self.pixels = min(_SIDE, max(8, round(size)))
        self.scale = self.pixels / size

    def cut(self, image: NDArray[np.uint8]) -> Tensor:
        """(P, P, 3) linear RGB of an (H, W, 3) picture, black beyond it."""
        left, top = self.corner.tolist()
        whole = max(1, int(1 / self.scale))  # bilinear reads two pixels: more of them are averaged first
        step, left, top = 1 / self.scale / whole, left / whole, top / whole
        picture = (
            Image.fromarray(image)
            .reduce(whole)
            .transform(
                (self.pixels, self.pixels),
                Image.Transform.AFFINE,
                (step, 0.0, left, 0.0, step, top),
                Image.Resampling.BILINEAR,
            )
        )
        return from_display(torch.from_numpy(np.array(picture)) / 255)

    def camera(self, focal: Tensor, middle: Tensor) -> Camera:
        """The clip's camera as the window sees it, in OpenCV's axes."""
        centre = self.scale * (middle - self.corner)
        matrix = torch.eye(3, dtype=torch.float32)
        matrix[0, 0] = matrix[1, 1] = self.scale * focal
        matrix[:2, 2] = centre
        flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        return Camera(matrix, flip, torch.zeros(3), (self.pixels, self.pixels))


class Seen(NamedTuple):
    """Places on skin, N of them, each in the middle of a pixel.

    Args:
        pixel: (N, 2) column and row.
        corners, weight: (N, 3) vertices around each place, and their weights.
        normals: (N, 3) of unit length, in the world.
        uv: (N, 2) texture coordinates.
    """

    pixel: Tensor
    corners: Tensor
    weight: Tensor
    normals: Tensor
    uv: Tensor

    def pick(self, image: Tensor) -> Tensor:
        """(N, 3) colours of a picture (P, P, 3) in the places' pixels."""
        return image[self.pixel[:, 1], self.pixel[:, 0]]


def at_places(values: Tensor, corners: Tensor, weight: Tensor) -> Tensor:
    """(N, ...) of values (V, ...) at the vertices, between corners (N, 3) by their weights (N, 3)."""
    weight = weight.reshape(*weight.shape, *[1] * (values.ndim - 1))
    return sum(values[corners[:, k]] * weight[:, k] for k in range(3))  # type: ignore[return-value]


class Skin:
    """The mesh of one person, which has texture coordinates, and what is seen of its skin.

    Args:
        fit: of the clip.
        person: found by it.
        window: that it is seen in.
    """

    def __init__(self, fit: LandmarkFit, person: Person, window: Window) -> None:
        self.camera = window.camera(person.focal, fit.camera.middle)
        mesh = fit.face.neutral
        assert mesh.uv is not None and mesh.uv_faces is not None
        identity = person.identity.to(mesh.vertices.dtype)
        self.rest = fit.face.rest(identity)
        self.basis = fit.face.basis(identity)[fit.points.units].permute(1, 0, 2).contiguous()
        self.faces, self.uv_faces, self.uv = mesh.faces, mesh.uv_faces, mesh.uv
        shown = torch.zeros(len(self.rest), dtype=torch.bool)
        shown[mesh.groups["face"] if "face" in mesh.groups else slice(None)] = True
        corners = mesh.uv[mesh.uv_faces]
        mapped = ((corners >= 0) & (corners <= 1)).all(dim=2).all(dim=1)  # further tiles are other pictures
        self._skin = shown[mesh.faces].all(dim=1) & mapped

    def local(self, weights: Tensor) -> Tensor:
        """Head-local vertices (V, 3) of one frame's weights (U,)."""
        return self.rest + torch.einsum("u,vuc->vc", weights.float(), self.basis)

    def world(self, pose: Tensor, weights: Tensor) -> Tensor:
        """Vertices (V, 3) in the camera's own room, of one frame's pose (6,) and weights (U,)."""
        rotation = axis_angle_to_matrix(pose[:3]).float()
        return self.local(weights) @ rotation.mT + pose[3:].float()

    def seen(self, pose: Tensor, weights: Tensor, stride: int = 1) -> Seen:
        """Skin that faces the camera, in every ``stride``-th pixel along rows and columns."""
        world, camera = self.world(pose, weights), self.camera
        fragments = rasterize(world, self.faces, camera)
        face, weight = fragments.face, fragments.barycentric
        side = camera.size[0]
        usable = (face >= 0) & self._skin[face.clamp(min=0)]
        usable[:_BORDER] = usable[-_BORDER:] = usable[:, :_BORDER] = usable[:, -_BORDER:] = False
        chosen = torch.zeros_like(usable)
        chosen[::stride, ::stride] = usable[::stride, ::stride]
        pixel = chosen.flatten().nonzero().flatten()
        face, weight = face.flatten()[pixel], weight.view(-1, 3)[pixel]
        corners = self.faces[face]
        normals = functional.normalize(at_places(vertex_normals(world, self.faces), corners, weight), dim=1)
        sight = functional.normalize(at_places(world, corners, weight), dim=1)
        front = (normals * sight).sum(dim=1) < -_FACING
        uv = at_places(self.uv, self.uv_faces[face], weight)
        places = torch.stack([pixel % side, pixel // side], dim=1)
        return Seen(*(part[front] for part in (places, corners, weight, normals, uv)))
