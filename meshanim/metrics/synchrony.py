"""Whether two tracks, or a track and its sound, go together."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape

REACH = 12
"""Frames to either side within which an offset is sought: about half a second at 25 fps."""


class MotionOffset(NamedTuple):
    """Frames by which a motion comes late, early below 0, and Pearson's correlation once it is put right."""

    frames: int
    correlation: float


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of two tracks (T,), such as a jaw's opening and the true one.

    0 where one of them does not vary.

    Raises:
        InputError: different lengths, no frame, a value that is not finite.
    """
    check_shape("first", first, (None,))
    check_shape("second", second, tuple(first.shape))
    for name, track in (("first", first), ("second", second)):
        if len(track) == 0:
            raise InputError(f"{name} must have at least one frame, got none")
        check_finite(name, track)
    # From the first value on, so that what does not vary is zero to the bit.
    moved = [track.double() - track[0].double() for track in (first, second)]
    centred = [track - track.mean() for track in moved]
    spread = centred[0].norm() * centred[1].norm()
    return float((centred[0] @ centred[1] / spread).nan_to_num(0.0, 0.0, 0.0).clamp(-1, 1))


def motion_offset_frames(motion: Tensor, reference: Tensor, reach: int = REACH) -> MotionOffset:
    """The lag at which a motion correlates best with a reference, in whole frames.

    Of all lags within ``reach`` the one with the highest Pearson correlation of ``motion[t + lag]`` with
    ``reference[t]`` over the frames that both have; of equals the smallest. Against a true motion, such as
    the opening of the lips, it is what the prediction is late by. Against the sound's :func:`envelope` it
    tells what speakers do as well, whose lips open before they are heard: compare it with the truth's own.

    Args:
        motion: (T,).
        reference: (T,) at the same frame rate.
        reach: largest lag, at most half the frames.

    Raises:
        InputError: different lengths, ``reach`` too far, a value that is not finite.
    """
    check_shape("motion", motion, (None,))
    check_shape("reference", reference, tuple(motion.shape))
    check_range("reach", reach, 0, len(motion) // 2)
    count = len(motion)
    found = [
        MotionOffset(
            lag,
            correlation(
                motion[max(0, lag) : count + min(0, lag)], reference[max(0, -lag) : count - max(0, lag)]
            ),
        )
        for lag in range(-reach, reach + 1)
    ]
    return max(found, key=lambda offset: (offset.correlation, -abs(offset.frames)))


def envelope(waveform: Tensor, sample_rate: int, frame_count: int, fps: float, lead: float = 0.0) -> Tensor:
    """(T,) root mean square of a sound over three frames around the time t / fps of each.

    Over what there is of them at the sound's ends, and 0 beyond.

    Args:
        waveform: (N,) mono samples.
        sample_rate: samples per second.
        frame_count: T.
        fps: frames per second.
        lead: frames by which to listen later; a camera's frame shows the middle of its exposure, 0.5.
    """
    check_shape("waveform", waveform, (None,))
    check_finite("waveform", waveform)
    for name, value in {"sample_rate": sample_rate, "fps": fps}.items():
        check_range(name, value, 0, open_low=True)
    half = round(1.5 * sample_rate / fps)
    energy = torch.cat([waveform.new_zeros(1).double(), waveform.double().square().cumsum(dim=0)])
    middle = ((torch.arange(frame_count) + lead) * (sample_rate / fps)).round().long()
    begin, end = ((middle + side).clamp(0, len(waveform)) for side in (-half, half))
    total = (energy[end] - energy[begin]).clamp(min=0)
    return (total / (end - begin).clamp(min=1)).sqrt().to(waveform.dtype)
