"""How far a performance is from another, vertex by vertex."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.performance import Performance

SAMPLED = 64
"""Frames, spread evenly, among which the scale looks for its upper end."""
LEAST_SCALE = 1e-3
"""Millimetres: where there is no difference, a scale still needs an upper end."""


class Comparison:
    """Distances in millimetres between the vertices of two performances, heads posed.

    Args:
        performance: what is shown.
        other: the same number of vertices; either a single frame, which every frame is compared with, or
            as many seconds, which are read at the frame rate of ``performance``.

    Raises:
        InputError: another number of vertices, another duration.
    """

    def __init__(self, performance: Performance, other: Performance) -> None:
        counts = [len(p.neutral.vertices) for p in (performance, other)]
        if counts[0] != counts[1]:
            raise InputError(f"the file to compare with must have {counts[0]} vertices, got {counts[1]}")
        if other.frame_count > 1 and other.fps != performance.fps:
            other = other.resample(performance.fps)
        if other.frame_count not in (1, performance.frame_count):
            raise InputError(
                f"the file to compare with must last {performance.duration:.3g} s or be one frame, "
                f"got {other.duration:.3g} s"
            )
        self._shown, self._other = performance, other
        step = max(1, performance.frame_count // SAMPLED)
        largest = max(float(self.distances(frame).max()) for frame in range(0, performance.frame_count, step))
        self.scale = max(largest, LEAST_SCALE)

    def distances(self, frame: int) -> Tensor:
        """(V,) millimetres in one frame."""
        ours, theirs = (
            performance.pose(performance.vertices(place, place + 1), place)[0]
            for performance, place in (
                (self._shown, frame),
                (self._other, min(frame, self._other.frame_count - 1)),
            )
        )
        return 1000 * torch.linalg.vector_norm(ours - theirs, dim=1)
