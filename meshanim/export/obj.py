"""Wavefront OBJ: one file per frame, the same vertex order in each."""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from meshanim._files import atomic_folder, atomic_path
from meshanim._progress import Progress
from meshanim.export.beside import check_beside
from meshanim.export.decimals import lines
from meshanim.export.frames import posed_chunks
from meshanim.export.picture import put_on
from meshanim.mesh import Mesh
from meshanim.mesh.geometry import vertex_normals
from meshanim.performance import Performance
from meshanim.talking_heads.appearance import Appearance

MATERIAL = "face"


def _face_lines(mesh: Mesh, normals: bool) -> bytes:
    """Faces, counted from one, each corner as v, v/vt, v//vn or v/vt/vn."""
    vertex = mesh.faces.numpy() + 1
    texture = None if mesh.uv_faces is None else mesh.uv_faces.numpy() + 1
    corner = (
        ["%d"] + (["%d"] if texture is not None else [""] if normals else []) + (["%d"] if normals else [])
    )
    columns = [vertex] + ([texture] if texture is not None else []) + ([vertex] if normals else [])
    row = np.stack(columns, axis=2).reshape(len(vertex), -1)
    pattern = "f " + " ".join(["/".join(corner)] * 3) + "\n"
    return ((pattern * len(row)) % tuple(row.ravel().tolist())).encode()


def obj_text(
    vertices: NDArray[np.float32], fixed: tuple[bytes, bytes], normals: NDArray | None = None
) -> bytes:
    """A whole OBJ file: positions to a micrometre, then what :func:`fixed_parts` gives."""
    text = lines("v", vertices, 6) + fixed[0]
    return text + (b"" if normals is None else lines("vn", normals, 5)) + fixed[1]


def fixed_parts(mesh: Mesh, normals: bool = False, library: str | None = None) -> tuple[bytes, bytes]:
    """Texture coordinates and faces as text, the same in all files; these in a ``library``'s material."""
    texture = b"" if mesh.uv is None else lines("vt", mesh.uv.numpy(), 6)
    material = b"" if library is None else f"mtllib {library}\nusemtl {MATERIAL}\n".encode()
    return texture, material + _face_lines(mesh, normals)


def _material_text(picture: str) -> str:
    """An MTL file: matt, in the colours of a picture beside it."""
    return f"newmtl {MATERIAL}\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture}\n"


def write_obj(mesh: Mesh, path: str | Path) -> None:
    """Write one mesh, with its texture coordinates where it has any.

    Args:
        mesh: in metres, as the file will be.
        path: the ``.obj`` file.
    """
    with atomic_path(path) as place:
        place.write_bytes(obj_text(mesh.vertices.detach().numpy(), fixed_parts(mesh)))


def write_obj_sequence(
    performance: Performance,
    folder: Path,
    progress: Progress | None = None,
    normals: bool = False,
    name: str | None = None,
    appearance: Appearance | None = None,
) -> None:
    """Write ``name_000001.obj`` and so on; Blender, Maya and Houdini read them as a sequence.

    Vertex order, faces and texture coordinates are those of the neutral in every file; head motion is in
    the positions.

    Args:
        performance: what to write.
        folder: made where it is missing; at the end it takes the place of an older one, whose files of the
            same sequence go and others stay.
        progress: told the frames done and in all.
        normals: whether to write ``vn`` lines.
        name: first part of the file names; default: the folder's.
        appearance: whose texture to put on, as ``name.png`` with ``name.mtl``, which all files refer to.
    """
    name = name or folder.resolve().name
    mesh, picture = put_on(performance.neutral, appearance)
    fixed = fixed_parts(mesh, normals, None if picture is None else f"{name}.mtl")
    if picture is not None:
        check_beside(folder / f"{name}_000001.obj", [folder / f"{name}.png", folder / f"{name}.mtl"])
    with atomic_folder(folder, f"{glob.escape(name)}_{'[0-9]' * 6}.obj") as place:
        if picture is not None:
            (place / f"{name}.png").write_bytes(picture)
            (place / f"{name}.mtl").write_text(_material_text(f"{name}.png"))
        for start, chunk in posed_chunks(performance, progress):
            for index, vertices in enumerate(chunk):
                directions = None
                if normals:
                    directions = vertex_normals(torch.from_numpy(vertices), performance.neutral.faces).numpy()
                text = obj_text(vertices, fixed, directions)
                (place / f"{name}_{start + index + 1:06d}.obj").write_bytes(text)
