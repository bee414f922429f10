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
    2020, section 3.4. An edge is a silhouette where no other face lies beyond it, or one that faces the other
    way. Where one runs between the middles of two neighbouring pixels, with its face on the side of the
    nearer one and before what the farther one sees, the two blend: where it leaves more than half the way to
    the farther pixel uncovered, the near pixel takes on that share of the far one's colour; where it covers
    more, the far pixel takes on the near one's. Edges that are nearer to upright count between pixels of a
    row, the others between those of a column.

    The paper looks at edges of the face that the near pixel sees; here all edges between two middles count,
    and of several the outermost, since on meshes finer than pixels the outline belongs to a face that no
    pixel sees. What lies between middles as a whole is not seen at all.

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
    colours = flat = image.reshape(-1, image.shape[-1])
    points = fragments.points.reshape(-1, *fragments.points.shape[-2:])
    edges = _silhouette_edges(points.detach(), fragments.faces, fragments.perspective)
    shown = _Shown(face.reshape(-1, *face.shape[-2:]), fragments.depth.detach().flatten())
    for axis in (0, 1):
        flat = flat + _blends(colours, _crossings(points, edges, shown, axis, fragments.perspective))
    return flat.view(image.shape)


class _Shown(NamedTuple):
    """What pixels see: faces (B, H, W), and depths (B H W,)."""

    face: Tensor
    depth: Tensor


class _Edges(NamedTuple):
    """Silhouette edges (E,): of which member of the batch, and (E, 3) their ends and the corner opposite."""

    member: Tensor
    corners: Tensor


class _Crossings(NamedTuple):
    """Silhouettes (N,) between pixels, and how far they are from the near one, in pixels."""

    near: Tensor  # index of the pixel among those of all pictures
    far: Tensor
    distance: Tensor


def _silhouette_edges(points: Tensor, faces: Tensor, perspective: bool) -> _Edges:
    """Edges beyond which nothing of the same side lies; without those that reach behind the camera."""
    front, beyond = front_faces(points, faces, perspective), opposite_faces(faces)
    outline = (beyond < 0) | (front[:, beyond.clamp(min=0)] != front.unsqueeze(-1))
    member, face, corner = outline.nonzero(as_tuple=True)
    turned = torch.stack([corner + 1, corner + 2, corner], dim=1) % 3
    corners = faces[face].gather(1, turned)
    ends = points[member[:, None], corners]
    usable = ends.isfinite().all(-1).all(-1)
    if perspective:
        usable &= (ends[:, :2, 2] > 0).all(-1)
    return _Edges(member[usable], corners[usable])


def _crossings(points: Tensor, edges: _Edges, shown: _Shown, axis: int, perspective: bool) -> _Crossings:
    """The outermost visible silhouette edge between neighbours along columns (axis 0) or rows (axis 1)."""
    _, height, width = shown.face.shape
    lines, places = ((height, width), (width, height))[axis]
    with torch.no_grad():
        edge, line = _lines_crossed(points, edges, lines, axis)
        place, depth, ahead = _place(points, edges, edge, line, axis, perspective)
        within = (place >= 0.5) & (place < places - 0.5)
        edge, line, place, depth, ahead = (x[within] for x in (edge, line, place, depth, ahead))
        first = (place - 0.5).floor().long()
        row, column = ((line, first), (first, line))[axis]
        pixel = (edges.member[edge] * height + row) * width + column
        step = (1, width)[axis]
        near, far = torch.where(ahead, pixel, pixel + step), torch.where(ahead, pixel + step, pixel)
        face, shown_depth = shown.face.flatten(), shown.depth
        beyond = torch.where(face[far] < 0, torch.inf, shown_depth[far])
        fits = (
            (face[near] >= 0) & (face[near] != face[far]) & (shown_depth[near] <= beyond) & (depth < beyond)
        )
        reach = torch.where(ahead, place - first, first + 1 - place)
        chosen = _outermost(2 * pixel + ahead, torch.where(fits, reach, -torch.inf), 2 * face.numel())
    edge, line, first, ahead = (x[chosen] for x in (edge, line, first, ahead))
    place = _place(points, edges, edge, line, axis, perspective)[0] - first - 0.5
    return _Crossings(near[chosen], far[chosen], torch.where(ahead, place, 1 - place))


def _lines_crossed(points: Tensor, edges: _Edges, lines: int, axis: int) -> tuple[Tensor, Tensor]:
    """Indices of edges nearer to upright, and of rows (axis 0) or columns through whose middles they run."""
    ends = points[edges.member[:, None], edges.corners[:, :2], :2]
    extent = (ends[:, 1] - ends[:, 0]).abs()
    upright = extent[:, 1 - axis] >= extent[:, axis]
    across = ends[..., 1 - axis]
    first = (across.amin(1) - 0.5).floor().clamp(-1, lines) + 1
    last = (across.amax(1) - 0.5).floor().clamp(-1, lines - 1)
    count = torch.where(upright, last - first + 1, 0).clamp(min=0).long()
    edge = torch.repeat_interleave(count)
    step = torch.arange(len(edge), device=edge.device) - (count.cumsum(0) - count)[edge]
    return edge, first.long()[edge] + step


def _place(
    points: Tensor, edges: _Edges, edge: Tensor, line: Tensor, axis: int, perspective: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Where edges cross lines, how deep, and whether their faces lie on the side of lower columns or rows."""
    corners = points[edges.member[edge, None], edges.corners[edge]]
    along, across, depth = corners[..., axis], corners[..., 1 - axis], corners[..., 2]
    rise, run = across[:, 1] - across[:, 0], along[:, 1] - along[:, 0]
    share = (line + 0.5 - across[:, 0]) / rise
    place = along[:, 0] + share * run
    value = 1 / depth if perspective else depth
    far = value[:, 0] + share * (value[:, 1] - value[:, 0])
    ahead = along[:, 2] - along[:, 0] < (across[:, 2] - across[:, 0]) / rise * run
    return place, 1 / far if perspective else far, ahead


def _outermost(pair: Tensor, reach: Tensor, pairs: int) -> Tensor:
    """Indices of the largest finite reach of each pair, of equals the first."""
    best = reach.new_full((pairs,), -torch.inf).scatter_reduce(0, pair, reach, "amax")
    candidate = (reach.isfinite() & (reach == best[pair])).nonzero()[:, 0]
    first = candidate.new_full((pairs,), len(pair)).scatter_reduce(0, pair[candidate], candidate, "amin")
    return candidate[first[pair[candidate]] == candidate]


def _blends(colours: Tensor, crossing: _Crossings) -> Tensor:
    """What blending adds to colours (N, C): half the difference where an edge runs through a middle."""
    uncovered = (0.5 - crossing.distance).to(colours)
    beyond = uncovered < 0
    target, source = (torch.where(which, crossing.far, crossing.near) for which in (beyond, ~beyond))
    added = uncovered.abs().unsqueeze(-1) * (
        colours.index_select(0, source) - colours.index_select(0, target)
    )
    return torch.zeros_like(colours).index_add(0, target, added)
