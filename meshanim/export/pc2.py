"""PC2 point cache, for Blender's Mesh Cache modifier and others, with its base mesh beside it."""

from __future__ import annotations

import struct
from pathlib import Path

from meshanim._files import atomic_path
from meshanim.export.frames import Progress, posed_chunks
from meshanim.export.obj import fixed_parts, obj_text
from meshanim.performance import Performance

HEADER = struct.Struct("<12siiffi")
"""``POINTCACHE2``, version, points, first frame, frames per sample, samples."""


def write_pc2(performance: Performance, path: Path, progress: Progress | None = None) -> None:
    """Write ``path`` and, with the suffix ``.obj``, the neutral that it moves.

    Positions are float32 in metres, Y up, with head motion; the format has no place for a frame rate, so the
    reader must play one sample per frame at the performance's own.

    Args:
        performance: what to write.
        path: the ``.pc2`` file.
        progress: told the frames done and in all.
    """
    neutral = performance.neutral
    count = neutral.vertices.shape[0]
    with atomic_path(path.with_suffix(".obj")) as base, atomic_path(path) as cache:
        base.write_text(obj_text(neutral.vertices.numpy(), fixed_parts(neutral)), encoding="ascii")
        with open(cache, "wb") as file:
            file.write(HEADER.pack(b"POINTCACHE2\0", 1, count, 0.0, 1.0, performance.frame_count))
            for _, chunk in posed_chunks(performance, progress):
                file.write(chunk.astype("<f4").tobytes())
