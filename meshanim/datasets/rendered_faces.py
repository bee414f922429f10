"""RenderedFaces: pictures of faces whose every vertex is known, drawn here one by one as they are asked for.

They stand where 300W-LP stands in Chen et al. 2020 (A.3): faces from many sides, each with its geometry. Who
it is, what the face does, how the head is turned, lens, framing, light, skin, hair, clothes, backdrop, blur
and noise are drawn at random; nothing is stored (see :class:`meshanim.datasets.KeptFaces`).

Limits: one face model draws all of them; hair, beards and clothes are colours and volume without strands;
nobody wears glasses; light comes through folds but nothing casts a shadow. Photographs differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_item, check_range, check_seed
from meshanim.datasets._grooming import Grooming, beard_cover, dressed, exposure, groom, hair_cover
from meshanim.datasets._seeds import generator_of
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.mesh import axis_angle_to_matrix
from meshanim.rendering import Camera, Fragments, Gloss, Lamp, Surroundings, interpolate, render
from meshanim.rendering.light import HARMONICS
from meshanim.rendering.materials import (
    brow_coordinates,
    eye_coordinates,
    group_mask,
    paint_brows,
    paint_eyes,
    shown_faces,
    vertex_materials,
)
from meshanim.rendering.shading import to_display

YAW, PITCH, ROLL = 50.0, 10.0, 10.0
"""Degrees: heads turn aside evenly up to the first, and otherwise with these standard deviations."""
FOV = (8.0, 28.0)
"""Vertical fields of view in degrees, from long portrait lenses to a camera at arm's length."""
FRAMING = (0.6, 0.9)
"""Share of the picture's height that a head takes."""
ACTIVE = 0.2
"""Share of the units that a face moves at a time."""
SKIN = (-1.5, 0.45)
"""Natural logarithm of the skin's reflectance in units of the preview's, from dark to pale."""
FOLDS = (0.5, 1.3)
"""Exponent on the share of light that reaches folds and hollows."""
BRIGHTNESS = (0.07, 0.4)
"""Mean linear luminance of the head in the picture, as a camera exposes for it."""
BLUR, NOISE = 1.2, 0.025
"""Most blur (standard deviation in pixels) and noise (in units of white)."""
SHAPES = 5
"""Most rectangles in a backdrop."""
_WAVES = 24


class RenderedFace(NamedTuple):
    """One picture and what it shows.

    Attributes:
        image: (S, S, 3) float32 sRGB as displayed, in [0, 1].
        vertices: (V, 3) in metres where the camera sees them; the head is turned.
        camera: of the picture.
        identity: (I,) coefficients of the face model.
        weights: (K,) of the face model.
        head_motion: (6,) axis-angle and translation, head-local to ``vertices``.
    """

    image: Tensor
    vertices: Tensor
    camera: Camera
    identity: Tensor
    weights: Tensor
    head_motion: Tensor


