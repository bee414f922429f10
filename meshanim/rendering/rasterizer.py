"""Which triangle each pixel sees, and where on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshanim._check import check_indices, check_shape


@dataclass(frozen=True, eq=False)
class Fragments:
    """The pixels that see a face, N of them, in row-major order.

    Args:
        pixel: (N,) row * width + column.
        face: (N,) index of the nearest face.
        barycentric: (N, 3) perspective-correct weights of its three vertices; they sum to one.
        depth: (N,) distance from the camera along its axis, in metres.
        front: (N,) whether the face shows its counter-clockwise side.
        size: (height, width).
    """

    pixel: Tensor
    face: Tensor
    barycentric: Tensor
    depth: Tensor
    front: Tensor
    size: tuple[int, int]

    def subset(self, chosen: Tensor) -> Fragments:
        """Only the fragments (M,) with these indices."""
        names = ("pixel", "face", "barycentric", "depth", "front")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def interpolate(self, values: Tensor, faces: Tensor) -> Tensor:
        """(N, C) in the pixels, of (V, C) at the vertices of (F, 3) faces."""
        weight = self.barycentric.unbind(1)
        corner = faces.index_select(0, self.face).unbind(1)
        result = values.index_select(0, corner[0]) * weight[0][:, None]
        for index, share in zip(corner[1:], weight[1:], strict=True):
            result.addcmul_(values.index_select(0, index), share[:, None])
        return result


def _edges(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients a, b, c (F, 3) of the edge functions a x + b y + c, of vertex i's opposite edge.

    Exchanging an edge's ends flips all three signs exactly, so that two faces on either side of an edge
    agree to the last bit on where it runs: no gaps and nothing twice.
    """
    x0, x1 = x[:, [1, 2, 0]], x[:, [2, 0, 1]]
    y0, y1 = y[:, [1, 2, 0]], y[:, [2, 0, 1]]
    return y0 - y1, x1 - x0, x0 * y1 - x1 * y0


