"""Binary PLY: one file per frame, exact in float32."""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np

from meshanim._files import atomic_folder
from meshanim._progress import Progress
from meshanim.export.frames import posed_chunks
from meshanim.mesh import Mesh
from meshanim.performance import Performance


def _header(mesh: Mesh) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header"]
    return ("\n".join(lines) + "\n").encode()


def _face_bytes(mesh: Mesh) -> bytes:
    rows = np.empty(len(mesh.faces), dtype=[("count", "u1"), ("vertices", "<i4", (3,))])
    rows["count"] = 3
    rows["vertices"] = mesh.faces.numpy()
    return rows.tobytes()


def write_ply_sequence(
    performance: Performance, folder: Path, progress: Progress | None = None, name: str | None = None
) -> None:
    """Write ``name_000001.ply`` and so on, binary little-endian, with head motion in the positions.

    Args:
        performance: what to write.
        folder: made where it is missing; at the end it takes the place of an older one, whose files of the
            same sequence go and others stay.
        progress: told the frames done and in all.
        name: first part of the file names; default: the folder's.
    """
    name = name or folder.resolve().name
    header, faces = _header(performance.neutral), _face_bytes(performance.neutral)
    with atomic_folder(folder, f"{glob.escape(name)}_{'[0-9]' * 6}.ply") as place:
        for start, chunk in posed_chunks(performance, progress):
            for index, vertices in enumerate(chunk):
                content = header + vertices.astype("<f4").tobytes() + faces
                (place / f"{name}_{start + index + 1:06d}.ply").write_bytes(content)
