"""What the viewer opens: a performance, or a mesh, which is a performance of one frame."""

from __future__ import annotations

from pathlib import Path

from meshanim._check import InputError, check_range
from meshanim.export import read_performance
from meshanim.mesh import read_mesh
from meshanim.performance import Performance

FPS = 25.0
"""Frame rate of what does not state any: a mesh that does not move, numbered meshes, a PC2."""


def load(path: str | Path, fps: float | None = None) -> Performance:
    """The performance in a file or a folder of meshes; of a file that has none, its mesh as one frame.

    Args:
        path: what :func:`meshanim.export.read_performance` reads, or :func:`meshanim.mesh.read_mesh`.
        fps: frames per second, as ``read_performance`` takes it; by default the file's, :data:`FPS` where it
            states none.

    Raises:
        InputError: the file is neither, or damaged, or the frame rate is none.
        OSError: the file is missing or cannot be read.
    """
    place = Path(path)
    if fps is not None:
        check_range("fps", fps, 0, open_low=True)
    if fps is None and (place.is_dir() or place.suffix.lower() == ".pc2"):
        fps = FPS
    try:
        return read_performance(place, fps)
    except InputError:
        if place.is_dir():
            raise
        mesh = read_mesh(place)
    return Performance(mesh, FPS, motion=mesh.vertices[None])
