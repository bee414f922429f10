"""The texture map of a mesh, texel by texel: which place of the surface each one shows."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from meshanim._check import InputError, check_range
from meshanim.mesh import Mesh
from meshanim.mesh.symmetry import mirrored_places
from meshanim.ops import rasterize
from meshanim.rendering.rasterizer import Fragments, interpolate


class UvLayout:
    """A mesh's texture coordinates drawn on a square of texels.

    Args:
        mesh: with texture coordinates; where its islands overlap, texels show the face of lowest index.
        size: texels along each side.

    Raises:
        InputError: the mesh has no texture coordinates.
    """

    def __init__(self, mesh: Mesh, size: int = 256) -> None:
        check_range("size", size, 1)
        if mesh.uv is None or mesh.uv_faces is None:
            raise InputError("mesh must have texture coordinates, got one without")
        self.mesh, self.size, self.uv, self.uv_faces = mesh, size, mesh.uv, mesh.uv_faces
        across = torch.stack([self.uv[:, 0], 1 - self.uv[:, 1]], dim=1).double() * size
        points = torch.cat([across, torch.ones_like(across[:, :1])], dim=1)
        face, weights, depth = (x[0] for x in rasterize(points[None], self.uv_faces, (size, size), False))
        weights, depth = weights.to(mesh.vertices), depth.to(mesh.vertices)
        self._fragments = Fragments(face, weights, depth, points, mesh.faces, False)

    def __repr__(self) -> str:
        return f"UvLayout({self.mesh}, size={self.size})"

    @property
    def face(self) -> Tensor:
        """(R, R) index of the face that a texel shows, -1 where there is none."""
        return self._fragments.face

    @property
    def weights(self) -> Tensor:
        """(R, R, 3) weights of that face's corners."""
        return self._fragments.barycentric

    @property
    def covered(self) -> Tensor:
        """(R, R) whether a texel shows a face."""
        return self._fragments.covered

    def spread(self, attributes: Tensor) -> Tensor:
        """Attributes (..., R, R, C) of the texels, of (..., V, C) at the vertices; zero where no face is.

        Of positions, this is the position map.
        """
        return interpolate(self._fragments, attributes)

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def mirrored_uv(self) -> Tensor:
        """(R, R, 2) texture coordinates of each texel's mirror image on the other side of the face."""
        result = torch.zeros(self.size, self.size, 2)
        seen = self.covered
        face, weights = mirrored_places(self.mesh, self.face[seen], self.weights[seen])
        result[seen] = (weights.unsqueeze(-1) * self.uv[self.uv_faces[face]]).sum(1).to(result)
        return result
