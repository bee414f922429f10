"""MDD point cache, for Blender's Mesh Cache modifier, Maya and others, with its base mesh beside it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from meshanim._progress import Progress
from meshanim.export.frames import posed_chunks
from meshanim.export.pc2 import cache_and_base
from meshanim.performance import Performance

HEADER = struct.Struct(">ii")
"""Frames, points."""


def write_mdd(performance: Performance, path: Path, progress: Progress | None = None) -> None:
    """Write ``path`` and, with the suffix ``.obj``, the neutral that it moves.

    Big-endian: the times of the frames in seconds, then positions, float32 in metres, Y up, with head motion.

    Args:
        performance: what to write.
        path: the ``.mdd`` file.
        progress: told the frames done and in all.
    """
    frames, count = performance.frame_count, len(performance.neutral.vertices)
    with cache_and_base(performance.neutral, path) as cache, open(cache, "wb") as file:
        file.write(HEADER.pack(frames, count))
        file.write((np.arange(frames) / performance.fps).astype(">f4").tobytes())
        for _, chunk in posed_chunks(performance, progress):
            file.write(chunk.astype(">f4").tobytes())
