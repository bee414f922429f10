"""The vertices of every frame as a PC2 beside the .blend, played by a Mesh Cache modifier."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

import bpy
import numpy as np

from .axes import to_z_up
from .errors import Refusal
from .performance import Performance

HEADER = struct.Struct("<12siiffi")
"""``POINTCACHE2``, version, points, first frame, frames per sample, samples."""


def cache_path(found: Performance, folder: str) -> Path:
    """Where the cache goes: the folder asked for, else that of the .blend, else that of the NPZ."""
    if folder:
        place = Path(bpy.path.abspath(folder))
    else:
        place = Path(bpy.data.filepath).parent if bpy.data.filepath else found.path.parent
    return place / f"{found.path.stem}.pc2"


def write_pc2(found: Performance, path: Path) -> None:
    """Write the head-local vertices, Z up, chunk by chunk; the file is there whole or not at all."""
    header = HEADER.pack(b"POINTCACHE2\0", 1, len(found["neutral"]), 0.0, 1.0, found.frame_count)
    try:
        number, name = tempfile.mkstemp(suffix=".pc2", dir=path.parent)
    except OSError as error:
        raise Refusal(f"{path.parent} cannot be written to; choose another Cache Folder") from error
    try:
        with os.fdopen(number, "wb") as file:
            file.write(header)
            for chunk in found.stream("vertices"):
                if not np.isfinite(chunk).all():
                    raise Refusal(f"{found.path.name} has vertices that are not finite")
                file.write(to_z_up(chunk).astype("<f4").tobytes())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def add_point_cache(thing: bpy.types.Object, path: Path, start: int) -> None:
    """Let the object's vertices follow the file, its first sample at the frame ``start``."""
    modifier = thing.modifiers.new("Performance", "MESH_CACHE")
    modifier.cache_format = "PC2"
    beside = bpy.data.filepath and Path(bpy.data.filepath).parent == path.parent
    modifier.filepath = f"//{path.name}" if beside else str(path)
    modifier.frame_start = start
