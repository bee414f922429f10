"""A captured skin and the parts of a face that no camera catches, in one picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_shape
from meshanim.mesh import Mesh
from meshanim.rendering.drawing import Texture
from meshanim.rendering.materials import ALBEDO, eye_coordinates, group_mask, paint_eyes

LEAST_SIDE = 512
"""Texels of a skin below which it is enlarged, so that the eyes beside it are fine enough."""
EYE_SHARE = 4
"""The picture of an eye is this part of the skin's side, and stands in a strip of its own height below it."""
EYE_REACH = 0.48
"""Radius of the eyeball in that picture, in units of its side."""
INNER = ("mouth_inner", "gums", "tongue", "teeth", "eyes")
"""Groups that have a plain field of their own."""


def wrap(mesh: Mesh, skin: Tensor, eyes: Tensor | None = None) -> Texture:
    """The mesh's looks with a captured skin: where the skin is not, parts have their usual colours.

    The picture has the skin on top. Below it stand an eye, seen from the front, and one plain field for each
    part of a face, and for skin outside the first tile of the texture map, which gets the skin's median.

    Args:
        mesh: with texture coordinates.
        skin: (S, S, 3) linear reflectance over them, row 0 on top.
        eyes: (2, 3) linear reflectance of the eyes' white and irises, where they are known.

    Returns:
        A texture (S' + S' / 4, S', 3) with its own texture coordinates.
    """
    if mesh.uv is None or mesh.uv_faces is None:
        raise InputError("mesh must have texture coordinates, got one without")
    check_shape("skin", skin, (None, None, 3))
    skin = _enlarged(skin.to(torch.float32).clamp(0, 1))
    side = skin.shape[1]
    strip = side // EYE_SHARE
    inner = [torch.tensor(ALBEDO[name]) for name in INNER]
    iris = None
    if eyes is not None:
        check_shape("eyes", eyes, (2, 3))
        inner[-1], iris = eyes.to(torch.float32)
    fields = torch.stack([skin.flatten(0, 1).median(dim=0).values, *inner])
    width = (side - strip) // len(fields)
    beside = fields.repeat_interleave(width, 0).expand(strip, -1, -1)
    rest = fields[-1].expand(strip, side - strip - beside.shape[1], 3)
    picture = torch.cat([skin, torch.cat([_eye(strip, inner[-1], iris), beside, rest], dim=1)])

    share = strip / (side + strip)
    own = torch.stack([mesh.uv[:, 0], share + (1 - share) * mesh.uv[:, 1]], dim=1)
    middles = (strip + width * (torch.arange(len(fields)) + 0.5)) / side
    plain = torch.stack([middles, torch.full_like(middles, share / 2)], dim=1)
    front = (0.5 + EYE_REACH * eye_coordinates(mesh)[:, :2]) * torch.tensor([strip / side, share])

    part = _parts(mesh)
    uv_faces = torch.where(part[:, None] < 0, mesh.uv_faces, len(own) + part[:, None])
    ball = group_mask(mesh, "eye_left", "eye_right")[mesh.faces].all(dim=1)
    uv_faces[ball] = len(own) + len(plain) + mesh.faces[ball]
    return Texture(picture, torch.cat([own, plain, front]).to(torch.float32), uv_faces)


def _enlarged(skin: Tensor) -> Tensor:
    size = [max(LEAST_SIDE, side) for side in skin.shape[:2]]
    image = skin.permute(2, 0, 1)[None]
    return functional.interpolate(image, size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)


def _eye(side: int, white: Tensor, iris: Tensor | None) -> Tensor:
    """(side, side, 3) an eyeball from the front; beyond its outline the white goes on."""
    along = ((torch.arange(side) + 0.5) / side - 0.5) / EYE_REACH
    y, x = torch.meshgrid(-along, along, indexing="ij")
    z = (1 - x**2 - y**2).clamp(min=0).sqrt()
    places = torch.stack([x, y, z], dim=-1).view(-1, 3)
    return paint_eyes(white.repeat(len(places), 1), places, iris).view(side, side, 3)


def _parts(mesh: Mesh) -> Tensor:
    """(F,) -1 where a face shows captured skin, else its plain field: 0 for other skin, then INNER's."""
    assert mesh.uv is not None and mesh.uv_faces is not None
    uv = mesh.uv[mesh.uv_faces]
    mapped = ((uv >= 0) & (uv <= 1)).all(dim=2).all(dim=1)
    part = torch.where(mapped, -1, 0)
    for number, name in enumerate(("eye_sockets", *INNER)):
        part[group_mask(mesh, name)[mesh.faces].all(dim=1)] = number
    return part
