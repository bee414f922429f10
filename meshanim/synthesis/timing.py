"""Reading tracks at other times than they were written at."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from meshanim._check import InputError, check_range, check_shape, check_tensor
from meshanim.audio.timing import read_linearly
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle


def ease(share: Tensor) -> Tensor:
    """From 0 to 1 with no speed or acceleration at either end (minimum jerk, Flash and Hogan 1985)."""
    share = share.clamp(0, 1)
    return share**3 * (10 - 15 * share + 6 * share**2)


def frames_needed(frames: int, fps: float, to_fps: float) -> int:
    """Frames at ``to_fps`` that reach at least as far in time as ``frames`` frames at ``fps``."""
    return math.ceil((frames - 1) * to_fps / fps - 1e-6) + 1


def read_smoothly(track: Tensor, position: Tensor) -> Tensor:
    """Values (N, C) of a track (T, C) at fractional frames (N,) on a Catmull-Rom spline through its frames.

    Position and speed are continuous; at whole frames the track's own values come back exactly.
    """
    last = len(track) - 1
    position = position.clamp(0, last)
    low = position.floor().long()
    share = (position - low).to(track)[:, None]
    before, start, end, after = (track[(low + step).clamp(0, last)] for step in (-1, 0, 1, 2))
    leaving, arriving = (end - before) / 2, (after - start) / 2
    cubic = 2 * (start - end) + leaving + arriving
    square = 3 * (end - start) - 2 * leaving - arriving
    return start + share * (leaving + share * (square + share * cubic))


def read_motion_smoothly(track: Tensor, position: Tensor) -> Tensor:
    """Head motion (N, 6) of a track (T, 6) at fractional frames (N,): as :func:`read_smoothly`, on arcs.

    Translations lie on the Catmull-Rom spline, rotations (axis-angle) on its like among rotations, Shoemake's
    (1987) spherical quadrangle: at whole frames the track's own come back, and their speed is continuous.
    """
    last = len(track) - 1
    position = position.clamp(0, last)
    low = position.floor().long()
    share = (position - low).to(track)[:, None]
    neighbours = (low + step for step in (-1, 0, 1, 2))
    before, start, end, after = (
        axis_angle_to_matrix(track[frame.clamp(0, last), :3]) for frame in neighbours
    )
    leaving, arriving = _inner(before, start, end), _inner(start, end, after)
    outer, inner = _along_arc(start, end, share), _along_arc(leaving, arriving, share)
    turned = matrix_to_axis_angle(_along_arc(outer, inner, 2 * share * (1 - share)))
    return torch.cat([turned, read_smoothly(track[:, 3:], position)], dim=1)


def _along_arc(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    return start @ axis_angle_to_matrix(share * matrix_to_axis_angle(start.mT @ end))


def _inner(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """The inner corner of a spherical quadrangle at ``middle``."""
    bend = matrix_to_axis_angle(middle.mT @ before) + matrix_to_axis_angle(middle.mT @ after)
    return middle @ axis_angle_to_matrix(-bend / 4)


class GrowingTrack:
    """A track that still grows, read at another frame rate on a smooth curve through four of its frames.

    No more of it is kept than what follows depends on.

    Args:
        track: (T, C), its first frames.
        fps: of the track.
        to_fps: wanted.
        read: :func:`read_smoothly`, or another curve through as many frames.
    """

    def __init__(
        self,
        track: Tensor,
        fps: float,
        to_fps: float,
        read: Callable[[Tensor, Tensor], Tensor] = read_smoothly,
    ) -> None:
        self.fps, self.to_fps, self._read = fps, to_fps, read
        self._kept, self._first = track, 0  # from frame self._first on
        self._given = 0

    def __len__(self) -> int:
        """Frames that are kept."""
        return len(self._kept)

    def add(self, frames: Tensor) -> None:
        """Let frames (n, C) follow."""
        self._kept = torch.cat([self._kept, frames])

    def settled(self) -> Tensor:
        """The wanted frames (m, C), not given yet, that no later frame of the track changes."""
        count = self._first + len(self._kept) - 2
        return self.until(math.ceil(count * self.to_fps / self.fps))

    def until(self, stop: int) -> Tensor:
        """The wanted frames (m, C), not given yet, before ``stop``."""
        ratio = self.fps / self.to_fps
        wanted = torch.arange(self._given, max(stop, self._given), dtype=torch.float64) * ratio
        read = self._read(self._kept, wanted - self._first)
        self._given += len(wanted)
        passed = min(len(self._kept), max(0, math.floor(self._given * ratio) - 1 - self._first))
        self._kept, self._first = self._kept[passed:].clone(), self._first + passed
        return read


def retime(track: Tensor, fps: float, to_fps: float, speed: float = 1.0) -> Tensor:
    """The same track (T, C) at another frame rate, and faster or slower; linear between frames.

    Args:
        track: (T, C) at ``fps`` frames per second; whole numbers become floating ones.
        fps: of the track.
        to_fps: wanted.
        speed: 2 is twice as fast, half as long.

    Returns:
        (N, C) with N = T * to_fps / fps / speed, rounded, at least 1.

    Raises:
        InputError: no frames or another shape, a rate or speed that is not above 0.
    """
    check_tensor("track", track)
    check_shape("track", track, (None, None))
    if len(track) == 0:
        raise InputError("track must have at least one frame, got none")
    if not track.is_floating_point():
        track = track.to(torch.get_default_dtype())
    for name, value in {"fps": fps, "to_fps": to_fps, "speed": speed}.items():
        check_range(name, value, 0, open_low=True)
    count = max(1, round(len(track) * to_fps / fps / speed))
    return read_linearly(track, torch.arange(count, dtype=torch.float64) * (fps * speed / to_fps))
