"""What ``bench_gpu.py`` times of the rasterizer: a sphere of 56,858 faces in pictures of 512 x 512.

Points are much smaller than what comes of them, so that one set of inputs is enough.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from gpu_cases import DEVICE, VERTICES, Case
from spiral_layers import PASSES, sphere
from torch import Tensor

from meshanim.ops import (
    interpolate,
    interpolate_reference,
    rasterize,
    rasterize_reference,
    soft_rasterize,
    soft_rasterize_reference,
)

SIZE, BATCHES = (512, 512), (1, 16)
RADIUS, KEPT, CHANNELS = 2.0, 8, 3


def pictures(batch: int) -> list[Case]:
    """Hard and soft rasterization of a batch, and interpolation of normals over what it sees."""
    mesh = sphere(VERTICES)
    points, faces = _projected(mesh.vertices, batch).to(DEVICE), mesh.faces.to(DEVICE)
    pixels, corners = batch * SIZE[0] * SIZE[1], 12 * points.shape[1] * batch + 12 * len(faces)
    soft = (RADIUS, KEPT)
    face, weights, _ = rasterize(points, faces, SIZE)
    seen = face.flatten(1), weights.flatten(1, 2)
    attributes = torch.randn(batch, points.shape[1], CHANNELS, device=DEVICE)
    return [
        _case(
            "rasterize",
            faces,
            (points,),
            lambda p: _values(rasterize(p, faces, SIZE)),
            lambda p: _values(rasterize_reference(p, faces, SIZE)),
            (corners + 24 * pixels, corners + 40 * pixels),
        ),
        _case(
            "soft_rasterize",
            faces,
            (points,),
            lambda p: _values(soft_rasterize(p, faces, SIZE, *soft)),
            lambda p: _values(soft_rasterize_reference(p, faces, SIZE, *soft)),
            (corners + 28 * KEPT * pixels, corners + 28 * KEPT * pixels),
        ),
        _case(
            "interpolate",
            faces,
            (attributes, seen[1]),
            lambda x, w: interpolate(x, faces, seen[0], w),
            lambda x, w: interpolate_reference(x, faces, seen[0], w),
            (corners + (20 + 4 * CHANNELS) * pixels, 2 * corners + (32 + 4 * CHANNELS) * pixels),
        ),
    ]


def _projected(vertices: Tensor, batch: int) -> Tensor:
    """Points (B, V, 3) of a unit sphere that fills most of the picture, seen from all around."""
    angle = torch.arange(batch) * (2 * torch.pi / batch)
    across = angle.cos()[:, None] * vertices[:, 0] + angle.sin()[:, None] * vertices[:, 2]
    depth = 4 + angle.cos()[:, None] * vertices[:, 2] - angle.sin()[:, None] * vertices[:, 0]
    down = vertices[:, 1].expand(batch, -1)
    focal = 1.7 * SIZE[0]
    return torch.stack([focal * across / depth + SIZE[1] / 2, focal * down / depth + SIZE[0] / 2, depth], -1)


def _values(found: tuple[Tensor, ...]) -> Tensor:
    """All that has a gradient as one tensor."""
    _, weights, *others = found
    return torch.cat([weights, *(value.unsqueeze(-1) for value in others)], dim=-1)


def _case(
    op: str,
    faces: Tensor,
    values: tuple[Tensor, ...],
    ours: Callable[..., Tensor],
    peer: Callable[..., Tensor],
    floor: tuple[float, float],
) -> Case:
    """A case of so many bytes forward and backward."""
    name = {"op": op, "faces": len(faces), "size": SIZE, "batch": len(values[0]), "type": "float32"}
    with torch.no_grad():
        direction = torch.randn_like(ours(*values))
    leaves = tuple(value.detach().requires_grad_() for value in values)
    floors = dict(zip(PASSES, (floor[0], sum(floor)), strict=True))
    return Case(name, [leaves], direction, ours, peer if len(values[0]) == 1 else None, floors, fixed=False)
