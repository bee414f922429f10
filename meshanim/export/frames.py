"""Frames of a performance as the writers want them: checked, by chunks, with progress."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError
from meshanim._progress import Progress
from meshanim.mesh.rotations import axis_angle_to_quaternion
from meshanim.performance import Performance

CHUNK_BYTES = 8 * 2**20
"""Positions held at once."""


def chunk_size(performance: Performance) -> int:
    """Frames that fit into :data:`CHUNK_BYTES`, at least one."""
    return max(1, CHUNK_BYTES // (12 * performance.neutral.vertices.shape[0]))


def local_chunks(
    performance: Performance, progress: Progress | None = None, turn: int = 0, turns: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """Walk through the head-local positions: pairs of first frame and (n, V, 3) float32 in metres.

    Args:
        performance: what to walk through.
        progress: told after each chunk, when the reader has dealt with it.
        turn: which walk this is, where a writer needs several ``turns``.
        turns: walks in all; progress counts the frames of each.

    Raises:
        InputError: a frame with a position that is not finite.
    """
    count = performance.frame_count
    for start, chunk in performance.chunks(chunk_size(performance)):
        finite = torch.isfinite(chunk).flatten(1).all(1)
        if not bool(finite.all()):
            frame = start + int((~finite).nonzero()[0])
            raise InputError(f"vertices must be finite, got a NaN or an infinity in frame {frame}")
        yield start, chunk.detach().to("cpu", torch.float32).contiguous()
        if progress is not None:
            progress(turn * count + start + len(chunk), turns * count)


def posed_chunks(
    performance: Performance, progress: Progress | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """As :func:`local_chunks`, with the head motion applied, for formats that have no other place for it."""
    for start, chunk in local_chunks(performance, progress):
        yield start, performance.pose(chunk, start).numpy()


def quaternions(turns: Tensor) -> NDArray[np.float64]:
    """Rotations (T, 4) as XYZW quaternions of rotation vectors (T, 3).

    q and -q are the same rotation; readers interpolate the short way only between like signs, so that no
    two neighbours here have unlike ones.
    """
    turn = axis_angle_to_quaternion(turns.detach().to("cpu", torch.float64)).numpy()
    flips = np.cumprod(np.concatenate([[1], np.where((turn[1:] * turn[:-1]).sum(1) < 0, -1, 1)]))
    return turn * flips[:, None]


def head_tracks(head_motion: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations (T, 4) as :func:`quaternions` and translations (T, 3) in metres of head motion (T, 6)."""
    motion = head_motion.detach().to("cpu", torch.float64)
    return quaternions(motion[:, :3]), motion[:, 3:].numpy()
