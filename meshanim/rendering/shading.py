"""Light on a face: key, fill and rim lights that stay with the camera, and shade in hollows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BACKGROUND = (0.80, 0.62)
"""Linear grey of the background at its top and bottom."""
WRAP = 0.25
"""How far round a light reaches past the terminator, which is soft on skin."""


@dataclass(frozen=True)
class Light:
    """A far-away light.

    Args:
        direction: towards the light in camera axes, X right, Y down, Z into the picture; of any length.
        colour: linear RGB brightness.
    """

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]


KEY = Light((-0.8, -0.8, -1.0), (1.40, 1.34, 1.25))
FILL = Light((1.0, -0.1, -0.9), (0.20, 0.22, 0.26))
RIM = Light((0.75, -0.6, 0.8), (0.7, 0.7, 0.75))
CATCH = Light((-0.28, -0.30, -1.0), (1.0, 1.0, 1.0))
"""A small lamp beside the camera that only eyes and other wet surfaces mirror."""
MOIST = 2.0
"""Gloss of lips, which do not mirror it: their corners face the camera, and would be two white dots."""
SKY, GROUND = (0.22, 0.23, 0.25), (0.12, 0.10, 0.09)
"""Linear RGB light from all around above and below."""


TO_CAMERA = (0.0, 0.0, -1.0)
"""The camera is taken to be far away, as with a portrait lens it nearly is."""


def _towards(direction: tuple[float, float, float], like: Tensor) -> Tensor:
    return functional.normalize(like.new_tensor(direction), dim=0)


def _diffuse(normals: Tensor, light: Light) -> Tensor:
    facing = normals @ _towards(light.direction, normals)
    return ((facing + WRAP) / (1 + WRAP)).clamp_(min=0)[:, None] * normals.new_tensor(light.colour)


def _highlight(normals: Tensor, light: Light, sharpness: Tensor) -> Tensor:
    """Blinn's highlight (N,): strongest where the normal halves the angle between light and camera."""
    half = functional.normalize(_towards(light.direction, normals) + normals.new_tensor(TO_CAMERA), dim=0)
    return (normals @ half).clamp_(min=0).pow_(sharpness).mul_((sharpness + 8) / 40)


def shade(normals: Tensor, albedo: Tensor, gloss: Tensor, film: Tensor | None = None) -> Tensor:
    """Light (N, 3) that comes from N points to the camera, linear RGB.

    Args:
        normals: (N, 3) unit normals in camera axes.
        albedo: (N, 3) linear reflectance.
        gloss: (N,) strength of highlights; zero for a matt, one for a skin, six for a wet surface.
        film: (N, 3) light that a white matt surface sends back in another place than the studio, whose
            highlights are taken to be in the reflectance; the eyes' alone are the studio's.
    """
    sharpness = 12 * gloss.clamp(min=1).square()
    # Fresnel: every surface mirrors more towards its outline.
    grazing = 0.04 + 0.25 * (1 + normals[:, 2]).clamp_(0, 1).square_().square_()
    shine = _highlight(normals, CATCH, sharpness) * (gloss - MOIST).clamp(0, 1)
    if film is None:
        shine += _highlight(normals, KEY, sharpness)
    light = _studio(normals) if film is None else film
    return (light * albedo).add_((shine * gloss * grazing)[:, None])


def _studio(normals: Tensor) -> Tensor:
    upwards = (0.5 - 0.5 * normals[:, 1:2]).clamp_(0, 1)
    light = torch.lerp(normals.new_tensor(GROUND), normals.new_tensor(SKY), upwards)
    for lamp in (KEY, FILL, RIM):
        light += _diffuse(normals, lamp)
    return light


def seen_squarely() -> Tensor:
    """(3,) light that a white matt surface sends back which faces the camera."""
    return shade(torch.tensor([TO_CAMERA]), torch.ones(1, 3), torch.zeros(1))[0]


def blur(images: Tensor, radius: int) -> Tensor:
    """(N, H, W) blurred by a triangle of about 2 radius pixels; outside the picture counts as zero."""
    width = 2 * radius + 1
    for kernel, padding in 2 * [((1, width), (0, radius)), ((width, 1), (radius, 0))]:
        images = functional.avg_pool2d(images, kernel, 1, padding)
    return images


def surroundings(depth: Tensor, radius: int) -> Tensor:
    """Mean depth around each pixel, and how far it is surrounded by the surface: 0 near an outline, 1 within.

    A pixel far behind its surroundings lies in a hollow and gets less light: the idea of unsharp masking the
    depth buffer (Luft, Colditz and Deussen 2006), darkening only. Near an outline more is covered on the one
    side than on the other, and the surface turns away from there, so that the mean says nothing.

    Args:
        depth: (H, W) metres, NaN on the background.
        radius: in pixels.

    Returns:
        (2, H, W).
    """
    covered = ~depth.isnan()
    planes = blur(torch.stack([depth.nan_to_num(0.0), covered.to(depth.dtype)]), radius)
    return torch.stack([planes[0] / planes[1].clamp(min=1e-6), (8 * planes[1] - 7).clamp(0, 1)])


def background(size: tuple[int, int]) -> Tensor:
    """(H, W, 3) light neutral backdrop, linear."""
    grey = torch.linspace(BACKGROUND[0], BACKGROUND[1], size[0], dtype=torch.float32)
    return grey[:, None, None].expand(*size, 3).clone()


def to_display(linear: Tensor) -> Tensor:
    """Linear RGB to uint8 sRGB, with a soft shoulder instead of a hard clip above 0.7."""
    knee, room = 0.7, 0.3
    over = (linear - knee).clamp(min=0)
    linear = torch.where(linear > knee, knee + room * over / (over + room), linear)
    return (255 * encode_srgb(linear)).round().to(torch.uint8)


def encode_srgb(linear: Tensor) -> Tensor:
    """Linear RGB to sRGB in [0, 1]; what is beyond white is white."""
    linear = linear.clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.pow(1 / 2.4) - 0.055)


def from_display(colours: Tensor) -> Tensor:
    """sRGB in [0, 1] to linear RGB."""
    colours = colours.to(torch.float32).clamp(0, 1)
    return torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055).pow(2.4))
