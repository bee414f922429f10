"""Pictures in which pixels have gradients to faces beside them and behind the first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from meshanim import ops
from meshanim._check import check_range, check_shape
from meshanim.rendering.camera import Camera


@dataclass(frozen=True, eq=False)
class SoftFragments:
    """Up to K faces around each pixel's middle, the nearest in depth first.

    Args:
        face: (..., H, W, K) index of each face, -1 where there are no more.
        barycentric: (..., H, W, K, 3) weights of its vertices at its place that is nearest to the middle.
        depth: (..., H, W, K) of that place, in metres.
        distance: (..., H, W, K) squared, in pixels, of the middle from the face's outline; negative outside.
        faces: (F, 3) vertex indices.
    """

    face: Tensor
    barycentric: Tensor
    depth: Tensor
    distance: Tensor
    faces: Tensor


def soft_rasterize(
    vertices: Tensor, faces: Tensor, camera: Camera, radius: float = 2.0, faces_per_pixel: int = 8
) -> SoftFragments:
    """The faces that pixels see or nearly see; gradients go to vertices and camera.

    Args:
        vertices: (..., V, 3) in metres; leading dimensions broadcast with the camera's.
        faces: (F, 3) vertex indices.
        camera: its size is the picture's.
        radius: how far outside of a face a pixel still knows of it, in pixels; cost grows with its square.
        faces_per_pixel: K.
    """
    points = camera.project(vertices)
    batch = points.shape[:-2]
    flat = points.flatten(0, -3) if batch else points[None]
    found = ops.soft_rasterize(flat, faces, camera.size, radius, faces_per_pixel, camera.perspective)
    face, weights, depth, distance = (value.view(*batch, *value.shape[1:]) for value in found)
    return SoftFragments(face, weights, depth, distance, faces)


def soft_blend(
    fragments: SoftFragments,
    colours: Tensor,
    background: Tensor,
    sigma: float = 0.5,
    gamma: float = 1e-3,
    far: float = 10.0,
) -> Tensor:
    r"""Colours of all faces around a pixel, blended after Liu et al., "Soft Rasterizer", ICCV 2019.

    A face counts by :math:`D_j = \mathrm{sigmoid}(d_j / \sigma)` of its signed squared distance, and the less
    the farther it is behind: with depths :math:`z_j` and the background b at the depth ``far``,

    .. math:: c = \frac{\sum_j D_j e^{-z_j / \gamma} c_j + e^{-z_b / \gamma} c_b}
        {\sum_j D_j e^{-z_j / \gamma} + e^{-z_b / \gamma}} \qquad
        \alpha = 1 - \prod_j (1 - D_j)

    The paper's softmax goes over inverse depth scaled to [0, 1]; in metres ``gamma`` is the same at every
    distance.

    Args:
        fragments: of :func:`soft_rasterize`.
        colours: (V, C) at the vertices.
        background: (C,).
        sigma: in square pixels, how soft outlines are.
        gamma: in metres, how far behind the first face one hardly counts any more.
        far: depth of the background in metres.

    Returns:
        (..., H, W, C + 1), the last channel the silhouette alpha.
    """
    check_range("sigma", sigma, 0, open_low=True)
    check_range("gamma", gamma, 0, open_low=True)
    check_shape("colours", colours, (None, None))
    check_shape("background", background, (colours.shape[1],))
    seen = fragments.face >= 0
    pixel = seen[..., 0].nonzero(as_tuple=True)  # what sees nothing costs nothing
    face, depth = fragments.face[pixel], fragments.depth[pixel]
    here, weights = seen[pixel], fragments.barycentric[pixel]
    flat = (colours[None], fragments.faces, face.view(1, -1), weights.reshape(1, -1, 3))
    painted = ops.interpolate(*flat).view(*face.shape, colours.shape[1])
    softness = fragments.distance[pixel] / sigma
    # In logarithms, where weights that are all too small for a number still have their proportions.
    first = depth[:, :1].detach()
    known = functional.logsigmoid(softness) - (depth - first) / gamma
    logits = torch.cat([torch.where(here, known, -torch.inf), (first - far) / gamma], dim=1)
    weight = logits.softmax(dim=1).unsqueeze(-1)
    blended = (weight[:, :-1] * painted).sum(1) + weight[:, -1] * background
    alpha = 1 - torch.where(here, torch.sigmoid(-softness), 1).prod(1, keepdim=True)
    empty = torch.cat([background, background.new_zeros(1)]).expand(*seen.shape[:-1], -1)
    return empty.index_put(pixel, torch.cat([blended, alpha], dim=1))
