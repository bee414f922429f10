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
    edge = _edge_functions(seen_from(middle, corners, perspective))
    share = edge / edge.sum(-1, keepdim=True)
    depth = (share * corners[..., 2]).sum(-1)
    weights = points.new_zeros(*face.shape, 3).index_put((batch, row, column), share.to(points.dtype))
    return weights, points.new_zeros(face.shape).index_put((batch, row, column), depth.to(points.dtype))


def seen_from(middle: Tensor, corners: Tensor, perspective: bool) -> Tensor:
    """(N, 3, 2) how far corners (N, 3, 3) are from middles (N, 2) in the picture.

    With perspective times depth, which is known of corners behind the camera as well.
    """
    away, depth = corners[..., :2] - middle[:, None], corners[..., 2:]
    if not perspective:
        return away
    return torch.where(depth > 0, away * depth, corners[..., :2] - middle[:, None] * depth)


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
    crossing = (
        (corners[..., 2] <= near).any(1) if perspective else torch.zeros_like(low[:, 0], dtype=torch.bool)
    )
    low = torch.where(crossing[:, None], -torch.inf, low)
    high = torch.where(crossing[:, None], torch.inf, high)
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
        inside, nearness = _covered(corners[part][source], place + 0.5, perspective, near)
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
    area, before = _areas(corners), corners[..., 2] > near
    if perspective:
        area = torch.where(before.all(1), area, _volumes(corners))
    corners = torch.where((area < 0)[:, None, None], corners[:, [0, 2, 1]], corners)
    usable = torch.isfinite(corners).all(2).all(1) & torch.isfinite(area) & (area != 0)
    if perspective:
        usable &= before.any(1)
    index = usable.nonzero()[:, 0]
    return corners[index], index


def _volumes(corners: Tensor) -> Tensor:
    """(N,) of the sign of the area of faces (N, 3, 3), also of those that reach behind the camera."""
    away = seen_from(torch.zeros_like(corners[:, 0, :2]), corners, True)
    return (_edge_functions(away) * corners[..., 2]).sum(-1)


def _covered(corners: Tensor, middle: Tensor, perspective: bool, near: float) -> tuple[Tensor, Tensor]:
    """Whether faces (N, 3, 3) cover places (N, 2), and how near they are there."""
    edge = _edge_functions(corners[..., :2] - middle[:, None])
    x, y, depth = corners.unbind(-1)
    rise, run = y[:, [1, 2, 0]] - y[:, [2, 0, 1]], x[:, [2, 0, 1]] - x[:, [1, 2, 0]]
    share = (1 / depth if perspective else -depth) / _areas(corners)[:, None]
    nearness = edge[:, 0] * share[:, 0] + edge[:, 1] * share[:, 1] + edge[:, 2] * share[:, 2]
    crossing = (
        (depth <= near).any(1).nonzero()[:, 0] if perspective else depth.new_zeros(0, dtype=torch.int64)
    )
    if len(crossing):
        beyond, turn = _beyond(corners[crossing], middle[crossing])
        edge[crossing], rise[crossing], run[crossing] = beyond, turn[..., 0], turn[..., 1]
        whole, far = beyond.sum(1), (beyond * depth[crossing]).sum(1)
        nearness[crossing] = torch.where(far > near * whole, whole / far, -torch.inf)
    owned = (rise > 0) | ((rise == 0) & (run > 0))
    inside = torch.where(owned, edge >= 0, edge >= _ABOVE).all(1)
    return inside, nearness


def _beyond(corners: Tensor, middle: Tensor) -> tuple[Tensor, Tensor]:
    """Edge functions (N, 3) of faces that reach behind the camera, and slopes (N, 3, 2): whose each edge is.

    Edges of which both ends are before the camera begin as their other face has them: both agree on signs.
    """
    away, depth = seen_from(middle, corners, True), corners[..., 2]
    following, preceding = [1, 2, 0], [2, 0, 1]
    both = (depth[:, following] > 0) & (depth[:, preceding] > 0)
    flat = _edge_functions(corners[..., :2] - middle[:, None]) * (depth[:, following] * depth[:, preceding])
    edge = torch.where(both, flat, _edge_functions(away))
    place, far = seen_from(torch.zeros_like(middle), corners, True), depth.unsqueeze(-1)
    there = place[:, following] * far[:, preceding] - place[:, preceding] * far[:, following]
    here = corners[:, following, :2] - corners[:, preceding, :2]
    run, rise = torch.where(both.unsqueeze(-1), here, there).unbind(-1)
    return edge, torch.stack([rise, -run], dim=-1)


def _expand(count: Tensor) -> tuple[Tensor, Tensor]:
    """Source index and step (N,) of counting to count[i], one source after another."""
    source = torch.repeat_interleave(count)
    return source, torch.arange(len(source), device=count.device) - (count.cumsum(0) - count)[source]


