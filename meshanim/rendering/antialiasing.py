"""Silhouettes with a gradient: pixels along them blend by how much of them the edge leaves covered."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.ops import opposite_faces
from meshanim.rendering.rasterizer import Fragments, front_faces


def antialias(image: Tensor, fragments: Fragments) -> Tensor:
    """Blend the two sides of each silhouette; gradients go to the colours and to where the silhouette runs.

    After Laine et al., "Modular Primitives for High-Performance Differentiable Rendering", SIGGRAPH Asia
    2020, section 3.4. Where two neighbouring pixels see different faces, an edge of the nearer face that runs
    between their middles and has no other face beyond it, or one that faces the other way, is a silhouette.
    Where it leaves more than half the way to the farther pixel uncovered, the near pixel takes on that share
    of the far one's colour; where it covers more, the far pixel takes on the near one's. Edges that are
    nearer to upright count between pixels of a row, the others between those of a column.

    A silhouette is only found where a face that it bounds covers the middle of a pixel beside it: of faces
    much smaller than a pixel some are missed.

    Args:
        image: (..., H, W, C) colours of the fragments' pixels, background and all.
        fragments: of :func:`rasterize`.

    Returns:
        (..., H, W, C).
    """
    face = fragments.face
    check_shape("image", image, (*face.shape, image.shape[-1]))
    if not len(fragments.faces) or not image.numel():
        return image
    flat = image.reshape(-1, image.shape[-1])
    points = fragments.points.reshape(-1, *fragments.points.shape[-2:])
    shown = face.reshape(-1, *face.shape[-2:])
    outline = _silhouette_edges(points.detach(), fragments.faces, fragments.perspective)
    for axis in (0, 1):
        pairs = _pairs(shown, fragments.depth.detach().reshape(shown.shape), outline, axis)
        crossing = _crossings(points, fragments.faces, pairs, outline, axis)
        flat = flat + _blends(image.reshape(flat.shape), crossing)
    return flat.view(image.shape)


class _Pairs(NamedTuple):
    """Neighbouring pixels (N,) of which the near one sees a face with a silhouette."""

    member: Tensor  # of the batch
    near: Tensor  # index of the pixel among those of all pictures
    far: Tensor
    middle: Tensor  # (N, 2) column and row of the near pixel's middle
    direction: Tensor  # 1 where the far pixel has the higher column or row, else -1
    face: Tensor


class _Crossings(NamedTuple):
    """Silhouettes (N,) between pixels, and how far they are from the near one, in pixels."""

    near: Tensor
    far: Tensor
    distance: Tensor


def _silhouette_edges(points: Tensor, faces: Tensor, perspective: bool) -> Tensor:
    """(B, F, 3) whether nothing of the same side lies beyond the edge opposite each corner.

    Edges that reach behind a camera with perspective are left out: their ends have no place in the picture.
    """
    front, beyond = front_faces(points, faces, perspective), opposite_faces(faces)
    outline = (beyond < 0) | (front[:, beyond.clamp(min=0)] != front.unsqueeze(-1))
    if not perspective:
        return outline
    before = points[:, faces, 2] > 0
    return outline & before[..., [1, 2, 0]] & before[..., [2, 0, 1]]


def _pairs(face: Tensor, depth: Tensor, outline: Tensor, axis: int) -> _Pairs:
    """Neighbours along columns (axis 0: in a row) or rows (axis 1), of (B, H, W) pictures."""
    count, height, width = face.shape
    along = 2 - axis
    first, second = (face.narrow(along, start, face.shape[along] - 1) for start in (0, 1))
    front, back = (depth.narrow(along, start, face.shape[along] - 1) for start in (0, 1))
    forwards = (first >= 0) & ((second < 0) | (front <= back))
    nearer = torch.where(forwards, first, second)
    outlined = torch.cat([outline.any(-1), outline.new_zeros(count, 1)], dim=1)  # last: no face
    member = torch.arange(count, device=face.device).view(-1, 1, 1)
    at_outline = (first != second) & outlined[member, nearer]
    member, row, column = at_outline.nonzero(as_tuple=True)
    pixel, step = (member * height + row) * width + column, (1, width)[axis]
    ahead = forwards[at_outline]
    near, far = (torch.where(which, pixel, pixel + step) for which in (ahead, ~ahead))
    middle = torch.stack([near % width, near // width % height], dim=1) + 0.5
    return _Pairs(member, near, far, middle, torch.where(ahead, 1, -1), nearer[at_outline])


def _crossings(points: Tensor, faces: Tensor, pairs: _Pairs, outline: Tensor, axis: int) -> _Crossings:
    """The nearest silhouette edge between the pixels of each pair that has one."""
    corners = points[pairs.member[:, None], faces[pairs.face]][..., :2] - pairs.middle.to(points)[:, None]
    along, across = corners[..., axis], corners[..., 1 - axis]
    after, before = [1, 2, 0], [2, 0, 1]
    rise, run = across[:, before] - across[:, after], along[:, before] - along[:, after]
    crossed = ((across[:, after] > 0) != (across[:, before] > 0)) & (rise.abs() >= run.abs())
    share = -across[:, after] / torch.where(crossed, rise, torch.ones_like(rise))
    distance = (along[:, after] + share * run) * pairs.direction.to(points)[:, None]
    fits = crossed & outline[pairs.member, pairs.face] & (distance >= 0) & (distance <= 1)
    nearest, edge = torch.where(fits, distance.detach(), torch.inf).min(dim=1)
    found = nearest.isfinite().nonzero()[:, 0]
    return _Crossings(pairs.near[found], pairs.far[found], distance[found, edge[found]])


def _blends(colours: Tensor, crossing: _Crossings) -> Tensor:
    """What blending adds to colours (N, C): half the difference where an edge runs through a middle."""
    uncovered = (0.5 - crossing.distance).to(colours)
    beyond = uncovered < 0
    target, source = (torch.where(which, crossing.far, crossing.near) for which in (beyond, ~beyond))
    added = uncovered.abs().unsqueeze(-1) * (
        colours.index_select(0, source) - colours.index_select(0, target)
    )
    return torch.zeros_like(colours).index_add(0, target, added)
