"""Pictures on surfaces: bilinear sampling, from smaller copies where the surface is small or slanted."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_shape
from meshanim.mesh.precision import widened
from meshanim.rendering.rasterizer import Fragments


def texture(image: Tensor, uv: Tensor, level: Tensor | None = None) -> Tensor:
    """Colours (..., C) of a picture at texture coordinates; gradients go to both.

    Between the middles of four texels the colour is bilinear, beyond the outermost ones it is held. With
    ``level``, colours come from copies of half the size, a quarter and so on (each the mean of two by two; a
    little more of an odd number), linearly between the two nearest copies, so that fine patterns neither
    flicker nor alias.

    Args:
        image: (H, W, C), row 0 on top.
        uv: (..., 2) texture coordinates in [0, 1], origin bottom left, as ``Mesh.uv`` has them.
        level: (...,) which copy, zero for the picture itself, as :func:`mip_level` gives it; without it the
            picture itself everywhere.

    Raises:
        InputError: other shapes, or a picture of whole numbers or without texels.
    """
    check_shape("image", image, (None, None, None))
    check_shape("uv", uv, (2,), batched=True)
    if not image.is_floating_point() or 0 in image.shape[:2]:
        raise InputError(
            f"image must be of a floating type and have texels, got {tuple(image.shape)} {image.dtype}"
        )
    places = uv.reshape(-1, 2)
    copy = image.permute(2, 0, 1)[None]
    if level is None:
        return _sampled(copy, places).view(*uv.shape[:-1], image.shape[2])
    check_shape("level", level, tuple(uv.shape[:-1]))
    last = _levels(image) - 1
    wanted = level.detach().reshape(-1).nan_to_num(0).clamp(0, last)
    colours = image.new_zeros(len(places), image.shape[2])
    for number in range(last + 1):
        share = (1 - (wanted - number).abs()).clamp(min=0)
        near = share.nonzero()[:, 0]
        if len(near):
            found = _sampled(copy, places.index_select(0, near)) * share[near, None].to(image)
            colours = colours.index_add(0, near, found)
        if number < last:
            copy = _halved(_halved(copy, 2), 3)
    return colours.view(*uv.shape[:-1], image.shape[2])


def _levels(image: Tensor) -> int:
    """Number of copies down to one texel along the longer side."""
    return max(image.shape[:2]).bit_length()


def _halved(image: Tensor, dim: int) -> Tensor:
    """Half as many rows or columns of a picture (1, C, H, W), each the mean of the stretch that it covers.

    Of 2 n + 1 each covers two and the n-th part of one, in parts of three neighbours (Guthe and Heckbert,
    "Non-Power-of-Two Mipmapping", 2005), so that no copy is shifted against the picture.
    """
    count = image.shape[dim] // 2
    if count == 0:
        return image
    first, second = image.narrow(dim, 0, 2 * count).unflatten(dim, (count, 2)).unbind(dim + 1)
    if image.shape[dim] == 2 * count:
        return (first + second) / 2
    third = image.narrow(dim, 1, 2 * count).unflatten(dim, (count, 2)).select(dim + 1, 1)
    place = torch.arange(count).to(image).view(-1, *[1] * (3 - dim))
    return ((count - place) * first + count * second + (place + 1) * third) / (2 * count + 1)


def _sampled(image: Tensor, uv: Tensor) -> Tensor:
    """(N, C) of a picture (1, C, H, W) at (N, 2)."""
    # In 16 bits places would be whole texels apart, and PyTorch 2.13 crashes on large pictures.
    wide = widened(image)
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], dim=1).to(wide)
    found = functional.grid_sample(wide, grid[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0].T.to(image)


@torch.no_grad()
def mip_level(fragments: Fragments, uv: Tensor, uv_faces: Tensor, image: Tensor) -> Tensor:
    """Level (..., H, W) of :func:`texture` at which a texel is as large as a pixel's longer footprint.

    The footprint is the exact derivative of the texture coordinates across the seen face, also at its edges.

    Args:
        fragments: of a camera with or without perspective.
        uv: (U, 2) texture coordinates.
        uv_faces: (F, 3) rows of ``uv`` at the corners of each face.
        image: (H', W', C) the picture that is sampled.
    """
    covered = fragments.covered
    *batch, _, _ = covered.nonzero(as_tuple=True)
    face, weights = fragments.face[covered], fragments.barycentric[covered].double()
    corners = fragments.points[(*(index[:, None] for index in batch), fragments.faces[face])].double()
    slope = _weight_slopes(corners, weights, fragments.depth[covered].double(), fragments.perspective)
    texels = uv.double()[uv_faces[face]] * uv.new_tensor([image.shape[1], image.shape[0]]).double()
    footprint = torch.einsum("nks,nkt->nst", slope, texels).square().sum(-1).amax(-1)
    level = torch.zeros_like(fragments.depth)
    level[covered] = (0.5 * footprint.clamp(min=1e-30).log2()).clamp(min=0).to(level)
    return level


def _weight_slopes(corners: Tensor, weights: Tensor, depth: Tensor, perspective: bool) -> Tensor:
    """(N, 3, 2) change of three weights per column and per row, of faces with corners (N, 3, 3)."""
    x, y, far = corners.unbind(-1)
    after, before = [1, 2, 0], [2, 0, 1]
    edge = torch.stack([y[:, after] - y[:, before], x[:, before] - x[:, after]], dim=-1)
    area = (x * edge[..., 0]).sum(1)[:, None, None]
    slope = edge / area
    if not perspective:
        return slope
    slope = slope * (depth[:, None] / far)[..., None]
    return slope - weights[..., None] * slope.sum(1, keepdim=True)
