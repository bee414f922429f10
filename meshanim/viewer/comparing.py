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


def words_on_lengths(performance: Performance, other: Performance) -> str | None:
    """What unlike lengths lead to, for a person; None where they are alike, or one is a single frame."""
    shown, compared = performance.duration, other.duration
    if 1 in (performance.frame_count, other.frame_count) or abs(shown - compared) < 0.5 / performance.fps:
        return None
    if compared < shown:
        return (
            f"the file to compare with ends after {compared:.2f} s; its last frame is held to {shown:.2f} s"
        )
    return f"the file to compare with goes on after {shown:.2f} s; its end, to {compared:.2f} s, is not shown"


class Comparison:
    """Distances in millimetres between the vertices of two performances, heads posed.

    Args:
        performance: what is shown.
        other: the same number of vertices; read at the frame rate of ``performance``. Frames after its last,
            as all are where it has but one, are compared with that.

    Raises:
        InputError: another number of vertices.
    """

    def __init__(self, performance: Performance, other: Performance) -> None:
        counts = [len(p.neutral.vertices) for p in (performance, other)]
        if counts[0] != counts[1]:
            raise InputError(f"the file to compare with must have {counts[0]} vertices, got {counts[1]}")
        if other.frame_count > 1 and other.fps != performance.fps:
            other = other.resample(performance.fps)
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
