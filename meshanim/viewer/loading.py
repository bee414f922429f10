"""What the viewer opens: a performance, or a mesh, which is a performance of one frame."""

from __future__ import annotations

import mmap
from pathlib import Path

from meshanim._check import InputError, check_range
from meshanim.export import read_performance
from meshanim.export.reading import SUFFIXES
from meshanim.mesh import read_mesh
from meshanim.mesh.reading import READERS
from meshanim.performance import Performance

FPS = 25.0
"""Frame rate of what does not state any: a mesh that does not move, numbered meshes, a PC2."""

_MOTION = {".npz": b"fps.npy", ".glb": b'"animations"', ".gltf": b'"animations"'}
"""What stands in a file of motion and not in one of a mesh, by its suffix."""


def load(path: str | Path, fps: float | None = None) -> Performance:
    """The performance in a file or a folder of meshes; of a file without motion, its mesh as one frame.

    Args:
        path: what :func:`meshanim.export.read_performance` reads, or :func:`meshanim.mesh.read_mesh`.
        fps: frames per second, as ``read_performance`` takes it; by default the file's, :data:`FPS` where it
            states none.

    Raises:
        InputError: the file is neither, or damaged, its motion is of a kind that is not read, or fps is none.
        OSError: the file is missing or cannot be read.
    """
    place = Path(path)
    if fps is not None:
        check_range("fps", fps, 0, open_low=True)
    if fps is None and (place.is_dir() or place.suffix.lower() == ".pc2"):
        fps = FPS
    known = dict.fromkeys((*SUFFIXES, *READERS))
    if place.is_file() and place.suffix.lower() not in known:
        got = place.suffix or "no suffix"
        raise InputError(f"{place} must end in one of {', '.join(known)}, or be a folder, got {got}")
    try:
        return read_performance(place, fps)
    except InputError:
        if place.suffix.lower() not in READERS or _moves(place):
            raise
        mesh = read_mesh(place)
    return Performance(mesh, FPS, motion=mesh.vertices[None])


def _moves(path: Path) -> bool:
    """Whether a file has motion in it, be it one that cannot be read."""
    word = _MOTION.get(path.suffix.lower())
    if word is None or not path.stat().st_size:
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(word) >= 0
