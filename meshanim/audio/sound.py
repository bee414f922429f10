"""One channel of sound: reading it from anything, and changing its rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape, check_tensor
from meshanim._media import decoded, opened, start_of

SPEECH_RATE = 16_000
"""Samples per second at which everything here listens to speech."""

_CROSSINGS, _ROLL_OFF, _BETA = 32, 0.94, 10.0
"""Of the low-pass filter when resampling: zero crossings on each side, the edge as a share of the lower
Nyquist frequency, and Kaiser's beta, which leaves less than -95 dB beyond the edge's slope."""


LOUDEST = 1e6
"""Times full scale; spectra of what is many times louder are no numbers any more."""
FASTEST = 1_000_000
"""Samples per second; the filter down to 16 kHz grows with a rate that has few divisors, to gigabytes."""


def check_samples(name: str, samples: Tensor) -> None:
    """Raise unless samples are of a floating type, whose full scale is 1 as integers' is not, and numbers.

    They are finite, and not louder than :data:`LOUDEST`.
    """
    check_tensor(name, samples)
    if not samples.is_floating_point():
        raise InputError(f"{name} must be of a floating type, with full scale at 1, got {samples.dtype}")
    check_finite(name, samples)
    loudest = float(samples.detach().abs().max()) if samples.numel() else 0.0
    if loudest > LOUDEST:
        raise InputError(f"{name} must stay within {LOUDEST:g} times full scale, which is 1, got {loudest:g}")


def _whole_rate(name: str, rate: float) -> int:
    """A rate as an integer, which sums and files need, whatever number it came as."""
    check_range(name, rate, 1, FASTEST)
    if rate != int(rate):
        raise InputError(f"{name} must be a whole number, got {rate:g}")
    return int(rate)


@dataclass(frozen=True, eq=False)
class Sound:
    """One channel of sound; immutable.

    Args:
        waveform: (N,) float32 samples; full scale is [-1, 1], and louder ones are kept as they are.
        sample_rate: samples per second, up to a million.

    Raises:
        InputError: no samples, some that are not finite or a million times too loud, or a rate that is not a
            whole number from 1 on.
    """

    waveform: Tensor
    sample_rate: int

    def __post_init__(self) -> None:
        check_tensor("waveform", self.waveform)
        check_shape("waveform", self.waveform, (None,))
        if len(self.waveform) == 0:
            raise InputError("waveform must hold at least one sample, got none")
        if self.waveform.dtype != torch.float32:
            raise InputError(f"waveform must be float32, got {self.waveform.dtype}")
        check_samples("waveform", self.waveform)
        object.__setattr__(self, "sample_rate", _whole_rate("sample_rate", self.sample_rate))

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.waveform) / self.sample_rate

    def frame_count(self, fps: float) -> int:
        """Frames of a track beside the sound, at least one; frame t is seen at t / fps seconds.

        As many as beside the sound at :data:`SPEECH_RATE`, where what listens to a stream counts them.
        """
        check_range("fps", fps, 0, open_low=True)
        return frames_beside(-(-len(self.waveform) * SPEECH_RATE // self.sample_rate), fps)


def frames_beside(samples: int, fps: float) -> int:
    """Frames of a track beside so many samples at :data:`SPEECH_RATE`, at least one."""
    return max(1, round(samples * fps / SPEECH_RATE))


def read_sound(path: str | Path) -> Sound:
    """The first sound track of a file, as :func:`find_sound` reads it.

    Raises:
        InputError: nothing that can be read, no sound in it, or samples that :class:`Sound` does not take.
        OSError: the file is missing or cannot be read.
    """
    sound = find_sound(path)
    if sound is None:
        raise InputError(f"{path} must have sound, got a file without any")
    return sound


def find_sound(path: str | Path) -> Sound | None:
    """The first sound track of a sound or video file, None where there is none or nothing in it.

    Any format that FFmpeg reads, at the rate it has; the mean of all channels, however many. The sound of a
    video begins with its first picture: what comes earlier is cut away, and silence stands before what begins
    later. It ends where the file says, if it says so to the sample, as MP4 does; a file that breaks off ends
    with the last samples that can be decoded.

    Raises:
        InputError: nothing that can be read, or samples that :class:`Sound` does not take.
        OSError: the file is missing or cannot be read.
    """
    with opened(path, "a file with sound") as container:
        if not container.streams.audio:
            return None
        track = container.streams.audio[0]
        parts = list(_heard(decoded(container, track)))
        # not the picture on a record's sleeve, which has no time
        pictures = [
            s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic
        ]
        late = start_of(track) - start_of(pictures[0]) if pictures else 0.0
        rate = int(track.rate)
    waveform = _shifted(np.concatenate([np.zeros(0, np.float32), *parts]), round(late * rate))
    if len(waveform) == 0:
        return None
    if not np.isfinite(waveform).all():
        place = int(np.flatnonzero(~np.isfinite(waveform))[0])
        raise InputError(f"{path} must hold finite samples, got {waveform[place]} at {place / rate:.3f} s")
    try:
        return Sound(torch.from_numpy(waveform), rate)
    except InputError as error:
        raise InputError(f"{path} must hold a sound, whose {error}") from None


def resample(sound: Sound, rate: int) -> Sound:
    """The sound at ``rate`` samples per second, without delay: ceil(N * rate / sample_rate) samples.

    Raises:
        InputError: a rate that :class:`Sound` does not take, or a waveform that needs gradients, which one at
            another rate would not have.
    """
    rate = _whole_rate("rate", rate)
    if rate == sound.sample_rate:
        return sound
    if sound.waveform.requires_grad and torch.is_grad_enabled():
        came = f"{sound.sample_rate}: resampling has none"
        raise InputError(f"sound must be at {rate} Hz already to carry gradients, got {came}")
    # Not at the top: every command would wait half a second for it.
    from scipy.signal import firwin, resample_poly

    common = math.gcd(rate, sound.sample_rate)
    up, down = rate // common, sound.sample_rate // common
    wider = max(up, down)
    taps = firwin(2 * _CROSSINGS * wider + 1, _ROLL_OFF / wider, window=("kaiser", _BETA))
    changed = resample_poly(sound.waveform.detach().numpy(), up, down, window=taps.astype(np.float32))
    return Sound(torch.from_numpy(changed), rate)


def _heard(frames: Iterator[av.AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Samples of each frame; of the last one those that it lasts for, since codecs fill up their blocks."""
    frame = next(frames, None)
    while frame is not None:
        following, samples = next(frames, None), _mixed(frame)
        if following is None and frame.time_base == Fraction(1, frame.sample_rate) and frame.duration > 0:
            samples = samples[: frame.duration]
        yield samples
        frame = following


def _mixed(frame: av.AudioFrame) -> NDArray[np.float32]:
    """(N,) the mean of a frame's channels; whole numbers become shares of full scale."""
    samples: NDArray = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples / np.float64(np.iinfo(samples.dtype).max + 1)
    return samples.mean(axis=0).astype(np.float32)


def _shifted(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """The waveform begun ``samples`` later, in silence, or with so many cut away where negative."""
    if samples >= 0:
        return np.concatenate([np.zeros(samples, np.float32), waveform])
    return waveform[-samples:]
