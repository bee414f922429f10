"""What the viewer opens: a performance, or a mesh, which is a performance of one frame."""

from __future__ import annotations

from pathlib import Path

from meshanim._check import InputError
from meshanim.export import read_performance
from meshanim.mesh import read_mesh
from meshanim.performance import Performance

STILL_FPS = 25.0
"""Frame rate of a mesh that does not move."""


def load(path: str | Path) -> Performance:
    """The performance in a file; of a file that has none, its mesh as one frame.

    Raises:
        InputError: the file is neither, or damaged.
        OSError: the file is missing or cannot be read.
    """
    try:
        return read_performance(path)
    except InputError:
        mesh = read_mesh(path)
    return Performance(mesh, STILL_FPS, motion=mesh.vertices[None])
