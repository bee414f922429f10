"""Reading video frame by frame, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError, check_range
from meshanim._media import decoded, opened

_KIND = "a video"
_UNKNOWN_RATE = Fraction(25)
"""Frames per second of a file that names no rate and has one frame only."""


@dataclass(frozen=True)
class Video:
    """A clip on disk; its frames are decoded each time they are walked through, one at a time.

    Args:
        path: the file.
        fps: frames per second.
        size: (height, width) in pixels, as shown.
        duration: seconds as the file says; where it does not, as the number of its frames does.
    """

    path: Path
    fps: float
    size: tuple[int, int]
    duration: float

    @property
    def expected_frames(self) -> int:
        """Number of frames by the file's own account; the frames themselves may be a few more or less."""
        return max(1, round(self.duration * self.fps))

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) uint8 RGB at the steady rate :attr:`fps`, turned upright, of square pixels.

        A file of uneven rate repeats and leaves out frames, as a player does. A file that breaks off ends
        with the last frame that can be decoded.

        Raises:
            InputError: not one frame can be decoded.
        """
        count = 0
        with opened(self.path, _KIND) as container:
            for frame, repeats in _steady(container, self.fps):
                image = _upright(frame, container.streams.video[0])
                for _ in range(repeats):
                    count += 1
                    yield image
        if count == 0:
            raise InputError(f"{self.path} must hold at least one frame that can be decoded, got none")


def read_video(path: str | Path) -> Video:
    """Open a video file.

    Raises:
        InputError: not a video, or one without a picture.
        OSError: the file is missing or cannot be read.
    """
    place = Path(path)
    with opened(place, _KIND) as container:
        if not container.streams.video:
            raise InputError(f"{place} must have a video stream, got a file without one")
        stream = container.streams.video[0]
        first = next(decoded(container, stream), None)
        if first is None:
            raise InputError(f"{place} must hold at least one frame that can be decoded, got none")
        size = _upright(first, stream).shape[:2]
        rate = stream.average_rate or stream.guessed_rate or _UNKNOWN_RATE
        duration = _duration(container, stream) or _coded_frames(place) / float(rate)
        return Video(place, float(rate), (size[0], size[1]), duration)


def shown_frames(count: int, fps: float, rate: float) -> NDArray[np.int64]:
    """Numbers of the frames of a film of ``count`` at ``fps`` that it shows at another rate.

    Each is the one nearest to its moment; frames are repeated and left out.
    """
    check_range("count", count, 1)
    for name, value in {"fps": fps, "rate": rate}.items():
        check_range(name, value, 0, open_low=True)
    moments = np.arange(max(1, round(count / fps * rate))) * (fps / rate)
    return np.minimum(np.floor(moments + 0.5), count - 1).astype(np.int64)


def _steady(container: av.container.InputContainer, fps: float) -> Iterator[tuple[av.VideoFrame, int]]:
    """Frames, and how many ticks of a steady clock each is shown."""
    shown, start, last = 0, None, None
    for frame in decoded(container, container.streams.video[0]):
        if start is None:
            start = frame.time
        tick = shown + 1 if frame.time is None or start is None else round((frame.time - start) * fps)
        if last is not None and tick > shown:
            yield last, tick - shown
            shown = tick
        last = frame
    if last is not None:
        yield last, 1


def _upright(frame: av.VideoFrame, stream: av.VideoStream) -> NDArray[np.uint8]:
    """(H, W, 3), of square pixels, turned as the file says, and dense: PyAV's rows may have gaps between."""
    width = max(1, round(frame.width * (stream.sample_aspect_ratio or 1)))
    image = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    quarters = round((getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters))


def _duration(container: av.container.InputContainer, stream: av.stream.Stream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def _coded_frames(path: Path) -> int:
    """Number of frames of a file that states no duration, as raw streams; counted without decoding them."""
    count = 0
    with opened(path, _KIND) as container, suppress(av.error.FFmpegError):
        for packet in container.demux(video=0):
            count += packet.size > 0
    return count
