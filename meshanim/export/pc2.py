"""PC2 point cache, for Blender's Mesh Cache modifier and others, with its base mesh beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.export.beside import base_path, writing_beside
from meshanim.export.frames import posed_chunks
from meshanim.export.obj import fixed_parts, obj_text
from meshanim.mesh import Mesh
from meshanim.performance import Performance

SIGN = b"POINTCACHE2\0"
HEADER = struct.Struct("<12siiffi")
"""Sign, version, points, first frame, frames per sample, samples."""


@contextmanager
def cache_and_base(neutral: Mesh, path: Path) -> Iterator[Path]:
    """A temporary name for a point cache, whose base mesh is written with the suffix ``.obj``.

    No kill leaves a new cache beside an older base.
    """
    base = obj_text(neutral.vertices.numpy(), fixed_parts(neutral))
    with atomic_path(path) as cache, writing_beside(path, base_path(path), base):
        yield cache


def write_pc2(performance: Performance, path: Path, progress: Progress | None = None) -> None:
    """Write ``path`` and, with the suffix ``.obj``, the neutral that it moves.

    Positions are float32 in metres, Y up, with head motion; the format has no place for a frame rate, so the
    reader must play one sample per frame at the performance's own.

    Args:
        performance: what to write.
        path: the ``.pc2`` file.
        progress: told the frames done and in all.
    """
    count = performance.neutral.vertices.shape[0]
    with cache_and_base(performance.neutral, path) as cache, open(cache, "wb") as file:
        file.write(HEADER.pack(SIGN, 1, count, 0.0, 1.0, performance.frame_count))
        for _, chunk in posed_chunks(performance, progress):
            file.write(chunk.astype("<f4").tobytes())
