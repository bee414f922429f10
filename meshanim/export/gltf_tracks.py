"""glTF animations, sampled at a steady rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from meshanim._check import InputError
from meshanim.export.rates import nominal_rate
from meshanim.mesh.gltf_file import GltfFile

Floats = NDArray[np.float64]
MOST_FRAMES = 2**22
"""More than 19 hours at 60 fps: a file that says so lies."""
RATE_ERROR = 1e-4
"""Relative error of a rate told by keys, a tenth of what 30 and 30 / 1.001 differ by."""
ON_FRAME = 1e-3
"""Seconds that a key may lie beside a frame and still be on it, and more where its float32 is coarser."""
DENSE = 20.0
"""Keys as many a second are frames, whatever their times are rounded to; fewer may be poses set by hand."""
_USUAL = tuple(rate / slower for slower in (1, 1.001) for rate in (24.0, 25.0, 30.0, 50.0, 60.0))
_PATHS = ("weights", "translation", "rotation", "scale")


@dataclass(frozen=True, eq=False)
class Track:
    """Key times (N,) in seconds and values (N, C); ``cubic`` ones are (N, 3, C): tangent in, value, out."""

    times: Floats
    values: Floats
    interpolation: str
    turns: bool

    def at(self, moments: Floats) -> Floats:
        """(M, C) values at ``moments`` (M,); before the first key and after the last, theirs."""
        times = self.times
        moments = moments.clip(times[0], times[-1])
        # Times are float32: a moment within a millionth of a key is on it.
        low = (np.searchsorted(times, moments + 1e-6 * (1 + moments), side="right") - 1).clip(0)
        high = (low + 1).clip(max=len(times) - 1)
        if self.interpolation == "STEP" or len(times) == 1:
            return self.values[low] if self.values.ndim == 2 else self.values[low, 1]
        if self.turns and self.interpolation == "LINEAR":
            return Slerp(times, Rotation.from_quat(self.values))(moments).as_quat()
        span = np.where(high > low, times[high] - times[low], 1)[:, None]
        share = ((moments - times[low])[:, None] / span).clip(0, 1)
        if self.interpolation == "LINEAR":
            return self.values[low] + share * (self.values[high] - self.values[low])
        return self._cubic(low, high, span, share)

    def _cubic(self, low: NDArray, high: NDArray, span: Floats, s: Floats) -> Floats:
        start, leaving = self.values[low, 1], span * self.values[low, 2]
        end, arriving = self.values[high, 1], span * self.values[high, 0]
        value = (2 * s**3 - 3 * s**2 + 1) * start + (s**3 - 2 * s**2 + s) * leaving
        value = value + (3 * s**2 - 2 * s**3) * end + (s**3 - s**2) * arriving
        return value / np.linalg.norm(value, axis=1, keepdims=True) if self.turns else value


def _track(file: GltfFile, sampler: dict, path: str) -> Track:
    interpolation = sampler.get("interpolation", "LINEAR")
    if interpolation not in ("LINEAR", "STEP", "CUBICSPLINE"):
        raise InputError(f"its animation is interpolated by {interpolation}, which glTF does not know")
    times = file.array(sampler["input"])[:, 0].astype(np.float64)
    values = file.array(sampler["output"]).astype(np.float64)
    if not np.isfinite(times).all() or not np.isfinite(values).all() or (np.diff(times) <= 0).any():
        raise InputError("its animation has keys that are not finite or do not follow one another")
    parts = 3 if interpolation == "CUBICSPLINE" else 1
    if values.size % (len(times) * parts):
        raise InputError(f"its animation has {values.size} numbers for {len(times)} keys of {path}")
    values = values.reshape(len(times), parts, -1) if parts == 3 else values.reshape(len(times), -1)
    if path == "rotation" and not (np.linalg.norm(values.reshape(-1, 4), axis=1) > 0).any():
        raise InputError("its animation has rotations of length zero")
    return Track(times, values, interpolation, path == "rotation")


def tracks_of(file: GltfFile) -> dict[tuple[int, str], Track]:
    """Tracks by node and path, of all animations; where two move the same, the first counts."""
    found: dict[tuple[int, str], Track] = {}
    for animation in file.document.get("animations", ()):
        for channel in animation.get("channels", ()):
            key = channel["target"].get("node", -1), channel["target"]["path"]
            samplers = animation["samplers"]
            if key in found or key[1] not in _PATHS:
                continue
            if not 0 <= channel["sampler"] < len(samplers):
                raise InputError(f"its animation has no sampler {channel['sampler']}")
            found[key] = _track(file, samplers[channel["sampler"]], key[1])
    return found


def _rate(tracks: list[Track]) -> float | None:
    """Frames per second that the keys stand on, whose shortest steps are of one frame.

    By all steps together: late in a long animation, rounding changes single ones by thousandths. Poses at
    uneven steps, and those with curves between them, are so far apart that such frames would miss what
    happens: then the first usual rate that has them all on frames, or 30.
    """
    steps = np.concatenate([np.zeros(0), *(np.diff(track.times) for track in tracks)])
    if not len(steps):
        return None
    frames = np.rint(steps / steps[steps < 1.5 * steps.min()].mean())
    rate = float(frames.sum() / steps.sum())
    rate = nominal_rate(rate, RATE_ERROR * rate)
    keys = np.concatenate([track.times for track in tracks])
    curved = any(track.interpolation == "CUBICSPLINE" for track in tracks)
    if rate >= DENSE or (not curved and _on_frames(keys, rate)):
        return rate
    return next((usual for usual in _USUAL if _on_frames(keys, usual)), 30.0)


def _on_frames(times: Floats, rate: float) -> bool:
    off = np.abs(times - np.rint(times * rate) / rate)
    return bool((off <= ON_FRAME + 2**-22 * np.abs(times)).all())


def moments_of(tracks: list[Track], fps: float | None) -> tuple[float, Floats]:
    """Frame rate, as given or as the keys tell, and the seconds of all frames from 0 to the last key.

    Raises:
        InputError: more frames than a file can mean.
    """
    rate = fps or _rate(tracks) or 30.0
    last = max((track.times[-1] for track in tracks), default=0.0)
    count = round(last * rate) + 1
    if count > MOST_FRAMES:
        raise InputError(f"its animation would have {count} frames at {rate:g} fps")
    return rate, np.arange(count) / rate
