"""What the primitives of a glTF mesh are made of."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError
from meshanim.export.gltf_tracks import Floats
from meshanim.mesh.gltf_file import GltfFile


def _on_texture(uv: NDArray[np.float32], moved: dict[str, Any]) -> NDArray[np.float32]:
    """(V, 2) where a texture is looked up that KHR_texture_transform has ``moved``, as packed files do."""
    angle = float(moved.get("rotation", 0.0))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scaled = uv * np.array(moved.get("scale", (1.0, 1.0)), dtype=float)
    return (scaled @ turn + np.array(moved.get("offset", (0.0, 0.0)), dtype=float)).astype(np.float32)


class Vertices(NamedTuple):
    """Positions (V, 3), texture coordinates (V, 2) and targets, each (V, 3), that primitives may share."""

    positions: Floats
    uv: NDArray[np.float32] | None
    targets: list[NDArray[np.float32]]

    @classmethod
    def of(cls, file: GltfFile, attributes: dict, targets: list[dict], moved: dict) -> Vertices:
        """Those of the accessors that ``attributes`` and ``targets`` name."""
        positions = file.array(attributes["POSITION"]).astype(np.float64)
        uv = file.array(attributes["TEXCOORD_0"]).astype(np.float32) if "TEXCOORD_0" in attributes else None
        offsets = [
            file.array(target["POSITION"]) if "POSITION" in target else np.zeros_like(positions)
            for target in targets
        ]
        wrong = [
            len(other) for other in (*offsets, *(() if uv is None else (uv,))) if len(other) != len(positions)
        ]
        if wrong:
            raise InputError(f"its mesh has {len(positions)} vertices, but a target or texture of {wrong[0]}")
        uv = uv if uv is None or not moved else _on_texture(uv, moved)
        return cls(positions, uv, [offset.astype(np.float32) for offset in offsets])


def _triangles(file: GltfFile, primitive: dict[str, Any], count: int) -> NDArray[np.int64]:
    """(F, 3) vertices of a primitive of ``count`` vertices."""
    if primitive.get("mode", 4) != 4:
        raise InputError("its mesh is not made of triangles")
    index = file.array(primitive["indices"]) if "indices" in primitive else np.arange(count)
    index = index.astype(np.int64).ravel()
    if len(index) % 3 or (len(index) and index.max() >= count):
        raise InputError("its triangles name vertices that it does not have")
    return index.reshape(-1, 3)


def pieces_of(
    file: GltfFile, primitives: list[dict]
) -> tuple[list[Vertices], list[NDArray[np.int64]], list[dict]]:
    """Vertices of a mesh's primitives, those that several share once; the triangles of each primitive over
    all of these; and for each of the vertices the first primitive that has them."""
    found: dict[str, tuple[int, Vertices]] = {}
    triangles, first, count = [], [], 0
    for primitive in primitives:
        material = file.entry("materials", primitive["material"]) if "material" in primitive else {}
        texture = material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        named = primitive["attributes"], primitive.get("targets", []), moved
        key = json.dumps(named, sort_keys=True)
        if key not in found:
            found[key] = count, Vertices.of(file, *named)
            count += len(found[key][1].positions)
            first.append(primitive)
        start, vertices = found[key]
        triangles.append(start + _triangles(file, primitive, len(vertices.positions)))
    return [vertices for _, vertices in found.values()], triangles, first


def by_material(
    file: GltfFile, mesh: dict[str, Any], triangles: list[NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    """Vertices of each material, where the mesh has several."""
    groups: dict[str, list[NDArray[np.int64]]] = {}
    for primitive, faces in zip(mesh["primitives"], triangles, strict=True):
        if "material" in primitive:
            number = primitive["material"]
            name = str(file.entry("materials", number).get("name") or f"material {number}")
            groups.setdefault(name, []).append(faces.ravel())
    whole = len(groups) < 2
    return {} if whole else {name: np.unique(np.concatenate(faces)) for name, faces in groups.items()}
