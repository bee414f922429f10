"""Where a face model has dlib's 68 landmarks: vertices within the face, sliding points along its outline.

Seventeen of the landmarks are not places on the skin: they run along the outline of the jaw as it is seen,
which slides over the surface as the head turns. Each is sought, frame by frame, in a band of vertices that
crosses the jaw line where the landmark is on the frontal face (after Cao et al. 2014, who draw such bands
by hand).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim.faces import FaceModel
from meshanim.mesh import landmark_vertices, vertex_normals

JAW = 17
"""The first so many landmarks are the jaw line's."""
_NOSE_BASE = 33
_HALF_WIDTH = 0.006
"""Metres to either side of a band's middle."""
_FORWARD, _BACKWARD, _UNDER = 0.024, 0.008, 0.016
"""Metres that a band reaches towards the face's middle, towards the ear, and under the chin."""
_EAR_LANDMARKS = 4
"""Landmarks at each end of the jaw line that have an ear behind them."""
_FACING = -0.2
"""Cosine between normal and outward direction down to which skin can be part of the outline."""
_SOFTNESS = 0.0015
"""Metres within which vertices share the outline, so that it slides rather than jumps."""
_STILL_UNITS = ("eyeLook", "tongueOut", "pupil")
"""Units that landmarks say nothing of."""


def fitted_units(face: FaceModel) -> Tensor:
    """(U,) which weights landmarks can tell something about, as columns of the model's weights."""
    names = enumerate(face.weight_names)
    return torch.tensor([column for column, name in names if not name.startswith(_STILL_UNITS)])


def _outward(jaw: Tensor, middle: Tensor) -> Tensor:
    """(17, 3) unit directions in which the outline lies: sideways above the nose's base, radial below."""
    away = jaw - middle
    away[:, 1] = away[:, 1].clamp(max=0)
    away[:, 2] = 0
    return away / away.norm(dim=1, keepdim=True)


def _band(vertices: Tensor, normals: Tensor, place: Tensor, outward: Tensor, backward: float) -> Tensor:
    """(V,) whether a vertex is in the band across the jaw line at ``place`` (3,)."""
    forth = torch.tensor([0.0, 0.0, 1.0], dtype=vertices.dtype)
    arm = vertices - place
    beside = (arm @ torch.linalg.cross(forth, outward)).abs()
    ahead = arm[:, 2]
    near = (beside < _HALF_WIDTH) & (ahead < _FORWARD) & (ahead > -backward) & (arm.norm(dim=1) < _FORWARD)
    return near & (normals @ outward > _FACING)


class LandmarkPoints:
    """The vertices that landmarks are taken from, N of them: 51 within the face, then those of the bands.

    Args:
        face: a model that names the 68 landmarks.
    """

    def __init__(self, face: FaceModel) -> None:
        named = landmark_vertices(face.neutral)
        self.face, self.units = face, fitted_units(face)
        vertices = face.neutral.vertices.double()
        skin = torch.zeros(len(vertices), dtype=torch.bool)
        skin[face.neutral.groups["skin"] if "skin" in face.neutral.groups else slice(None)] = True
        normals = vertex_normals(vertices, face.neutral.faces)
        self._outward = _outward(vertices[named[:JAW]].clone(), vertices[named[_NOSE_BASE]])
        bands = []
        for index in range(JAW):
            by_ear = min(index, JAW - 1 - index) < _EAR_LANDMARKS
            place, reach = vertices[named[index]], _BACKWARD if by_ear else _UNDER
            inside = skin & _band(vertices, normals, place, self._outward[index], reach)
            inside[named[index]] = True
            bands.append(inside.nonzero().flatten())
        longest = max(map(len, bands))
        self.vertices = torch.cat([named[JAW:], *bands])
        begin = len(named) - JAW
        self._members = torch.zeros(JAW, longest, dtype=torch.int64)
        self._absent = torch.ones(JAW, longest, dtype=torch.bool)
        for index, band in enumerate(bands):
            self._members[index, : len(band)] = torch.arange(begin, begin + len(band))
            self._absent[index, : len(band)] = False
            begin += len(band)

    def rest(self, identity: Tensor) -> Tensor:
        """(N, 3) at rest, in metres, of one identity (I,); differentiable."""
        return self.face.rest(identity)[self.vertices]

    def derivative(self, identity: Tensor, step: Tensor) -> Tensor:
        """(N, 3, I) how the rest changes with identity, by central differences of ``step`` (I,)."""
        apart = torch.diag(step).to(identity)
        ends = self.face.rest(torch.cat([identity + apart, identity - apart]))[:, self.vertices].double()
        return ((ends[: len(step)] - ends[len(step) :]) / (2 * step[:, None, None])).permute(1, 2, 0)

    def basis(self, identity: Tensor) -> Tensor:
        """(U, N, 3) displacements by the fitted units."""
        with torch.no_grad():
            whole = self.face.basis(identity.to(self.face.neutral.vertices.dtype))
        return whole[self.units][:, self.vertices].double()

    def outline(self, points: Tensor, rotation: Tensor) -> Outline:
        """Where the outline is, of points (T, N, 3) in the head's own axes under rotations (T, 3, 3).

        Outwards is how the head's own outward directions are seen: the camera is taken to be far away.
        """
        seen = (self._outward @ rotation.mT)[..., :2]
        across = seen / seen.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        turned = points[:, self._members.flatten()] @ rotation[:, :2].mT
        reach = (turned.unflatten(1, self._members.shape) * across[:, :, None]).sum(-1) / _SOFTNESS
        share = torch.softmax(reach.masked_fill(self._absent, -torch.inf), dim=-1)
        return Outline(self._members, share)


@dataclass(frozen=True)
class Outline:
    """What the jaw line is made of: members (17, C) among the N points, with shares (T, 17, C)."""

    members: Tensor
    share: Tensor

    def landmarks(self, values: Tensor) -> Tensor:
        """(T, 68, D) from values at the points, (T, N, D), or (N, D) that hold for all frames."""
        if values.ndim == 2:
            jaw = torch.einsum("tjc,jcd->tjd", self.share, values[self.members])
            inner = values[: 68 - JAW].expand(len(jaw), -1, -1)
        else:
            jaw = torch.einsum("tjc,tjcd->tjd", self.share, values[:, self.members])
            inner = values[:, : 68 - JAW]
        return torch.cat([jaw, inner], dim=1)
