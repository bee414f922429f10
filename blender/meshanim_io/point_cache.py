"""The vertices of every frame as a PC2 beside the .blend, played by a Mesh Cache modifier."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import bpy
import numpy as np

from .axes import to_z_up
from .errors import Refusal
from .performance import Performance

HEADER = struct.Struct("<12siiffi")
"""``POINTCACHE2``, version, points, first frame, frames per sample, samples."""
MOST_SAMPLES = 100.0
"""Blender's limit for how many samples of a Mesh Cache one frame goes on."""


def cache_folder(found: Performance, wanted: str) -> Path:
    """Where the cache goes: the folder asked for, else that of the .blend, else that of the NPZ."""
    if wanted:
        return Path(bpy.path.abspath(wanted))
    return Path(bpy.data.filepath).parent if bpy.data.filepath else found.path.parent


def write_pc2(found: Performance, folder: Path) -> Path:
    """Write the head-local vertices, Z up, chunk by chunk; the file is there whole or not at all.

    A checksum in its name keeps two performances of one name apart, and an earlier file as it is.
    """
    header = HEADER.pack(b"POINTCACHE2\0", 1, len(found["neutral"]), 0.0, 1.0, found.frame_count)
    # Not of tempfile, whose files are their owner's alone.
    unfinished = folder / f".meshanim-{os.getpid()}.pc2"
    try:
        file = open(unfinished, "wb")  # noqa: SIM115
    except OSError as error:
        raise Refusal(f"{folder} cannot be written to; choose another Cache Folder") from error
    try:
        checksum = zlib.crc32(header)
        with file:
            file.write(header)
            for chunk in found.stream("vertices"):
                if not np.isfinite(chunk).all():
                    raise Refusal(f"{found.path.name} has vertices that are not finite")
                data = to_z_up(chunk).astype("<f4").tobytes()
                checksum = zlib.crc32(data, checksum)
                file.write(data)
        path = folder / f"{found.path.stem}_{checksum:08x}.pc2"
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
    return path


def check_step(step: float, path: Path) -> None:
    """Raise where a Mesh Cache cannot go ``step`` frames of the scene from one sample to the next."""
    if 1 / step > MOST_SAMPLES:
        raise Refusal(
            f"{path.name} has more than {MOST_SAMPLES:g} frames in one of the scene's, whose rate other "
            "performances need, and a Mesh Cache cannot be played so fast; import it into a scene of its own"
        )


def add_point_cache(thing: bpy.types.Object, path: Path, start: int, step: float) -> None:
    """Let the object's vertices follow the file: a sample every ``step`` frames from ``start`` on."""
    modifier = thing.modifiers.new("Performance", "MESH_CACHE")
    modifier.cache_format = "PC2"
    beside = bpy.data.filepath and Path(bpy.data.filepath).parent == path.parent
    modifier.filepath = f"//{path.name}" if beside else str(path)
    # What Blender takes away is counted in samples.
    modifier.frame_scale, modifier.frame_start = 1 / step, start / step
