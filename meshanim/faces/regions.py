"""Vertex groups and landmarks of the built-in head, from its components, texture islands and units."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from meshanim.mesh import Mesh, Topology

LIP_RINGS = 6
"""Rings of edges from the slit of the mouth to the border of the red, all around: more than half of the
vertices of the sixth, and half of those of the seventh, are in MakeHuman's own map of the lips."""
_MOVED = 5e-4
_BY_EYE = 9e-3
"""Metres from an eyeball within which skin that squints could meet it."""


class HeadRegions:
    """Where things are on the mean head.

    Args:
        mesh: the mean head (V) with texture coordinates.
        units: ARKit name to displacement (V, 3).
    """

    def __init__(self, mesh: Mesh, units: Mapping[str, Tensor]) -> None:
        self.mesh, self.units = mesh, units
        component = mesh.topology.components
        order = torch.bincount(component).argsort(descending=True)
        parts = [component == int(label) for label in order]
        self.skin, self.tongue = parts[0], parts[1]
        self.eye_left, self.eye_right = sorted(parts[2:4], key=lambda part: -float(self._centre(part)[0]))
        pieces = [piece for piece in self._islands() if self.skin[piece].all()]
        self.outside = self._mask(pieces[0])
        paired = [piece for piece in pieces[1:] if abs(float(self._centre(piece)[0])) > 0.01]
        single = [piece for piece in pieces[1:] if abs(float(self._centre(piece)[0])) <= 0.01]
        self.mouth = self._mask(max(single, key=lambda piece: float(self._centre(piece)[2])))
        sockets = sorted(paired, key=lambda piece: -float(self._centre(piece)[0]))
        self.socket_left, self.socket_right = (self._mask(piece) for piece in sockets)

    def _centre(self, where: Tensor) -> Tensor:
        return self.mesh.vertices[where].mean(dim=0)

    def _mask(self, vertices: Tensor) -> Tensor:
        mask = torch.zeros(len(self.mesh.vertices), dtype=torch.bool)
        mask[vertices] = True
        return mask

    def _islands(self) -> list[Tensor]:
        """Vertices of each connected piece of the texture map, largest first."""
        mesh = self.mesh
        assert mesh.uv is not None and mesh.uv_faces is not None
        label = Topology(mesh.uv_faces, len(mesh.uv)).components[mesh.uv_faces[:, 0]]
        pieces = [torch.unique(mesh.faces[label == piece]) for piece in label.unique()]
        return sorted(pieces, key=len, reverse=True)

    def _moved_by(self, names: tuple[str, ...], least: float) -> Tensor:
        return torch.stack([self.units[name].norm(dim=-1) for name in names]).amax(dim=0) > least

    def _lips(self) -> Tensor:
        """Skin within so many edges of the slit, which holds for broad mouths as for small ones."""
        start, end = torch.cat([self.mesh.topology.edges, self.mesh.topology.edges.flip(1)]).unbind(dim=1)
        lips = self.mouth & self.outside
        for _ in range(LIP_RINGS):
            lips = lips.index_fill(0, end[lips[start]], True) & self.outside
        return lips

    def groups(self) -> dict[str, Tensor]:
        """Vertex indices by group."""
        mesh = self.mesh
        y = mesh.vertices[:, 1]
        face = self.skin & self.outside & self._moved_by(tuple(self.units), _MOVED)
        lids = self._moved_by(("eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight"), 2 * _MOVED)
        eyes = mesh.vertices[self.eye_left | self.eye_right]
        by_eye = torch.cdist(mesh.vertices, eyes).amin(dim=1) < _BY_EYE
        squints = ("eyeSquintLeft", "eyeSquintRight", "cheekSquintLeft", "cheekSquintRight")
        lids = lids | (face & by_eye & self._moved_by(squints, 1e-4))
        masks = {
            "skin": self.skin,
            "face": face,
            "lips": self._lips(),
            "lids": lids & self.skin,
            "eyes": self.eye_left | self.eye_right,
            "eye_left": self.eye_left,
            "eye_right": self.eye_right,
            "eye_sockets": (self.socket_left | self.socket_right) & ~self.outside,
            "tongue": self.tongue,
            "mouth_inner": self.mouth & ~self.outside,
            "upper_face": face & (y > float(self._centre(self.eye_left)[1]) - 0.01),
            "neck": self.skin & (y < -0.06) & ~face,
        }
        return {name: mask.nonzero().flatten() for name, mask in masks.items()}

    def landmarks(self) -> dict[str, int]:
        """Vertex indices by landmark, found by extreme position; left is the character's own."""
        x, y, z = self.mesh.vertices.unbind(dim=1)
        midline = self.outside & (x.abs() < 5e-4)
        slit = self.mouth & self.outside
        front = slit & (z > z[slit].median())
        found = {
            "nose_tip": self._extreme(midline, z),
            "chin": self._extreme(midline & (y < float(y[slit].min()) - 0.025), z),
            "mouth_left": self._extreme(slit, x),
            "mouth_right": self._extreme(slit, -x),
            "lip_upper": self._extreme(midline & front, y),
            "lip_lower": self._extreme(midline & front, -y),
        }
        for side, socket, sign in (("left", self.socket_left, 1.0), ("right", self.socket_right, -1.0)):
            rim = socket & self.outside
            found |= {
                f"eye_{side}_outer": self._extreme(rim, sign * x),
                f"eye_{side}_inner": self._extreme(rim, -sign * x),
                f"lid_{side}_upper": self._extreme(rim, y),
                f"lid_{side}_lower": self._extreme(rim, -y),
            }
        return found

    @staticmethod
    def _extreme(where: Tensor, along: Tensor) -> int:
        return int(torch.where(where, along, torch.full_like(along, -torch.inf)).argmax())
