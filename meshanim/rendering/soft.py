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
    count = fragments.face.shape[-1]
    pixel = (fragments.face[..., 0] >= 0).flatten().nonzero()[:, 0]  # what sees nothing costs nothing
    face, depth, distance = (
        part.reshape(-1, count).index_select(0, pixel)
        for part in (fragments.face, fragments.depth, fragments.distance)
    )
    weights = fragments.barycentric.reshape(-1, 3 * count).index_select(0, pixel).view(1, -1, 3)
    colours, background = colours.to(fragments.depth), background.to(fragments.depth)
    painted = ops.interpolate(colours[None], fragments.faces, face.view(1, -1), weights)
    # In logarithms, where weights that are all too small for a number still have their proportions.
    softness, missing = distance / sigma, face < 0
    share = functional.logsigmoid(softness)
    first = depth[:, :1].detach()
    logits = torch.cat([share - (depth - first) / gamma, (first - far) / gamma], dim=1)
    weight = logits.masked_fill(functional.pad(missing, (0, 1)), -torch.inf).softmax(dim=1)
    blended = (weight[:, :-1].unsqueeze(-1) * painted.view(*face.shape, colours.shape[1])).sum(1)
    # sigmoid(-x), the share that a face leaves, is sigmoid(x) / exp(x).
    alpha = -torch.expm1((share - softness).masked_fill(missing, 0).sum(1, keepdim=True))
    image = torch.cat([blended + weight[:, -1:] * background, alpha], dim=1)
    empty = torch.cat([background, background.new_zeros(1)]).expand(fragments.face[..., 0].numel(), -1)
    return empty.index_copy(0, pixel, image).view(*fragments.face.shape[:-1], -1)
