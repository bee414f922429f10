"""Timecodes ``HH:MM:SS:FF.sub`` of the Live Link Face app; no file says how many frames a second they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError

_TIMECODE = re.compile(r"(\d+):(\d\d):(\d\d)([:;])(\d+(?:\.\d+)?)")
_RATES = (24, 25, 30, 48, 50, 60, 120)
"""Frames a second that timecodes count."""
_DROPPED = {30: 2, 60: 4}
"""Frame numbers that drop-frame timecodes leave out at each minute but every tenth, by what they count."""
_DAY = 86_400.0
"""Seconds."""


def _as_unreal_counts(frames: NDArray[np.float64]) -> int:
    """Frames per second that Unreal takes frame numbers (T,) for."""
    return 60 if bool((frames > 30).any()) else 30


def timecodes(count: int, fps: float) -> Iterator[str]:
    """``HH:MM:SS:FF.sub`` of each frame; the thousandths of a frame carry rates other than 30 and 60."""
    times = np.arange(count) / fps
    rate = _as_unreal_counts(np.floor((times % 1) * 60)) if fps > 30 else 30
    for thousandths in np.rint(times * rate * 1000).astype(int).tolist():
        seconds, rest = divmod(thousandths, rate * 1000)
        hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
        yield f"{hours:02d}:{minutes:02d}:{seconds:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def seconds_of(codes: Sequence[str]) -> NDArray[np.float64]:
    """(T,) seconds of timecodes, none before the one above it, over midnight too.

    With a semicolon before the frames they are drop-frame timecodes, of 29.97 or 59.94 frames a second.

    Raises:
        InputError: one that is none, or earlier than the one before it; all of several alike.
    """
    found = [_TIMECODE.fullmatch(text.strip()) for text in codes]
    if None in found:
        wrong = codes[found.index(None)]
        raise InputError(f"timecodes must read like 00:00:07:29.500, got {wrong[:40]!r}")
    parts = np.array([match.group(1, 2, 3, 5) for match in found if match], dtype=np.float64)
    whole, frames = parts[:, :3] @ [3600.0, 60.0, 1.0], parts[:, 3]
    whole = whole + _DAY * np.cumsum(np.diff(whole, prepend=whole[0]) < -_DAY / 2)
    dropping = any(match[4] == ";" for match in found if match)
    rate = _counted(whole, frames, tuple(_DROPPED) if dropping else _RATES)
    times = whole + frames / rate
    if dropping:
        minutes = whole // 60
        times = 1.001 * (times - _DROPPED[rate] / rate * (minutes - minutes // 10))
    if (np.diff(times) < 0).any() or (len(times) > 1 and times[0] == times[-1]):
        raise InputError("its timecodes must follow one another")
    return times


def _counted(whole: NDArray[np.float64], frames: NDArray[np.float64], rates: Sequence[int]) -> int:
    """Frames per second that timecodes of whole seconds (T,) and frame numbers (T,) count.

    Of the rates above every frame number, that by which the steps from a second into the next are as long as
    those within one; where there are not both, as Unreal counts them.
    """
    steps, seconds = np.diff(frames), np.diff(whole)
    within, across = steps[(seconds == 0) & (steps > 0)], steps[seconds == 1]
    above = [rate for rate in rates if rate > frames.max()]
    if not (len(within) and len(across) and above):
        return _as_unreal_counts(frames)
    meant = np.median(within) - np.median(across)
    return min(above, key=lambda rate: abs(rate - meant))
