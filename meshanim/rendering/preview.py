"""Pictures of a mesh and of a performance, by the software rasterizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_finite, check_shape
from meshanim.mesh import Mesh
from meshanim.mesh.geometry import vertex_normals
from meshanim.performance import Performance
from meshanim.rendering.camera import Camera
from meshanim.rendering.framing import FOV, framing_camera, head_points, reach
from meshanim.rendering.materials import (
    EYES,
    SKIN_PART,
    brow_coordinates,
    eye_coordinates,
    eye_radius,
    group_mask,
    paint_brows,
    paint_eyes,
    paint_skin,
    part_numbers,
    shown,
    skin_coordinates,
    straight_eyes,
    vertex_materials,
)
from meshanim.rendering.rasterizer import Fragments, interpolate, rasterize
from meshanim.rendering.shading import (
    background,
    blur,
    from_display,
    seen_squarely,
    shade,
    surroundings,
    to_display,
)

SUPERSAMPLING = 2
"""Samples along each side of a pixel."""
CHART_FLATNESS = 0.6
"""Share of colour that light does not touch, where colours are data to be read off."""
SMOOTH = 0.003
"""Largest relative difference of depth within a pixel that one shaded sample may stand for."""
HOLLOW_STEP, HOLLOW_RADIUS, HOLLOW_LEAST, HOLLOW_DEPTH = 4, 0.02, 0.001, 0.025
"""Hollows: samples skipped; how far around they are sought, how deep they begin, and how deep two thirds
of the light that can go are gone, in units of the mesh's largest side."""
LID_SHADES = ((0.25, 0.6), (0.08, 0.85))
"""How far lids, and their lashes, shade an eye, in units of its radius, and the share of light they hold."""
HOLLOW_LIGHT = 0.15
"""Share of light that is left in the deepest hollow: it comes back from the walls."""


class _Painted(NamedTuple):
    """Looks that are finer than the vertices.

    Args:
        places: (U, C) coordinates that they are given in.
        faces: (F, 3) rows of ``places`` at the corners of each triangle.
        where: (F,) the triangles that they are on.
        over: reflectance (N, 3) and places (N, C) to the new reflectance.
    """

    places: Tensor
    faces: Tensor
    where: Tensor
    over: Callable[[Tensor, Tensor], Tensor]


def _brows(mesh: Mesh, seen: Tensor) -> _Painted:
    """Brows of the face's own on the triangles that are seen (F,)."""
    places, faces = brow_coordinates(mesh), mesh.faces[seen]
    return _Painted(places, faces, (places[:, 1] > 0)[faces].all(1), paint_brows)


def _worn(mesh: Mesh, seen: Tensor, skin: Tensor) -> _Painted:
    """A captured skin (S, S, 3)."""
    check_shape("skin", skin, (None, None, 3))
    corners = skin_coordinates(mesh)[seen].flatten(0, 1)
    faces = torch.arange(len(corners)).view(-1, 3)
    paint = partial(paint_skin, skin=skin.to(torch.float32).clamp(0, 1) / seen_squarely())
    return _Painted(corners, faces, torch.ones(len(faces), dtype=torch.bool), paint)


def _irises(mesh: Mesh, seen: Tensor, colour: Tensor | None) -> _Painted:
    """Irises and pupils."""
    places, faces = eye_coordinates(mesh), mesh.faces[seen]
    return _Painted(places, faces, (places != 0).any(1)[faces].all(1), partial(paint_eyes, colour=colour))


