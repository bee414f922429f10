"""Which frame is to be seen: playing, standing still, going round."""

from __future__ import annotations

import math

from meshanim._check import check_range


class Timeline:
    """A playhead over frames at a steady rate. It has no clock of its own: the caller says what time it is.

    Args:
        frame_count: number of frames T.
        fps: frames per second.
        loop: begin again at the end, instead of standing still on the last frame.
    """

    def __init__(self, frame_count: int, fps: float, loop: bool = True) -> None:
        check_range("frame_count", frame_count, 1)
        check_range("fps", fps, 0, open_low=True)
        self.frame_count, self.fps, self.loop = frame_count, fps, loop
        self._seconds = 0.0
        self._started: float | None = None

    @property
    def playing(self) -> bool:
        """Whether time passes."""
        return self._started is not None

    @property
    def duration(self) -> float:
        """Seconds, T / fps."""
        return self.frame_count / self.fps

    def play(self, now: float) -> None:
        """Let time pass from ``now`` on; from the beginning where the end is reached."""
        if self._seconds >= self.duration - 0.5 / self.fps:
            self._seconds = 0.0
        self._started = now

    def pause(self, now: float) -> None:
        """Stand still where the playhead is."""
        self._seconds, self._started = self.seconds(now), None

    def seek(self, frame: int, now: float) -> None:
        """Put the playhead at the beginning of a frame; time goes on passing if it did."""
        self._seconds = min(max(frame, 0), self.frame_count - 1) / self.fps
        self._started = None if self._started is None else now

    def resize(self, frame_count: int, fps: float, now: float) -> None:
        """Have another number of frames, or another rate; the playhead keeps its time where that exists."""
        seconds = self.seconds(now)
        self.frame_count, self.fps = frame_count, fps
        self._seconds = min(seconds, (frame_count - 1) / fps)
        self._started = None if self._started is None else now

    def _passed(self, now: float) -> float:
        return self._seconds + (0.0 if self._started is None else now - self._started)

    def seconds(self, now: float) -> float:
        """Seconds from the beginning of the performance to the playhead."""
        passed = self._passed(now)
        return passed % self.duration if self.loop else min(passed, self.duration)

    def round(self, now: float) -> int:
        """How many times the playhead has come to the end since it was last put somewhere."""
        return math.floor(self._passed(now) / self.duration)

    def frame(self, now: float) -> int:
        """The frame at the playhead."""
        # The product may fall short of a whole number by rounding: 0.28 s at 25 fps is 7.000000000000001.
        return min(int(self.seconds(now) * self.fps + 1e-6), self.frame_count - 1)

    def ended(self, now: float) -> bool:
        """Whether the playhead has come to the end and does not begin again."""
        return self.playing and not self.loop and self._passed(now) >= self.duration

    def until_next(self, now: float) -> float:
        """Seconds until another frame is to be seen; infinite while standing still."""
        if not self.playing:
            return math.inf
        return max(0.0, (self.frame(now) + 1) / self.fps - self.seconds(now))