class RenderedFaces:
    """Pictures by number, the same for the same seed; other seeds are other people.

    Args:
        face: the face model.
        count: pictures.
        seed: of everything random.
        size: pixels along each side.
    """

    def __init__(self, face: FaceModel, count: int, seed: int = 0, size: int = 256) -> None:
        check_range("count", count, 1)
        check_range("size", size, 16)
        check_seed(seed)
        self.face, self.count, self.seed, self.size = face, count, seed, size
        mesh = face.neutral
        self._faces = shown_faces(mesh)
        self._skin = group_mask(mesh, "skin").to(torch.float32)[:, None]
        self._head, self._neck = ~group_mask(mesh, "neck"), mesh.groups["neck"]
        self._looks = vertex_materials(mesh)[:, :3]
        self._places = torch.cat([eye_coordinates(mesh), brow_coordinates(mesh)], dim=1)
        self._exposure = exposure(mesh)[:, None]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[RenderedFace]:
        return (self[item] for item in range(len(self)))

    @torch.no_grad()
    def __getitem__(self, item: int) -> RenderedFace:
        generator = generator_of(self.seed, check_item("item", item, self.count))
        identity = self.face.sample_identity(generator, 1)[0]
        weights = self.face.weights_from_arkit(_expression(generator))
        motion = _pose(generator)
        local, turn = self.face.vertices(identity, weights), axis_angle_to_matrix(motion[:3]).T
        vertices, grooming = local @ turn + motion[3:], groom(self.face.neutral, generator)
        camera = self._camera(vertices, generator)
        looks = self._colours(local, generator)
        image, alpha = render(
            vertices + grooming.outwards @ turn,
            self._faces,
            camera,
            _Paint(looks, self._places, grooming),
            *_lights(generator),
            gloss=Gloss(_between(generator, 0.0, 0.05), _between(generator, 4.0, 30.0)),
        )
        exposed = _between(generator, *BRIGHTNESS) * alpha.sum() / image.mean(2).sum().clamp(min=1e-6)
        image, neck = image.clamp(min=0) * exposed, camera.project(vertices[self._neck])[:, :2]
        image = dressed(image, alpha, _backdrop(self.size, generator), neck, generator)
        image = _blurred(to_display(image).float() / 255, _between(generator, 0.0, BLUR))
        noise = torch.randn(image.shape, generator=generator) * _between(generator, 0.0, NOISE)
        return RenderedFace((image + noise).clamp(0, 1), vertices, camera, identity, weights, motion)

    def _camera(self, vertices: Tensor, generator: torch.Generator) -> Camera:
        """A camera in front, with the head somewhere in its picture."""
        low, high = vertices[self._head].amin(0), vertices[self._head].amax(0)
        fov = _between(generator, *FOV)
        extent = float(high[1] - low[1]) / _between(generator, *FRAMING)
        aside = (torch.rand(2, generator=generator) - 0.5) * 0.15 * extent
        target = (low + high) / 2 + torch.cat([aside, torch.zeros(1)])
        distance = extent / (2 * math.tan(math.radians(fov) / 2))
        eye = target + torch.tensor([0.0, 0.0, distance + float(high[2] - low[2]) / 2])
        return Camera.looking_at(eye, target, fov, (self.size, self.size))

    def _colours(self, local: Tensor, generator: torch.Generator) -> Tensor:
        """(V, 3) reflectance without hair and brows: complexion, its spots, and the darkness of folds."""
        tone = math.exp(_between(generator, *SKIN))
        tint = tone * torch.exp(0.07 * torch.randn(3, generator=generator))
        looks = self._looks * (1 + self._skin * (tint - 1))
        looks = looks * torch.exp(0.08 * torch.randn(3, generator=generator))
        looks = looks * torch.exp(_spots(local, generator) * self._skin)
        return looks.clamp(0, 0.9) * self._exposure ** _between(generator, *FOLDS)


class _Paint:
    """Reflectance of the pixels: parts from the vertices; irises, brows, beard and hair painted on."""

    def __init__(self, colours: Tensor, places: Tensor, grooming: Grooming) -> None:
        grown = torch.stack([grooming.beard, grooming.hair], dim=1)
        self.values, self.grooming = torch.cat([colours, places, grown], dim=1), grooming

    def __call__(self, fragments: Fragments) -> Tensor:
        values, where, grooming = interpolate(fragments, self.values), fragments.covered, self.grooming
        albedo, eye, brow, beard, hair = values[where].split([3, 3, 2, 1, 1], dim=1)
        painted = paint_brows(paint_eyes(albedo, eye, grooming.iris), brow, grooming.colour)
        painted = torch.lerp(painted, grooming.colour, grooming.density * beard_cover(beard[:, 0]))
        result = values[..., :3].clone()
        result[where] = torch.lerp(painted, grooming.colour, hair_cover(hair[:, 0]))
        return result