class Preview:
    """Draws frames of one mesh; what does not change from frame to frame is made once.

    Args:
        mesh: the neutral, whose groups give the colours.
        camera: where it is seen from.
        skin: (S, S, 3) linear colours over texture coordinates in place of the skin's own, brows included, as
            they are to look where the skin faces the camera; eyes and what lies within the mouth keep theirs.
        eyes: (2, 3) linear colours of white and iris in place of the eyes' own, as they are to look.
        film: gives the light (N, 3) that a white matt surface with unit normals (N, 3), in the world's axes,
            sends back where ``skin`` was filmed; without one the studio's light is on everything.
    """

    def __init__(
        self,
        mesh: Mesh,
        camera: Camera,
        skin: Tensor | None = None,
        eyes: Tensor | None = None,
        film: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.mesh, self.camera, self._film = mesh, camera, film
        self._fine = camera.scaled(SUPERSAMPLING)
        seen = shown(mesh)
        self._faces = mesh.faces[seen]
        self._parts = part_numbers(mesh)[self._faces].amax(1)
        self._touching = group_mask(mesh, "lips", "lids")[self._faces].any(1)
        self._materials = vertex_materials(mesh)
        iris = None
        if eyes is not None:
            check_shape("eyes", eyes, (2, 3))
            white, iris = eyes.to(torch.float32) / seen_squarely()
            self._materials[group_mask(mesh, "eyes"), :3] = white
        self._painted = [
            _brows(mesh, seen) if skin is None else _worn(mesh, seen, skin),
            _irises(mesh, seen, iris),
        ]
        self._eye_radius, self._straight_eyes = eye_radius(mesh), straight_eyes(mesh)
        self._extent = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).amax())

    def seen_by(self, camera: Camera) -> Preview:
        """The same drawing with another camera."""
        other = copy(self)
        other.camera, other._fine = camera, camera.scaled(SUPERSAMPLING)
        return other

    def frame(self, vertices: Tensor, colours: Tensor | None = None) -> NDArray[np.uint8]:
        """Draw (V, 3) positions in metres; (V, 3) display colours in [0, 1] replace the face's own.

        Returns:
            (H, W, 3) uint8 sRGB.
        """
        check_shape("vertices", vertices, tuple(self.mesh.vertices.shape))
        check_finite("vertices", vertices)
        vertices = vertices.detach().to(torch.float32)
        seen = rasterize(vertices, self._faces, self._before(vertices))
        sample, pixel, share = self._samples(seen)
        picture = background(self.camera.size).view(-1, 3)
        if len(sample):
            fragments = seen.at(sample)
            light = self._light(vertices, fragments, colours)
            light *= self._hollows(fragments, seen.depth, sample, colours is None)[:, None]
            if colours is None:
                self._shade_eyes(light, fragments, seen, sample)
            covered = torch.zeros(len(picture)).index_add_(0, pixel, share)
            picture.mul_(1 - covered[:, None]).index_add_(0, pixel, light.mul_(share[:, None]))
        return to_display(picture.view(*self.camera.size, 3)).numpy()

    def _before(self, vertices: Tensor) -> Camera:
        """The camera of the samples; without perspective, where a portrait lens shows as much.

        How far away such a camera is changes nothing in what it sees, but depths are to be above zero.
        """
        if self._fine.perspective:
            return self._fine
        low, high = self._fine.project(vertices)[:, 2].aminmax()
        lens = self._fine.size[0] / (2 * math.tan(math.radians(FOV) / 2) * float(self._fine.matrix[1, 1]))
        away = max(lens, float(high - low)) - float(low + high) / 2
        shift = self._fine.translation.new_tensor([0.0, 0.0, away])
        return replace(self._fine, translation=self._fine.translation + shift)

    def _samples(self, seen: Fragments) -> tuple[Tensor, Tensor, Tensor]:
        """Samples (N,) to shade, the pixel that each belongs to, and its share of that pixel.

        Where all samples of a pixel lie on one smooth surface of one part, the first speaks for all. Not on
        lips and lids: where they touch one surface is close behind another, and nothing tells them apart.
        """
        width = self.camera.size[1]
        inside = self._by_pixel(seen.depth)
        low, high = inside.amin(1), inside.amax(1)  # zero where nothing is seen
        part, touching = (self._by_pixel(of[seen.face]) for of in (self._parts, self._touching))
        smooth = (low > (1 - SMOOTH) * high) & (part == part[:, :1]).all(1) & ~touching.any(1)
        chosen = torch.where(
            smooth[:, None], torch.tensor([True] + [False] * (inside.shape[1] - 1)), inside > 0
        )
        chosen &= (high > 0)[:, None]
        pixel, part = chosen.nonzero().unbind(1)
        row = pixel // width * SUPERSAMPLING + part // SUPERSAMPLING
        column = pixel % width * SUPERSAMPLING + part % SUPERSAMPLING
        share = torch.where(smooth[pixel], 1.0, 1 / inside.shape[1])
        return row * (width * SUPERSAMPLING) + column, pixel, share

    def _by_pixel(self, samples: Tensor) -> Tensor:
        """(P, S) values of the samples in each pixel."""
        height, width = self.camera.size
        inside = samples.view(height, SUPERSAMPLING, width, SUPERSAMPLING).transpose(1, 2)
        return inside.reshape(height * width, -1)

    def _light(self, vertices: Tensor, fragments: Fragments, colours: Tensor | None) -> Tensor:
        """(N, 3) linear light of the fragments, hollows not yet darkened."""
        normals = vertex_normals(vertices, self._faces)
        for index, turn in self._straight_eyes:
            normals[index] = normals[index] @ turn.to(normals).mT
        rotation = self.camera.rotation.to(vertices)
        normals = normals @ rotation.mT
        pixel = interpolate(fragments, torch.cat([normals, self._looks(colours)], 1))
        normal, albedo, gloss = pixel[:, :3], pixel[:, 3:6], pixel[:, 6]
        normal = functional.normalize(torch.where(fragments.front[:, None], normal, -normal), dim=1)
        if colours is None:
            for paint in self._painted:
                there = paint.where[fragments.face].nonzero()[:, 0]
                places = interpolate(fragments.at(there), paint.places, paint.faces)
                albedo[there] = paint.over(albedo[there], places)
        film = None
        if self._film is not None:
            squarely = self._film(-rotation[2:])  # its colour is in the skin
            film = self._film(normal @ rotation) / squarely * seen_squarely()
        light = shade(normal, albedo, gloss, film)
        return light if colours is None else torch.lerp(light, albedo, CHART_FLATNESS)

    def _looks(self, colours: Tensor | None) -> Tensor:
        """(V, 4) reflectance and gloss."""
        if colours is None:
            return self._materials
        check_shape("colours", colours, tuple(self.mesh.vertices.shape))
        return torch.cat([from_display(colours), torch.zeros(len(colours), 1)], dim=1)

    def _hollows(self, fragments: Fragments, depth: Tensor, sample: Tensor, full: bool) -> Tensor:
        """(N,) share of light at samples (N,) that is not lost in hollows, found on a coarser grid."""
        first = [min(HOLLOW_STEP // 2, side - 1) for side in depth.shape]
        coarse = depth[tuple(slice(start, None, HOLLOW_STEP) for start in first)]
        far = float(fragments.depth.median()) if self._fine.perspective else 1.0
        pitch = far / float(self._fine.matrix[1, 1]) * HOLLOW_STEP
        radius = max(1, round(HOLLOW_RADIUS * self._extent / pitch))
        around = surroundings(torch.where(coarse > 0, coarse, torch.nan), radius)
        place = torch.stack([sample % depth.shape[1] - first[1], sample // depth.shape[1] - first[0]], dim=1)
        grid = (2 * place / HOLLOW_STEP + 1) / torch.tensor(coarse.shape[::-1]) - 1
        around = functional.grid_sample(
            around[None], grid.to(around)[None, None], padding_mode="border", align_corners=False
        )
        mean, surrounded = around[0, :, 0]
        behind = ((fragments.depth - mean) / self._extent - HOLLOW_LEAST).clamp_(min=0) * surrounded
        gone = -torch.expm1(-behind / (HOLLOW_DEPTH if full else 3 * HOLLOW_DEPTH))
        return 1 - (1 - HOLLOW_LIGHT) * gone

    def _shade_eyes(self, light: Tensor, fragments: Fragments, seen: Fragments, sample: Tensor) -> None:
        """Take from light (N, 3) of samples (N,) on eyes what the lids over them hold back."""
        on_eyes = (self._parts[fragments.face] == EYES).nonzero()[:, 0]
        if self._eye_radius is None or not len(on_eyes):
            return
        far = float(fragments.depth[on_eyes].median()) if self._fine.perspective else 1.0
        radius = self._eye_radius * float(self.camera.matrix[1, 1]) / far
        shades = [(max(1, round(radius * down)), share) for down, share in LID_SHADES]
        place, width = sample[on_eyes], self._fine.size[1]
        row, column = place // width // SUPERSAMPLING, place % width // SUPERSAMPLING
        face = seen.face[::SUPERSAMPLING, ::SUPERSAMPLING]
        margin = 3 * max(down for down, _ in shades)
        top, left = max(0, int(row.min()) - margin), max(0, int(column.min()) - margin)
        near = face[top : int(row.max()) + 1, left : int(column.max()) + margin + 1]
        lids = ((near >= 0) & (self._parts[near] == SKIN_PART)).float()[None]
        lit = torch.ones(near.shape)
        for down, share in shades:
            lit[down:] *= 1 - share * blur(lids, down)[0, :-down]
        light[on_eyes] *= lit[row - top, column - left, None]


def render_mesh(
    mesh: Mesh,
    vertices: Tensor | None = None,
    camera: Camera | None = None,
    size: tuple[int, int] = (512, 512),
    yaw: float = 0.0,
    colours: Tensor | None = None,
) -> NDArray[np.uint8]:
    """Draw a mesh, lit as in a portrait studio.

    Args:
        mesh: its own vertices frame the picture, so that moved ``vertices`` do not make the view wobble.
        vertices: (V, 3) positions in metres to draw; default: the mesh's own.
        camera: where to look from; default: the head, without its neck, fills the picture.
        size: (height, width) in pixels, without a ``camera``.
        yaw: degrees that the camera stands to the side; positive shows more of the head's left side.
        colours: (V, 3) display colours in [0, 1] instead of a face's own, as :func:`heat_colours` makes them.

    Returns:
        (H, W, 3) uint8.
    """
    camera = camera or framing_camera(head_points(mesh), size, yaw)
    return Preview(mesh, camera).frame(mesh.vertices if vertices is None else vertices, colours)


def render_frames(
    performance: Performance,
    size: tuple[int, int] = (512, 512),
    yaw: float = 0.0,
    skin: Tensor | None = None,
    eyes: Tensor | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Draw a performance frame by frame; the camera stands still and has the whole of it in view.

    Args:
        performance: its head motion is applied here.
        size: (height, width) in pixels.
        yaw: degrees that the camera stands to the side; positive shows more of the head's left side.
        skin, eyes: in place of the face's own, see :class:`Preview`.

    Yields:
        (H, W, 3) uint8.
    """
    preview = Preview(performance.neutral, framing_camera(reach(performance), size, yaw), skin, eyes)
    for start, chunk in performance.chunks(16):
        for index, vertices in enumerate(performance.pose(chunk, start)):
            if not torch.isfinite(vertices).all():
                frame = start + index
                raise InputError(f"vertices must be finite, got a NaN or an infinity in frame {frame}")
            yield preview.frame(vertices)
