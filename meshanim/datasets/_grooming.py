"""Hair, beards and clothes for drawn faces: no strands, but colour and volume where photographs have them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from meshanim.mesh import Mesh
from meshanim.mesh.geometry import unit, vertex_normals
from meshanim.rendering import Camera, rasterize, visible
from meshanim.rendering.materials import group_mask

NOSE_ROOT = (0.0, 0.042, 0.109)
"""Metres from the base of the skull, in which the lines below are given."""
CENTRE = (0.0, 0.04, 0.0)
"""The middle of the head, from which hair stands out."""
_AROUND = (0.0, 0.5, 0.9, 1.15, 1.35, 1.85, 2.1, math.pi)
"""Radians from straight ahead to the back of the head at which lines on the head are given, in metres."""
_HAIRLINE = (0.106, 0.108, 0.085, 0.035, 0.066, 0.066, 0.0, -0.035)
_LONG = (0.106, 0.108, 0.08, 0.0, -0.04, -0.11, -0.11, -0.11)
_BEARDLINE = (-0.012, -0.022, -0.010, 0.03, -1.0, -1.0, -1.0, -1.0)
_BEARD_END = -0.085
_RAGGED = 0.0015
"""Metres over which hair begins."""
HAIR = ((0.01, 0.008, 0.007), (0.03, 0.018, 0.01), (0.09, 0.05, 0.025), (0.3, 0.2, 0.1), (0.35, 0.34, 0.33))
"""Linear RGB reflectance: black, dark brown, brown, blond, grey."""
IRIS = ((0.05, 0.025, 0.015), (0.10, 0.16, 0.20))
"""Linear RGB reflectance of brown and blue eyes; all between happens."""
BALD, LONG, BEARDED = 0.1, 0.35, 0.2
"""Shares of heads."""
_RISE, _THINS = 0.04, 0.012
"""Metres over which hair gains its volume, and over which a beard gains its density."""
VOLUME = (0.002, 0.028)
"""Metres that hair stands out from the head."""
_DARKEST = 0.1
_VIEWS, _VIEW_SIZE = 48, 160


class Grooming(NamedTuple):
    """What one head wears.

    Attributes:
        hair: (V,) metres above the hairline; negative is bare.
        beard: (V,) metres inside of where a beard grows; negative is bare.
        density: of the beard, zero to one.
        colour: (3,) linear RGB reflectance of hair, brows and beard.
        iris: (3,) linear RGB reflectance.
        outwards: (V, 3) displacement in metres by the hair's volume.
    """

    hair: Tensor
    beard: Tensor
    density: float
    colour: Tensor
    iris: Tensor
    outwards: Tensor


def groom(mesh: Mesh, generator: torch.Generator) -> Grooming:
    """Hair and beard of one head, at random.

    Args:
        mesh: the neutral with its 68 landmarks.
        generator: of what is random.
    """
    chance, skin = torch.rand(8, generator=generator).tolist(), group_mask(mesh, "skin")
    root = mesh.vertices[mesh.landmarks["landmark68_27"]]
    away = mesh.vertices - root + torch.tensor(NOSE_ROOT)
    line = _line(away, _LONG if chance[0] < LONG else _HAIRLINE)
    ahead = torch.exp(-(_around(away).square()))
    shift = 0.008 * torch.randn(2, generator=generator)
    waves = torch.sin(away @ (300 * torch.randn(3, 4, generator=generator))).sum(1)
    hair = away[:, 1] - line - shift[0] - shift[1] * ahead + 0.001 * waves
    hair = torch.where(skin & (chance[1] >= BALD), hair, -1.0)
    volume = VOLUME[0] + (VOLUME[1] - VOLUME[0]) * chance[2] ** 1.5 * (1 + 0.08 * waves)
    outwards = unit(away - torch.tensor(CENTRE)) * (volume * _smooth(hair / _RISE)).unsqueeze(-1)
    beard = torch.minimum(_line(away, _BEARDLINE) - away[:, 1], away[:, 1] - _BEARD_END)
    beard = torch.where(skin & ~group_mask(mesh, "lips", "mouth_inner"), beard, -1.0)
    density = 0.15 + 0.7 * chance[3] if chance[4] < BEARDED else 0.0
    first, second = torch.randint(len(HAIR), (2,), generator=generator).tolist()
    colour = torch.lerp(torch.tensor(HAIR[first]), torch.tensor(HAIR[second]), 0.5 * chance[5])
    brown, blue = torch.tensor(IRIS)
    iris = torch.lerp(brown, blue, chance[7] ** 2)
    return Grooming(hair, beard, density, colour * (0.7 + 0.6 * chance[6]), iris, outwards)


def hair_cover(above: Tensor) -> Tensor:
    """(N, 1) share that hair covers, of metres (N,) above the line where it begins."""
    return torch.sigmoid(above / _RAGGED).unsqueeze(-1)


def beard_cover(inside: Tensor) -> Tensor:
    """(N, 1) share that a beard covers, of metres (N,) inside of its lines: it thins out towards them."""
    return _smooth(inside / _THINS).unsqueeze(-1)


def _around(away: Tensor) -> Tensor:
    """(V,) angle about the vertical from straight ahead, on either side."""
    return torch.atan2(away[:, 0].abs(), away[:, 2])


def _line(away: Tensor, heights: tuple[float, ...]) -> Tensor:
    """(V,) height of a line around the head above, below or at each vertex."""
    return torch.from_numpy(np.interp(_around(away).numpy(), _AROUND, heights)).to(away)


def _smooth(share: Tensor) -> Tensor:
    share = share.clamp(0, 1)
    return share * share * (3 - 2 * share)


def exposure(mesh: Mesh) -> Tensor:
    """(V,) share of light from all around that reaches the vertices at rest: folds and hollows are dark.

    The neck, whose end is open, is left bright.
    """
    step = torch.arange(_VIEWS) + 0.5
    height, turn = 1 - 2 * step / _VIEWS, step * math.pi * (3 - math.sqrt(5))
    ring = (1 - height**2).sqrt()
    normals, middle = vertex_normals(mesh.vertices, mesh.faces), mesh.vertices.mean(0)
    total, seen = (torch.full((len(mesh.vertices),), 1e-6) for _ in range(2))
    size = (_VIEW_SIZE, _VIEW_SIZE)
    for direction in torch.stack([ring * turn.cos(), height, ring * turn.sin()], dim=1):
        camera = Camera.looking_at(middle + direction, middle, 20.0, size).weak_perspective(1.0)
        facing = (normals @ direction).clamp(min=0)
        sees = visible(mesh.vertices, rasterize(mesh.vertices, mesh.faces, camera), camera)
        total, seen = total + facing, seen + facing * sees
    share = (seen / total).clamp(min=_DARKEST)
    return torch.where(group_mask(mesh, "neck"), 1.0, share)


def dressed(
    picture: Tensor, alpha: Tensor, backdrop: Tensor, neck: Tensor, generator: torch.Generator
) -> Tensor:
    """A head's picture before its backdrop, with a breast and clothes below its neck.

    Args:
        picture: (S, S, 3) linear, times ``alpha``.
        alpha: (S, S, 1) share of the pixels that the head covers.
        backdrop: (S, S, 3) linear.
        neck: (N, 2) columns and rows of the neck's vertices.
        generator: of what is random.
    """
    chance = torch.rand(5, generator=generator).tolist()
    cloth = torch.rand(3, generator=generator) ** 2 * (0.1 + 0.9 * chance[0])
    width = float(neck[:, 0].amax() - neck[:, 0].amin())
    side = torch.arange(len(picture)) + 0.5
    across = (side[None] - float(neck[:, 0].mean())) / width
    down = (side[:, None] - float(neck[:, 1].amax())) / width
    edge = width / 3
    slope = 0.15 + 0.25 * chance[1]
    shoulders = ((down + 0.05 - slope * across.abs() ** 1.5) * edge).clamp(0, 1)
    shoulders = shoulders * ((2.2 + chance[2] - across.abs()) * edge).clamp(0, 1)
    opening = (across / (0.45 + 0.15 * chance[3])) ** 2 + ((down + 0.3) / (0.45 + 0.6 * chance[4])) ** 2
    open_here = ((1 - opening) * edge).clamp(0, 1)
    breast = open_here * ((down + 0.25) * edge).clamp(0, 1)
    fold = 1 + 0.25 * functional.interpolate(
        torch.randn(1, 1, 6, 6, generator=generator), picture.shape[:2], mode="bilinear"
    )[0, 0].unsqueeze(-1)
    column, row = (neck.long()).clamp(0, len(picture) - 1).unbind(1)
    skin = picture[row, column].sum(0) / alpha[row, column].sum().clamp(min=1)
    behind = torch.lerp(backdrop, skin.expand_as(backdrop), breast.unsqueeze(-1))
    image = picture + (1 - alpha) * behind
    return torch.lerp(image, (cloth * fold).clamp(0, 1), (shoulders * (1 - open_here)).unsqueeze(-1))
