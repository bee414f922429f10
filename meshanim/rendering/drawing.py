"""From a mesh, its looks, light and a camera to a picture, differentiable in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_range, check_shape, check_tensor
from meshanim.mesh.geometry import unit, vertex_normals
from meshanim.rendering.antialiasing import antialias
from meshanim.rendering.camera import Camera
from meshanim.rendering.light import Light, mirrored
from meshanim.rendering.rasterizer import Fragments, interpolate, rasterize
from meshanim.rendering.texture import mip_level, texture


class Picture(NamedTuple):
    """A drawn picture, over black.

    Attributes:
        image: (..., H, W, 3) linear RGB, times ``alpha``: ``image + (1 - alpha) * background`` has one.
        alpha: (..., H, W, 1) share of each pixel that the mesh covers.
    """

    image: Tensor
    alpha: Tensor


@dataclass(frozen=True, eq=False)
class Texture:
    """A picture wrapped around a mesh.

    Args:
        image: (H, W, 3) linear RGB reflectance, row 0 on top.
        uv: (U, 2) texture coordinates, origin bottom left.
        uv_faces: (F, 3) rows of ``uv`` at the corners of each face.
    """

    image: Tensor
    uv: Tensor
    uv_faces: Tensor

    def __post_init__(self) -> None:
        for name, shape in {"image": (None, None, 3), "uv": (None, 2), "uv_faces": (None, 3)}.items():
            check_tensor(name, getattr(self, name))
            check_shape(name, getattr(self, name), shape)

    def __call__(self, fragments: Fragments) -> Tensor:
        """Reflectance (..., H, W, 3) of what the pixels see, from a copy of fitting size."""
        places = interpolate(fragments, self.uv.to(fragments.depth), self.uv_faces)
        level = mip_level(fragments, self.uv, self.uv_faces, self.image)
        return texture(self.image, places, level)


@dataclass(frozen=True, eq=False)
class Gloss:
    """Phong's highlights.

    Args:
        strength: share of mirrored light that comes back, for example 0.04.
        shininess: exponent of the lobe; the higher, the smaller and brighter the highlight.
    """

    strength: float | Tensor
    shininess: float | Tensor

    def __post_init__(self) -> None:
        check_range("strength", float(self.strength), 0)
        check_range("shininess", float(self.shininess), 0, open_low=True)


Looks = Tensor | Texture | Callable[[Fragments], Tensor]
"""Linear RGB reflectance: (..., V, 3) at the vertices, a texture, or of (..., H, W, 3) pixels."""


def render(
    vertices: Tensor,
    faces: Tensor,
    camera: Camera,
    looks: Looks,
    *lights: Light,
    gloss: Gloss | None = None,
) -> Picture:
    r"""Draw a mesh, or a batch of one topology: looks times light, and highlights, with soft silhouettes.

    .. math:: c = \rho \sum_l D_l(n) + k \sum_l H_l(r)

    with reflectance :math:`\rho`, normal n, diffuse light D, mirrored direction r and highlights H. There are
    no shadows, and both sides of a face are lit by the normals of its counter-clockwise side.

    Gradients go to vertices, looks, lights, gloss and camera.

    Args:
        vertices: (..., V, 3) metres; leading dimensions broadcast with the camera's.
        faces: (F, 3) vertex indices.
        camera: its size is the picture's; it follows the vertices' floating type, as looks and lights do.
        looks: what the surface reflects, see :data:`Looks`.
        lights: at least one.
        gloss: highlights; the surface is matt without.
    """
    if not lights:
        raise InputError("lights must hold at least one light, got none")
    fragments = rasterize(vertices, faces, camera)
    covered = fragments.covered.unsqueeze(-1)
    normals = unit(interpolate(fragments, vertex_normals(vertices, faces)))
    image = _reflectance(looks, fragments) * _total([light.diffuse(normals) for light in lights])
    if gloss is not None:
        view = mirrored(normals, _to_camera(vertices, fragments, camera))
        shine = _total([light.highlight(view, gloss.shininess) for light in lights])
        image = image + gloss.strength * shine
    layers = torch.cat([image * covered, covered.to(image).expand(*image.shape[:-1], 1)], dim=-1)
    layers = antialias(layers, fragments)
    return Picture(layers[..., :3], layers[..., 3:])


def _reflectance(looks: Looks, fragments: Fragments) -> Tensor:
    if callable(looks):
        return looks(fragments)
    check_tensor("looks", looks)
    check_shape("looks", looks, (fragments.points.shape[-2], 3), batched=True)
    return interpolate(fragments, looks)


def _total(parts: list[Tensor]) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*parts)).sum(0)


def _to_camera(vertices: Tensor, fragments: Fragments, camera: Camera) -> Tensor:
    """(..., H, W, 3) unit vectors towards the camera."""
    if not camera.perspective:
        return -camera.rotation[..., None, None, 2, :].to(vertices)
    place = camera.position[..., None, None, :].to(vertices)
    return unit(place - interpolate(fragments, vertices))
