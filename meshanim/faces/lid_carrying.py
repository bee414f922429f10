"""Blinks that close on everybody: lids are carried by where they go, not only by where they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from meshanim.mesh import Mesh

BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
_LEAST = 1e-4
"""Metres that a vertex moves when its end is carried; less is well carried by its own map."""
_REACH = 8e-3
"""Metres around the closed lids in which skin says how the space there is carried."""
_GRAIN = 4e-4
"""Metres within which such skin is averaged."""


class LidCarrier:
    """Carries blinks from one face to others of its topology.

    A linear map at each vertex, as other units take it, does not know how wide an eye stands open: on wide
    eyes lids do not meet, on narrow ones they pass each other. Here the skin around an eye carries the space
    before it too, by its vertices' affine maps, interpolated with the inverse fourth power of the distance
    (Shepard 1968); a lid ends where the space takes its end. Lids that meet on one face so meet on all.

    Args:
        mesh: the source face (V), with a group ``face``, the skin that is seen.
        units: (K, V, 3) its units in metres.
        names: K names; those among :data:`BLINKS` are carried.
    """

    def __init__(self, mesh: Mesh, units: Tensor, names: Sequence[str]) -> None:
        self.columns = [column for column, name in enumerate(names) if name in BLINKS]
        self._blinks = [_Blink(mesh, units[column]) for column in self.columns]

    def corrections(self, vertices: Tensor, maps: Tensor) -> Tensor:
        """What blinks (..., B, V, 3) of faces with vertices (..., V, 3) need beyond maps (..., V, 3, 3)."""
        return torch.stack([blink.correction(vertices, maps) for blink in self._blinks], dim=-3)


class _Blink:
    """One eye's lids on the source face, at rest and closed, and the skin around them."""

    def __init__(self, mesh: Mesh, unit: Tensor) -> None:
        self.moved = (unit.norm(dim=1) > _LEAST).nonzero().flatten()
        self._start, self._way = mesh.vertices[self.moved], unit[self.moved]
        end = self._start + self._way
        # Not at the top: most who load a face never carry a unit, and this takes its time to import.
        from scipy.spatial import cKDTree

        seen = mesh.groups["face"]
        far, _ = cKDTree(torch.cat([self._start, end])).query(mesh.vertices[seen])
        self._anchors = seen[torch.from_numpy(far) < _REACH]
        self._skin = mesh.vertices[self._anchors]
        self._shares = _shares(self._start, self._skin), _shares(end, self._skin)

    def _carried(self, points: Tensor, shares: Tensor, vertices: Tensor, maps: Tensor) -> Tensor:
        """Where the space takes points (M, 3): (..., M, 3)."""
        linear = maps[..., self._anchors, :, :]
        skin, points, shares = (value.to(maps) for value in (self._skin, points, shares))
        shift = vertices[..., self._anchors, :] - (linear @ skin[..., None])[..., 0]
        turned = (shares @ linear.flatten(-2)).unflatten(-1, (3, 3)) @ points[..., None]
        return turned[..., 0] + shares @ shift

    def correction(self, vertices: Tensor, maps: Tensor) -> Tensor:
        """(..., V, 3) in metres."""
        opened, closed = self._shares
        end = self._carried(self._start + self._way, closed, vertices, maps)
        way = end - self._carried(self._start, opened, vertices, maps)
        more = way - (maps[..., self.moved, :, :] @ self._way.to(maps)[..., None])[..., 0]
        return torch.zeros_like(vertices).index_copy(-2, self.moved.to(more.device), more)


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """(M, N) between points (M, 3) and (N, 3); as differences, for squares lose tenths of a millimetre."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


def _shares(points: Tensor, skin: Tensor) -> Tensor:
    """(M, N) how much skin (N, 3) has to say at points (M, 3); each row sums to one."""
    weight = (_distances(points, skin).square() + _GRAIN**2) ** -2
    return weight / weight.sum(dim=1, keepdim=True)
