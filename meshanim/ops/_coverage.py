"""The reference of rasterization: all pairs of face and pixel in a box around the face, in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

_ABOVE = torch.finfo(torch.float64).tiny
"""Smallest value of an edge function inside, where its edge itself belongs to the neighbour."""
_CANDIDATES = 1 << 22
"""Pairs of face and pixel that are looked at together."""


def located(points: Tensor, faces: Tensor, face: Tensor, perspective: bool) -> tuple[Tensor, Tensor]:
    """Weights (B, H, W, 3) and depth (B, H, W) in the middles of pixels that see faces (B, H, W)."""
    seen = face >= 0
    batch, row, column = seen.nonzero(as_tuple=True)
    corners = points.to(torch.float64)[batch[:, None], faces[face[seen]]]
    middle = torch.stack([column, row], dim=1).to(torch.float64) + 0.5
    edge = _edge_functions(corners[..., :2] - middle[:, None])
    weight = edge / corners[..., 2] if perspective else edge
    share = weight / weight.sum(-1, keepdim=True)
    depth = edge.sum(-1) / weight.sum(-1) if perspective else (share * corners[..., 2]).sum(-1)
    weights = points.new_zeros(*face.shape, 3).index_put((batch, row, column), share.to(points.dtype))
    return weights, points.new_zeros(face.shape).index_put((batch, row, column), depth.to(points.dtype))


def _edge_functions(away: Tensor) -> Tensor:
    """(..., 3) twice the areas opposite each corner, of corners (..., 3, 2) seen from a pixel's middle."""
    x, y = away.unbind(-1)
    following, preceding = [1, 2, 0], [2, 0, 1]
    return x[..., following] * y[..., preceding] - x[..., preceding] * y[..., following]


def nearest_faces_in_picture(
    corners: Tensor, size: tuple[int, int], perspective: bool, near: float
) -> Tensor:
    """(H, W) face of each pixel, of corners (F, 3, 3) in float64."""
    corners, index = _seen(corners, perspective, near)
    low, high = corners[..., :2].amin(1), corners[..., :2].amax(1)
    first = (low - 0.5).ceil().clamp(min=0)
    last = (high - 0.5).floor().minimum(first.new_tensor([size[1] - 1, size[0] - 1]))
    extent = (last - first + 1).clamp(min=0).long()
    first, count = first.long(), extent.prod(1)
    nearest = corners.new_full((size[0] * size[1],), -torch.inf)
    face = torch.full((len(nearest),), -1, dtype=torch.int64, device=corners.device)
    chunk = (count.cumsum(0) - count) // _CANDIDATES
    for begin, end in _runs(chunk):
        part = slice(begin, end)
        source, step = _expand(count[part])
        width = extent[part, 0][source]
        place = torch.stack([step % width, step // width], dim=1) + first[part][source]
        inside, nearness = _covered(corners[part][source], place + 0.5, perspective)
        pixel, nearness = (place[:, 1] * size[1] + place[:, 0])[inside], nearness[inside]
        number = index[part][source[inside]]
        before = nearest.clone()
        nearest.scatter_reduce_(0, pixel, nearness, "amax")
        wins = (nearness == nearest[pixel]) & (nearness > before[pixel])
        fresh = torch.full_like(face, torch.iinfo(torch.int64).max)
        fresh.scatter_reduce_(0, pixel[wins], number[wins], "amin")
        face = torch.where(nearest > before, fresh, face)
    return face.view(size)


def _seen(corners: Tensor, perspective: bool, near: float) -> tuple[Tensor, Tensor]:
    """The faces that can be seen, their corners clockwise in the picture, and their indices."""
    side = corners[:, 1:, :2] - corners[:, :1, :2]
    area = side[:, 0, 0] * side[:, 1, 1] - side[:, 1, 0] * side[:, 0, 1]
    corners = torch.where((area < 0)[:, None, None], corners[:, [0, 2, 1]], corners)
    usable = torch.isfinite(corners).all(2).all(1) & torch.isfinite(area) & (area != 0)
    if perspective:
        usable &= (corners[..., 2] > near).all(1)
    index = usable.nonzero()[:, 0]
    return corners[index], index


def _covered(corners: Tensor, middle: Tensor, perspective: bool) -> tuple[Tensor, Tensor]:
    """Whether faces (N, 3, 3) cover places (N, 2), and how near they are there."""
    edge = _edge_functions(corners[..., :2] - middle[:, None])
    x, y, depth = corners.unbind(-1)
    rise, run = y[:, [1, 2, 0]] - y[:, [2, 0, 1]], x[:, [2, 0, 1]] - x[:, [1, 2, 0]]
    owned = (rise > 0) | ((rise == 0) & (run > 0))
    inside = torch.where(owned, edge >= 0, edge >= _ABOVE).all(1)
    side = corners[:, 1:, :2] - corners[:, :1, :2]
    area = side[:, 0, 0] * side[:, 1, 1] - side[:, 1, 0] * side[:, 0, 1]
    share = (1 / depth if perspective else -depth) / area[:, None]
    return inside, edge[:, 0] * share[:, 0] + edge[:, 1] * share[:, 1] + edge[:, 2] * share[:, 2]


def _expand(count: Tensor) -> tuple[Tensor, Tensor]:
    """Source index and step (N,) of counting to count[i], one source after another."""
    source = torch.repeat_interleave(count)
    return source, torch.arange(len(source), device=count.device) - (count.cumsum(0) - count)[source]


def _runs(labels: Tensor) -> list[tuple[int, int]]:
    """Begin and end of each run of equal labels."""
    length = torch.unique_consecutive(labels, return_counts=True)[1]
    end = length.cumsum(0)
    return list(zip((end - length).tolist(), end.tolist(), strict=True))
