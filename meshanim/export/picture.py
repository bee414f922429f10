"""A captured texture, as the formats that hold one want it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor

from meshanim.mesh import Mesh
from meshanim.rendering import wrap
from meshanim.rendering.shading import encode_srgb
from meshanim.talking_heads.appearance import Appearance


def _png(image: Tensor) -> bytes:
    """A linear picture (H, W, 3) as files want base colours: encoded as sRGB."""
    file = BytesIO()
    Image.fromarray((255 * encode_srgb(image)).round().to(torch.uint8).numpy()).save(file, "PNG")
    return file.getvalue()


def has_picture(mesh: Mesh, appearance: Appearance | None) -> bool:
    """Whether there is a texture, and the mesh has coordinates to put it on by."""
    return appearance is not None and appearance.skin is not None and mesh.uv is not None


def put_on(mesh: Mesh, appearance: Appearance | None) -> tuple[Mesh, bytes | None]:
    """The mesh with the texture coordinates of :func:`meshanim.rendering.wrap`, and its picture as PNG.

    The mesh as it is, and no picture, where the appearance has no texture or the mesh no coordinates.
    """
    if not has_picture(mesh, appearance):
        return mesh, None
    assert appearance is not None and appearance.skin is not None
    wrapped = wrap(mesh, appearance.skin, appearance.eyes)
    return replace(mesh, uv=wrapped.uv, uv_faces=wrapped.uv_faces), _png(wrapped.image)