def _between(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _expression(generator: torch.Generator) -> Tensor:
    """(52,) ARKit weights: a few units, most of them slight."""
    active = torch.rand(len(ARKIT_NAMES), generator=generator) < ACTIVE
    return active * torch.rand(len(ARKIT_NAMES), generator=generator) ** 2


def _pose(generator: torch.Generator) -> Tensor:
    """(6,) head motion without translation, which the framing would undo."""
    yaw = math.radians(_between(generator, -YAW, YAW))
    pitch, roll = (torch.randn(2, generator=generator) * torch.tensor([PITCH, ROLL])).deg2rad().tolist()
    return torch.tensor([pitch, yaw, roll, 0.0, 0.0, 0.0])


def _lights(generator: torch.Generator) -> tuple[Surroundings, Lamp]:
    """Surroundings brighter on some side, and a lamp in the half before the face."""
    level = _between(generator, 0.25, 0.8) * (1 + 0.1 * torch.randn(3, generator=generator))
    around = Surroundings.uniform(level.clamp(min=0.05)).coefficients.clone()
    uneven = 0.22 * torch.randn(HARMONICS - 1, 1, generator=generator)
    around[1:] = uneven * around[:1] * (1 + 0.2 * torch.randn(HARMONICS - 1, 3, generator=generator))
    direction = torch.randn(3, generator=generator)
    direction = direction * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 1.0]) * direction[2].abs()
    colour = _between(generator, 0.0, 1.0) * (1 + 0.1 * torch.randn(3, generator=generator)).clamp(min=0)
    return Surroundings(around), Lamp(direction, colour)


def _spots(local: Tensor, generator: torch.Generator) -> Tensor:
    """(V, 3) logarithms of an uneven complexion: waves of 5 mm to 10 cm, slight and mostly of one hue."""
    length = 0.005 * 20 ** torch.rand(_WAVES, generator=generator)
    direction = functional.normalize(torch.randn(_WAVES, 3, generator=generator), dim=1)
    wave = direction * (2 * math.pi / length[:, None])
    phase = 2 * math.pi * torch.rand(_WAVES, generator=generator)
    hue = 1 + 0.4 * torch.randn(_WAVES, 3, generator=generator)
    strength = _between(generator, 0.0, 0.06)
    return torch.sin(local @ wave.T + phase) @ (strength * hue * (length[:, None] / 0.1) ** 0.3)


def _backdrop(size: int, generator: torch.Generator) -> Tensor:
    """(S, S, 3) linear: a wall with gradients, some shapes before it, and grain."""
    colour = torch.rand(3, generator=generator) ** 1.5
    colour = torch.lerp(colour, colour.mean(), _between(generator, 0.0, 1.0) ** 0.5)
    uneven = torch.zeros(3, size, size)
    for strength in (0.5, 0.15):
        grain = 2 ** int(_between(generator, 1.0, math.log2(size)))
        coarse = torch.randn(1, 3, grain, grain, generator=generator)
        coarse = torch.lerp(coarse, coarse.mean(1, keepdim=True), 0.6) * _between(generator, 0.0, strength)
        uneven += functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)[0]
    result = colour[:, None, None] * torch.exp(uneven)
    for _ in range(int(_between(generator, 0.0, SHAPES + 1.0))):
        (top, bottom), (left, right) = (torch.rand(2, 2, generator=generator).sort().values * size).int()
        result[:, top:bottom, left:right] *= 0.3 + 1.4 * torch.rand(3, 1, 1, generator=generator)
    return result.permute(1, 2, 0)


def _blurred(image: Tensor, deviation: float) -> Tensor:
    """(S, S, 3) through a Gaussian of so many pixels."""
    steps = torch.arange(-4.0, 5.0)
    kernel = torch.softmax(-0.5 * (steps / max(deviation, 0.05)) ** 2, 0).expand(3, 1, 1, -1)
    planes = functional.pad(image.permute(2, 0, 1)[None], (4, 4, 4, 4), mode="replicate")
    planes = functional.conv2d(functional.conv2d(planes, kernel, groups=3), kernel.mT, groups=3)
    return planes[0].permute(1, 2, 0)
