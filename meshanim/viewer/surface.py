"""A mesh as the browser draws it: one small GLB for each picture, coloured by its vertices."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim.mesh import Mesh, fit_sphere
from meshanim.mesh.geometry import vertex_normals
from meshanim.rendering.materials import (
    brow_coordinates,
    eye_coordinates,
    paint_brows,
    paint_eyes,
    shown_faces,
    vertex_materials,
)

EYE_FACES = 5000
"""Triangles that two eyeballs are cut into where they have fewer: too few vertices make a ragged iris."""
ROUGHNESS = 0.55


def _subdivided(faces: Tensor, steps: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut triangles (F, 3) over ``count`` vertices into ``steps`` squared each.

    Returns:
        Corners (E, 3) and shares (E, 3) of E new points, shared between neighbours, and the new faces
        (F', 3): the old points keep their numbers, and the new ones follow from ``count`` on.
    """
    grid = [(i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    number = {place: index for index, place in enumerate(grid)}
    pattern = [[(i, j), (i + 1, j), (i, j + 1)] for i, j in grid if i + j < steps]
    pattern += [[(i + 1, j), (i + 1, j + 1), (i, j + 1)] for i, j in grid if i + j < steps - 1]
    shares = torch.tensor([(steps - i - j, i, j) for i, j in grid]).repeat(len(faces), 1)
    corners = faces.repeat_interleave(len(grid), 0).masked_fill(shares == 0, count)
    order = corners.argsort(dim=1)
    keys = torch.cat([corners.gather(1, order), shares.gather(1, order)], dim=1)
    points, index = torch.unique(keys, dim=0, return_inverse=True)
    local = torch.tensor([[number[place] for place in triangle] for triangle in pattern])
    cut = (
        index.view(len(faces), 1, len(grid))
        .expand(-1, len(local), -1)
        .gather(2, local.expand(len(faces), -1, -1))
    )
    return points[:, :3] % count, points[:, 3:] / steps, count + cut.reshape(-1, 3)


class Surface:
    """The faces of one topology that are seen, with eyeballs fine enough for iris and pupil.

    Args:
        mesh: the neutral; its groups say what is hidden, what is an eye and what colour each part has.
    """

    def __init__(self, mesh: Mesh) -> None:
        count = len(mesh.vertices)
        shown = shown_faces(mesh)
        eye = (eye_coordinates(mesh) != 0).any(1)[shown].all(1)
        steps = math.ceil(math.sqrt(EYE_FACES / (int(eye.sum()) or EYE_FACES)))
        self._corners, self._shares, fine = _subdivided(shown[eye], steps, count)
        self._balls = [
            (mesh.groups[name], torch.isin(self._corners[:, 0], mesh.groups[name]))
            for name in ("eye_left", "eye_right")
            if len(mesh.groups.get(name, ())) >= 4
        ]
        self.faces = torch.cat([shown[~eye], fine])
        # A face's skin is seen from outside, and its back would speckle the outline; of any other mesh
        # nobody knows which side is out.
        self._two_sided = not mesh.groups
        self._albedo = vertex_materials(mesh)[:, :3]
        self.own_colours = self.paint(mesh)

    def paint(self, neutral: Mesh) -> Tensor:
        """(V', 3) linear colours of the face's own, whose irises and brows stand as in ``neutral``."""
        albedo = paint_brows(self._albedo, brow_coordinates(neutral))
        return paint_eyes(self.spread(albedo), self.spread(eye_coordinates(neutral)))

    def spread(self, values: Tensor) -> Tensor:
        """(V', C) values of all points that are drawn, from those of the vertices (V, C)."""
        return torch.cat([values, (values[self._corners] * self._shares[..., None]).sum(1)])

    def positions(self, vertices: Tensor) -> Tensor:
        """(V', 3) places of all points that are drawn, of vertices (V, 3); eyeballs are round."""
        points = self.spread(vertices)
        added = points[len(vertices) :]
        for index, own in self._balls:
            centre = fit_sphere(vertices[index]).centre
            corners = self._corners[own]
            radius = ((vertices[corners] - centre).norm(dim=-1) * self._shares[own]).sum(1)
            arm = added[own] - centre
            added[own] = centre + arm * (radius / arm.norm(dim=1).clamp(min=1e-9))[:, None]
        return points

    def glb(self, vertices: Tensor, colours: Tensor) -> bytes:
        """A GLB of vertices (V, 3) in metres with linear colours (V', 3) in [0, 1]."""
        places = self.positions(vertices.detach().to(torch.float32))
        normals = vertex_normals(places, self.faces).numpy().astype("<f4")
        points = places.numpy().astype("<f4")
        shades = (65535 * colours.clamp(0, 1)).round().numpy().astype("<u2")
        corners = self.faces.numpy().astype("<u4").ravel()
        accessors: list[dict[str, Any]] = [
            {"componentType": 5126, "type": "VEC3", "count": len(points)},
            {"componentType": 5126, "type": "VEC3", "count": len(points)},
            {"componentType": 5123, "type": "VEC3", "count": len(shades), "normalized": True},
            {"componentType": 5125, "type": "SCALAR", "count": len(corners)},
        ]
        accessors[0] |= {"min": points.min(0).tolist(), "max": points.max(0).tolist()}
        attributes = {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}
        matter = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
        document = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
            "materials": [{"doubleSided": self._two_sided, "pbrMetallicRoughness": matter}],
            "accessors": accessors,
        }
        return _packed(document, [points, normals, _rows_of_four_bytes(shades), corners])


def _rows_of_four_bytes(shades: NDArray) -> NDArray:
    """(N, 3) of two bytes each as rows (N, 4): glTF wants rows to start at multiples of four."""
    rows = np.zeros((len(shades), 4), dtype=shades.dtype)
    rows[:, :3] = shades
    return rows


def _packed(document: dict[str, Any], arrays: list[NDArray]) -> bytes:
    """The GLB whose accessors in ``document`` read one of ``arrays`` each, in their order."""
    views, offset = [], 0
    for number, (accessor, array) in enumerate(zip(document["accessors"], arrays, strict=True)):
        stride = {"byteStride": array.strides[0]} if array.ndim == 2 else {}
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes} | stride)
        accessor["bufferView"] = number
        offset += array.nbytes
    text = json.dumps(document | {"bufferViews": views, "buffers": [{"byteLength": offset}]}).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + offset, len(text), b"JSON")
    body = struct.pack("<I4s", offset, b"BIN\0")
    return b"".join([head, text, body, *(array.tobytes() for array in arrays)])