def _runs(labels: Tensor) -> list[tuple[int, int]]:
    """Begin and end of each run of equal labels."""
    length = torch.unique_consecutive(labels, return_counts=True)[1]
    end = length.cumsum(0)
    return list(zip((end - length).tolist(), end.tolist(), strict=True))


def faces_around(
    corners: Tensor, size: tuple[int, int], radius: float, count: int, perspective: bool, near: float
) -> Tensor:
    """(H, W, K) faces within a radius of each pixel's middle, the nearest first, of corners (F, 3, 3)."""
    _, index = _seen(corners, perspective, near)
    index = index[(corners[index, :, 2] > near).all(1)] if perspective else index
    corners = corners[index]  # as they come, which rounding goes by
    low, high = corners[..., :2].amin(1) - radius, corners[..., :2].amax(1) + radius
    first = (low - 0.5).ceil().clamp(min=0)
    last = (high - 0.5).floor().minimum(first.new_tensor([size[1] - 1, size[0] - 1]))
    extent = (last - first + 1).clamp(min=0).long()
    source, step = _expand(extent.prod(1))
    width = extent[source, 0]
    place = torch.stack([step % width, step // width], dim=1) + first.long()[source]
    _, depth, distance = _nearest_places(corners[source], place + 0.5, perspective)
    close = (distance >= -(radius**2)).nonzero()[:, 0]
    pixel, number, depth = (place[:, 1] * size[1] + place[:, 0])[close], index[source[close]], depth[close]
    order = number.argsort(stable=True)
    order = order[depth[order].argsort(stable=True)]
    order = order[pixel[order].argsort(stable=True)]
    pixel = pixel[order]
    rank = torch.arange(len(pixel), device=pixel.device) - torch.searchsorted(pixel, pixel)
    kept = rank < count
    face = torch.full((size[0] * size[1], count), -1, dtype=torch.int64, device=corners.device)
    face[pixel[kept], rank[kept]] = number[order][kept]
    return face.view(*size, count)


def located_softly(
    points: Tensor, faces: Tensor, face: Tensor, perspective: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, depth and distance as ``soft_rasterize`` has them, of given faces (B, H, W, K)."""
    seen = face >= 0
    batch, row, column, rank = seen.nonzero(as_tuple=True)
    corners = points.to(torch.float64)[batch[:, None], faces[face[seen]]]
    middle = torch.stack([column, row], dim=1).to(torch.float64) + 0.5
    share, depth, distance = _nearest_places(corners, middle, perspective)
    places = (batch, row, column, rank)
    empty = points.new_zeros(face.shape)
    weights = points.new_zeros(*face.shape, 3).index_put(places, share.to(points.dtype))
    depth, distance = (empty.index_put(places, value.to(points.dtype)) for value in (depth, distance))
    return weights, depth, distance


def _nearest_places(corners: Tensor, middle: Tensor, perspective: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (N, 3), depth and signed squared distance (N,) of faces (N, 3, 3) from places (N, 2).

    Rounded as in the kernel: faces that share the nearest place are put into order by it.
    """
    away = corners[..., :2] - middle[:, None]
    after, before = [1, 2, 0], [2, 0, 1]
    inside_share = _edge_functions(away) * (1 / _areas(corners))[:, None]
    inside = (inside_share >= 0).all(1)
    start, side = away[:, after], away[:, before] - away[:, after]
    x, y = (corners[:, before, :2] - corners[:, after, :2]).unbind(-1)
    along = -(start[..., 0] * side[..., 0] + start[..., 1] * side[..., 1]) * (1 / (x * x + y * y))
    along = along.clamp(0, 1)
    x, y = (start + along.unsqueeze(-1) * side).unbind(-1)
    least, nearest = (x * x + y * y).min(dim=1)
    along = along.gather(1, nearest[:, None])
    corner = torch.arange(3, device=nearest.device)
    at_start, at_end = (corner == ((nearest + k) % 3)[:, None] for k in (1, 2))
    outline_share = torch.where(at_start, 1 - along, torch.where(at_end, along, 0))
    share = torch.where(inside[:, None], inside_share, outline_share)
    depth = corners[..., 2]
    weight = share * (1 / depth) if perspective else share
    over_sum = 1 / _sum(weight)
    far = _sum(share) if perspective else _sum(share * depth)
    return weight * over_sum[:, None], far * over_sum, torch.where(inside, least, -least)


def _sum(values: Tensor) -> Tensor:
    """(N,) of (N, 3), added from left to right."""
    return values[:, 0] + values[:, 1] + values[:, 2]


def _areas(corners: Tensor) -> Tensor:
    """(N,) twice the signed areas of faces (N, 3, 3) in the picture."""
    side = corners[:, 1:, :2] - corners[:, :1, :2]
    return side[:, 0, 0] * side[:, 1, 1] - side[:, 1, 0] * side[:, 0, 1]
