"""Texture maps drawn anew: every island upright, as large as its piece of surface deserves, side by side."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from meshanim._check import InputError, check_range
from meshanim.mesh.mesh import Mesh
from meshanim.mesh.topology import Topology

_ROUNDS = 24
"""Halvings of the scale's bounds, to one part in ten million."""


def repacked(mesh: Mesh, gap: float = 1 / 256) -> Mesh:
    """The mesh with its texture islands packed into the unit square.

    Each island keeps its drawing, but for quarter turns that bring up upwards, and gets the mean size that
    all have in relation to their surface: eyes, which some maps draw very small, become as sharp as skin, and
    islands that shared a place, each with a picture of its own, no longer do. Islands stand in rows, the
    highest first, as large as fits.

    Args:
        mesh: with texture coordinates.
        gap: least distance between islands, and from the border, in units of the square's side.

    Raises:
        InputError: the mesh has no texture coordinates, or all in one place, or so many islands that gaps
            alone fill the square.
    """
    check_range("gap", gap, 0, 0.1)
    if mesh.uv is None or mesh.uv_faces is None:
        raise InputError("mesh must have texture coordinates, got one without")
    uv = mesh.uv.double().clone()
    label = Topology(mesh.uv_faces, len(uv)).components
    number = label[mesh.uv_faces[:, 0]]
    islands = [(number == island).nonzero()[:, 0] for island in number.unique()]
    points = [torch.unique(mesh.uv_faces[faces]) for faces in islands]
    for faces, own in zip(islands, points, strict=True):
        drawn = uv[own] @ _upright(uv[mesh.uv_faces[faces]], mesh.vertices[mesh.faces[faces]].double())
        uv[own] = drawn - drawn.amin(0)
    boxes = torch.stack([uv[own].amax(0) for own in points])
    if not bool(boxes.any()):
        raise InputError("mesh must have texture islands of some size, got all of them as points")
    places, scale = _packed(boxes, gap)
    for own, place in zip(points, places, strict=True):
        uv[own] = uv[own] * scale + place
    return replace(mesh, uv=uv.to(mesh.uv.dtype))


def _upright(drawn: Tensor, solid: Tensor) -> Tensor:
    """(2, 2) quarter turn and scale for an island of triangles (F, 3, 2), in space (F, 3, 3)."""
    flat, sides = drawn[:, 1:] - drawn[:, :1], solid[:, 1:] - solid[:, :1]
    map_area = (flat[:, 0, 0] * flat[:, 1, 1] - flat[:, 0, 1] * flat[:, 1, 0]).abs().sum()
    area = torch.linalg.cross(sides[:, 0], sides[:, 1]).norm(dim=1).sum()
    # How far steps in the map go along with steps aside and upwards: farthest for the turn that is right.
    together = torch.einsum("fei,fej->ij", flat, sides[..., :2])
    quarter = [torch.tensor([[c, s], [-s, c]]).to(flat) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    turn = max(quarter, key=lambda matrix: float((matrix.T @ together).trace()))
    return turn * (area / map_area.clamp(min=1e-12)).sqrt()


def _packed(boxes: Tensor, gap: float) -> tuple[list[Tensor], float]:
    """Lower left corners of boxes (N, 2), and the factor by which all are scaled first."""
    low, high = 0.0, 1 / float(boxes.amax())
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _rows(boxes * middle, gap) is not None else (low, middle)
    places = _rows(boxes * low, gap)
    if low == 0 or places is None:
        raise InputError(f"mesh must have few enough islands for gaps of {gap:g}, got {len(boxes)}")
    return places, low


def _rows(boxes: Tensor, gap: float) -> list[Tensor] | None:
    """Places of the boxes in rows, highest first; none where they do not fit into the unit square."""
    places = [torch.zeros(2, dtype=boxes.dtype) for _ in boxes]
    left, bottom, height = gap, gap, 0.0
    for index in boxes[:, 1].argsort(descending=True, stable=True).tolist():
        wide, high = boxes[index].tolist()
        if left + wide + gap > 1:
            left, bottom, height = gap, bottom + height + gap, 0.0
        if left + wide + gap > 1 or bottom + high + gap > 1:
            return None
        places[index] = boxes.new_tensor([left, bottom])
        left, height = left + wide + gap, max(height, high)
    return places