def _rows_of_faces(y: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """Face and row (R,) of every row of pixel middles that a face's height reaches."""
    first = (y.amin(1) - 0.5).ceil().clamp(min=0).long()
    last = (y.amax(1) - 0.5).floor().clamp(max=height - 1).long()
    return _expand(first, (last - first + 1).clamp(min=0))


def _expand(first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Source index and value (N,) of the ranges first[i] ... first[i] + count[i] - 1, one after another."""
    source = torch.repeat_interleave(count)
    begin = count.cumsum(0) - count
    return source, torch.arange(source.shape[0]) + (first - begin)[source]


def _spans(a: Tensor, b: Tensor, c: Tensor, row: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """First column and number of columns (R,) whose middles lie inside all three edges (R, 3)."""
    rest = b * (row[:, None] + 0.5) + c
    crossing = (-rest / a - 0.5).ceil()
    infinity = torch.tensor(float("inf"), dtype=a.dtype)
    first = torch.where(a > 0, crossing, -infinity).amax(1).clamp(min=0)
    stop = torch.where(a < 0, crossing, infinity).amin(1).clamp(max=width)
    level_outside = (a == 0) & ((rest < 0) | ((rest == 0) & (b <= 0)))
    count = torch.where(level_outside.any(1), 0, stop - first).clamp(min=0)
    return torch.where(count > 0, first, 0).long(), count.long()


class Raster:
    """Which face each pixel sees; where on the face is worked out for chosen pixels only.

    Each face is cut into rows of pixels and each row into the span between the face's edges, all faces at
    once; 1 / depth is linear over a span, and its largest value wins the pixel. A pixel belongs to a face
    where its middle does; a middle exactly on an edge belongs to one of the two faces. Both sides of a face
    are seen.

    Args:
        points: (V, 3) column, row (pixels) and depth (metres), as :meth:`Camera.project` gives them.
        faces: (F, 3) vertex indices.
        size: (height, width).
        near: faces that come nearer than this depth in metres are left out.
    """

    def __init__(self, points: Tensor, faces: Tensor, size: tuple[int, int], near: float = 1e-3) -> None:
        check_shape("points", points, (None, 3))
        check_shape("faces", faces, (None, 3))
        check_indices("faces", faces, points.shape[0])
        self.size = size
        corner = points.to(torch.float64).index_select(0, faces.flatten()).view(-1, 3, 3)
        x, y, depth = corner.unbind(2)
        a, b, c = _edges(x, y)
        area = (a * x + b * y + c)[:, :1]
        self._usable = ((depth.amin(1) > near) & (area[:, 0] != 0)).nonzero()[:, 0]
        # Rows of pixels count downwards, which turns counter-clockwise into a negative area.
        self._front = area[self._usable, 0] < 0
        # Faces seen from behind have their signs turned, so that inside is positive for all.
        a, b, c = (value[self._usable] * area[self._usable].sign() for value in (a, b, c))
        over_depth = 1 / (depth[self._usable] * area[self._usable].abs())
        self._weights = torch.cat([a * over_depth, b * over_depth, c * over_depth], dim=1)
        self._face, row = _rows_of_faces(y[self._usable], size[0])
        of_row = [value.index_select(0, self._face) for value in (a, b, c)]
        first, count = _spans(of_row[0], of_row[1], of_row[2], row, size[1])
        self._winner = self._nearest(row, first, count)

    def _nearest(self, row: Tensor, first: Tensor, count: Tensor) -> Tensor:
        """For every pixel an integer with the winning span in its lower half, -1 where there is none.

        Positive floats order as their bits do, so that one integer holds first the nearness and then the
        span, and one maximum decides both.
        """
        plane = self._weights.view(-1, 3, 3).sum(2).index_select(0, self._face)
        begin = count.cumsum(0) - count
        span = torch.repeat_interleave(count)
        step = torch.arange(len(span))
        slope = plane[:, 0]
        start = plane[:, 1] * (row + 0.5) + plane[:, 2] + slope * (first - begin + 0.5)
        nearness = start.index_select(0, span).addcmul_(slope.index_select(0, span), step.to(torch.float64))
        bits = nearness.to(torch.float32).view(torch.int32).to(torch.int64)
        pixel = (row * self.size[1] + first - begin).index_select(0, span).add_(step)
        winner = torch.full((self.size[0] * self.size[1],), -1, dtype=torch.int64)
        return winner.scatter_reduce_(0, pixel, bits.bitwise_left_shift_(32).bitwise_or_(span), "amax")

    def nearness(self) -> Tensor:
        """(H, W) 1 / depth in 1/metre of every pixel, zero where nothing is seen."""
        bits = (self._winner.clamp(min=0) >> 32).to(torch.int32)
        return bits.view(torch.float32).view(self.size)

    def fragments(self, pixel: Tensor | None = None) -> Fragments:
        """What is seen in pixels (N,), given as row * width + column; default: all that see something."""
        if pixel is None:
            pixel = (self._winner >= 0).nonzero()[:, 0]
        seen = self._face.index_select(0, self._winner.index_select(0, pixel) & 0xFFFFFFFF)
        weights = self._weights.index_select(0, seen)
        column, row = (pixel % self.size[1] + 0.5)[:, None], (pixel // self.size[1] + 0.5)[:, None]
        weight = weights[:, :3] * column + weights[:, 3:6] * row + weights[:, 6:]
        nearness = weight.sum(1, keepdim=True)
        weight, depth = (weight / nearness).to(torch.float32), (1 / nearness[:, 0]).to(torch.float32)
        return Fragments(pixel, self._usable[seen], weight, depth, self._front[seen], self.size)


def rasterize(points: Tensor, faces: Tensor, size: tuple[int, int], near: float = 1e-3) -> Fragments:
    """Everything that is seen, in one call; arguments as for :class:`Raster`."""
    return Raster(points, faces, size, near).fragments()
