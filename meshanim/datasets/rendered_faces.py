"""RenderedFaces: pictures of faces whose every vertex is known, drawn here one by one as they are asked for.

They stand where 300W-LP stands in Chen et al. 2020 (A.3): faces from many sides, each with its geometry. Who
it is, what the face does, how the head is turned, lens, framing, light, skin, backdrop, blur and noise are
drawn at random; nothing is stored.

Limits: one face model draws all of them; heads are bald and bear no beards, glasses or clothes; nothing casts
a shadow on the face; backdrops are noise and gradients. Photographs differ.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_range
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.mesh import axis_angle_to_matrix
from meshanim.rendering import Camera, Fragments, Gloss, Lamp, Surroundings, interpolate, render
from meshanim.rendering.light import HARMONICS
from meshanim.rendering.materials import (
    HIDDEN,
    brow_coordinates,
    eye_coordinates,
    group_mask,
    paint_brows,
    paint_eyes,
    vertex_materials,
)
from meshanim.rendering.shading import to_display

YAW, PITCH, ROLL = 60.0, 12.0, 12.0
"""Degrees: heads turn aside evenly up to the first, and otherwise with these standard deviations."""
FOV = (8.0, 28.0)
"""Vertical fields of view in degrees, from long portrait lenses to a camera at arm's length."""
FRAMING = (0.55, 0.95)
"""Share of the picture's height that a head takes."""
ACTIVE = 0.25
"""Share of the units that a face moves at a time."""
SKIN = (-1.5, 0.45)
"""Natural logarithm of the skin's reflectance in units of the preview's, from dark to pale."""
BLUR, NOISE = 1.2, 0.03
"""Most blur (standard deviation in pixels) and noise (in units of white)."""
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
        self.face, self.count, self.seed, self.size = face, count, seed, size
        mesh = face.neutral
        self._faces = mesh.faces[~group_mask(mesh, *HIDDEN)[mesh.faces].all(1)]
        self._skin = group_mask(mesh, "skin").to(torch.float32)[:, None]
        albedo, eyes, brows = vertex_materials(mesh)[:, :3], eye_coordinates(mesh), brow_coordinates(mesh)
        self._looks = torch.cat([albedo, eyes, brows], dim=1)
        self._brow_faces = (brows[:, 1] > 0)[self._faces].all(1)
        self._eye_faces = (eyes != 0).any(1)[self._faces].all(1)
        self._head = ~group_mask(mesh, "neck")

    def __len__(self) -> int:
        return self.count

    @torch.no_grad()
    def __getitem__(self, item: int) -> RenderedFace:
        check_range("item", item, 0, self.count - 1)
        state = np.random.SeedSequence((self.seed, item)).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        identity = self.face.sample_identity(generator, 1)[0]
        weights = self.face.weights_from_arkit(_expression(generator))
        motion = _pose(generator)
        local = self.face.vertices(identity, weights)
        vertices = local @ axis_angle_to_matrix(motion[:3]).T + motion[3:]
        camera = self._camera(vertices, generator)
        image, alpha = render(
            vertices,
            self._faces,
            camera,
            self._paint(local, generator),
            *_lights(generator),
            gloss=Gloss(_between(generator, 0.0, 0.06), _between(generator, 4.0, 30.0)),
        )
        image = image.clamp(min=0) + (1 - alpha) * _backdrop(self.size, generator)
        image = to_display(image * math.exp(_between(generator, -0.4, 0.3))).float() / 255
        image = _blurred(image, _between(generator, 0.0, BLUR))
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

    def _paint(self, local: Tensor, generator: torch.Generator) -> _Paint:
        tone = math.exp(_between(generator, *SKIN))
        tint = tone * torch.exp(0.07 * torch.randn(3, generator=generator))
        looks = self._looks.clone()
        looks[:, :3] *= 1 + self._skin * (tint - 1)
        looks[:, :3] *= torch.exp(0.08 * torch.randn(3, generator=generator))
        spots = _spots(local, generator)
        looks[:, :3] = (looks[:, :3] * torch.exp(spots * self._skin)).clamp(0, 0.9)
        return _Paint(looks, self._eye_faces, self._brow_faces)


class _Paint:
    """Reflectance of the pixels: skin, lips and teeth from the vertices, irises and brows painted on."""

    def __init__(self, looks: Tensor, eye_faces: Tensor, brow_faces: Tensor) -> None:
        self.looks, self.eye_faces, self.brow_faces = looks, eye_faces, brow_faces

    def __call__(self, fragments: Fragments) -> Tensor:
        values = interpolate(fragments, self.looks)
        albedo, face = values[..., :3].clone(), fragments.face.clamp(min=0)
        for chosen, part, paint in (
            (self.eye_faces, slice(3, 6), paint_eyes),
            (self.brow_faces, slice(6, 8), paint_brows),
        ):
            where = chosen[face] & fragments.covered
            albedo[where] = paint(albedo[where], values[where][:, part])
        return albedo


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
    """(S, S, 3) linear: soft gradients, coarse or fine noise, or a mixture."""
    result = torch.zeros(1, 3, size, size)
    for _ in range(2):
        grain = 2 ** int(_between(generator, 1.0, math.log2(size)))
        coarse = torch.rand(1, 3, grain, grain, generator=generator) ** _between(generator, 0.7, 3.0)
        fine = functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
        result = torch.lerp(result, fine, _between(generator, 0.3, 1.0))
    return result[0].permute(1, 2, 0)


def _blurred(image: Tensor, deviation: float) -> Tensor:
    """(S, S, 3) through a Gaussian of so many pixels."""
    steps = torch.arange(-4.0, 5.0)
    kernel = torch.softmax(-0.5 * (steps / max(deviation, 0.05)) ** 2, 0).expand(3, 1, 1, -1)
    planes = functional.pad(image.permute(2, 0, 1)[None], (4, 4, 4, 4), mode="replicate")
    planes = functional.conv2d(functional.conv2d(planes, kernel, groups=3), kernel.mT, groups=3)
    return planes[0].permute(1, 2, 0)
