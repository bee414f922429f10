"""Meshes from files, with the vertices in the order in which the file has them."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from meshanim._check import InputError, check_indices
from meshanim.mesh.gltf_file import GltfFile
from meshanim.mesh.mesh import Mesh
from meshanim.mesh.obj import parse_obj
from meshanim.mesh.off import parse_off
from meshanim.mesh.ply import parse_ply


def _load(path: Path) -> Any:
    import trimesh  # a second to import, only needed here

    if path.suffix.lower() not in (".glb", ".gltf"):
        return trimesh.load_scene(path, process=False, skip_materials=True)
    # GltfFile names what is not read: of a compressed mesh trimesh would make zeros
    file = GltfFile(path)
    document = {name: file.document[name] for name in file.document.keys() - {"images", "textures"}}
    buffers = {str(number): file.buffer(number) for number in range(len(document.get("buffers", ())))}
    document["buffers"] = [{"uri": number, "byteLength": len(data)} for number, data in buffers.items()]
    # of glTF no texture coordinates come without a material
    document["materials"] = [{}]
    for mesh in document.get("meshes", ()):
        mesh["primitives"] = [primitive | {"material": 0} for primitive in mesh["primitives"]]
    text = io.BytesIO(json.dumps(document).encode())
    return trimesh.load_scene(text, "gltf", buffers, process=False, fix_texture=False)


def _scene_parts(path: Path) -> list[tuple[str, Any, np.ndarray]]:
    """Name, trimesh mesh and transform of every mesh in the file, in the file's order."""
    scene = _load(path)
    parts = []
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        if len(getattr(geometry, "faces", ())):
            parts.append((str(node), geometry, np.asarray(transform)))
    if not parts:
        raise InputError("it has no faces")
    return parts


def _place(vertices: np.ndarray, faces: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply a transform; one that mirrors turns the faces round again."""
    placed = vertices @ transform[:3, :3].T + transform[:3, 3]
    return placed, faces[:, ::-1] if np.linalg.det(transform[:3, :3]) < 0 else faces


def _originals(geometry: Any) -> np.ndarray:
    """(V,) the vertex that each is: itself, but copies along texture seams, which our own GLB files list."""
    own = np.arange(len(geometry.vertices))
    count, copies = geometry.metadata.get("vertices"), geometry.metadata.get("copiesOf")
    if not isinstance(count, int) or not isinstance(copies, list):
        return own
    source = np.concatenate([own[:count], np.array(copies, dtype=np.int64)])
    fits = len(source) == len(own) and source.min() >= 0 and source.max() < count
    return source if fits else own  # another program rewrote the mesh and kept the list


def _read_scene(path: Path) -> Mesh:
    """All meshes of a file in one, node transforms applied; several become vertex groups by name."""
    vertices, faces, uvs, uv_faces, groups, count, corners = [], [], [], [], {}, 0, 0
    parts = _scene_parts(path)
    for name, geometry, transform in parts:
        placed, turned = _place(np.asarray(geometry.vertices), np.asarray(geometry.faces), transform)
        check_indices("faces", turned, len(placed))
        source = _originals(geometry)
        kept = int(source.max()) + 1
        vertices.append(placed[:kept])
        faces.append(source[turned] + count)
        uv = getattr(geometry.visual, "uv", None)
        if uv is not None and len(uv) == len(placed):
            uvs.append(np.asarray(uv))
            uv_faces.append(turned + corners)
        groups[name] = torch.arange(count, count + kept)
        count, corners = count + kept, corners + len(placed)
    has_uv = len(uvs) == len(parts)
    return Mesh(
        torch.from_numpy(np.concatenate(vertices)).float(),
        torch.from_numpy(np.concatenate(faces).astype(np.int64)),
        torch.from_numpy(np.concatenate(uvs)).float() if has_uv else None,
        torch.from_numpy(np.concatenate(uv_faces).astype(np.int64)) if has_uv else None,
        groups=groups if len(groups) > 1 else {},
    )


def _read_stl(path: Path) -> Mesh:
    """STL has corners, no vertices: equal ones become one, numbered as they first appear."""
    soup = _read_scene(path)
    _, first, index = np.unique(soup.vertices.numpy(), axis=0, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))[index.reshape(-1)]
    return Mesh(soup.vertices[np.sort(first)], torch.from_numpy(number)[soup.faces])


def _text(path: Path) -> bytes:
    """Without the mark that some programs put before a text in UTF-8."""
    return path.read_bytes().removeprefix(codecs.BOM_UTF8)


def _read_obj(path: Path) -> Mesh:
    return parse_obj(_text(path))


def _read_ply(path: Path) -> Mesh:
    return parse_ply(_text(path))


def _read_off(path: Path) -> Mesh:
    return parse_off(_text(path))


def _read_npz(path: Path) -> Mesh:
    """Keys ``vertices`` (or ``neutral``, which goes before it) and ``faces``; ``uv``, ``uv_faces``."""
    with np.load(path, allow_pickle=False) as file:
        if not hasattr(file, "files"):
            raise InputError("it is a single array")
        positions = "neutral" if "neutral" in file.files else "vertices"
        lacking = [name for name in (positions, "faces") if name not in file.files]
        if lacking:
            raise InputError(f"it lacks {' and '.join(lacking)} among {', '.join(file.files) or 'no arrays'}")
        data = {name: file[name] for name in (positions, "faces", "uv", "uv_faces") if name in file.files}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in data.items()}
    uv = tensors["uv"].float() if "uv" in tensors else None
    return Mesh(tensors[positions].float(), tensors["faces"], uv, tensors.get("uv_faces"))


READERS: dict[str, Callable[[Path], Mesh]] = {
    ".obj": _read_obj,
    ".ply": _read_ply,
    ".stl": _read_stl,
    ".glb": _read_scene,
    ".gltf": _read_scene,
    ".off": _read_off,
    ".npz": _read_npz,
}
"""Reader of each suffix."""


def read_mesh(path: str | Path) -> Mesh:
    """Read a mesh; the suffix says what the file is: OBJ, PLY, STL, GLB, glTF, OFF or NPZ.

    Vertices keep the file's number and order, also along texture seams of an OBJ file, and positions
    keep the file's unit and axes (meshanim takes them for metres with Y up). Polygons become triangles.
    Of a GLB or glTF file all meshes are taken, node transforms applied; vertices that our own files copy
    along texture seams are one again. STL files know no vertices: corners at the same place become one.

    Raises:
        InputError: the file is missing, a folder, of unknown suffix, damaged, without faces, or its mesh
            is not one (a position that is not finite, an index out of range).
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} must be a mesh file, but there is no such file")
    if path.is_dir():
        raise InputError(f"{path} must be a mesh file, but it is a folder")
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{path} must end in one of {', '.join(READERS)}, got {suffix or 'no suffix'}")
    try:
        mesh = READERS[suffix](path)
    except InputError as error:
        raise InputError(f"{path} cannot be read as a mesh: {error}") from error
    except PermissionError:
        raise
    except Exception as error:  # parsers meet damaged files in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be read as {suffix[1:].upper()}: {reason[:200]}") from error
    if not len(mesh.faces):
        raise InputError(f"{path} cannot be read as a mesh: it has no faces")
    return mesh
