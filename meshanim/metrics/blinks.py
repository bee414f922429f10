"""How often eyes blink, and for how long."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape
from meshanim.mesh.precision import widened

SHUT_ABOVE, OPEN_BELOW = 0.35, 0.2
"""A blink begins above the one and ends below the other, so that noise on its way counts once."""
_USUAL = 0.6
"""The quantile of a clip's eye aspect ratios that stands for an open eye: lids spend less time lower."""


class Blinks(NamedTuple):
    """Blinks of a track: first frame, and first frame after it, of each; and the track's length."""

    spans: tuple[tuple[int, int], ...]
    frame_count: int
    fps: float

    @property
    def rate_per_s(self) -> float:
        """Blinks begun in a second."""
        return len(self.spans) * self.fps / self.frame_count

    @property
    def mean_duration_s(self) -> float | None:
        """Mean seconds of the blinks that the track shows from begin to end; None where there is none."""
        whole = [end - begin for begin, end in self.spans if begin > 0 and end < self.frame_count]
        return sum(whole) / len(whole) / self.fps if whole else None


def eye_aspect_ratio(landmarks: Tensor) -> Tensor:
    """Height of both eyes over their width (Soukupova and Cech 2016): (...) of landmarks (..., 68, D)."""
    if landmarks.ndim < 2 or landmarks.shape[-2] != 68:
        raise InputError(f"landmarks must have shape (..., 68, D), got {tuple(landmarks.shape)}")

    def apart(first: int, second: int) -> Tensor:
        return torch.linalg.vector_norm(landmarks[..., first, :] - landmarks[..., second, :], dim=-1)

    heights = apart(37, 41) + apart(38, 40) + apart(43, 47) + apart(44, 46)
    return heights / (2 * (apart(36, 39) + apart(42, 45)))


def eye_closure(landmarks: Tensor) -> Tensor:
    """How far eyes are shut (T,), about 0 when open: 1 less the eye aspect ratio over the clip's usual one.

    Args:
        landmarks: (T, 68, D) of a clip in which eyes are open for more than half of the time.

    Raises:
        InputError: another shape, no frame, a value that is not finite, the corners of an eye in one place.
    """
    check_shape("landmarks", landmarks, (None, 68, None))
    if len(landmarks) == 0:
        raise InputError("landmarks must have at least one frame, got none")
    ratio = eye_aspect_ratio(landmarks)
    check_finite("eye aspect ratio", ratio)
    usual = widened(ratio).quantile(_USUAL)
    return 1 - ratio / usual.to(ratio)


def find_blinks(
    closure: Tensor, fps: float, shut_above: float = SHUT_ABOVE, open_below: float = OPEN_BELOW
) -> Blinks:
    """Blinks in a closure track, with hysteresis.

    One lasts from the first frame above ``shut_above`` to the first one after it below ``open_below``.

    Args:
        closure: (T,) how far eyes are shut: :func:`eye_closure`, or the mean of both ``eyeBlink`` weights.
        fps: frames per second.
        shut_above: where a blink begins.
        open_below: where it ends, not above ``shut_above``.

    Raises:
        InputError: no frame, a value that is not finite, fps not positive, thresholds the other way round.
    """
    check_shape("closure", closure, (None,))
    check_finite("closure", closure)
    check_range("fps", fps, 0, open_low=True)
    check_range("shut_above", shut_above, open_below)
    if len(closure) == 0:
        raise InputError("closure must have at least one frame, got none")
    spans, begin = [], None
    for frame, value in enumerate(closure.tolist()):
        if begin is None and value > shut_above:
            begin = frame
        elif begin is not None and value < open_below:
            spans.append((begin, frame))
            begin = None
    if begin is not None:
        spans.append((begin, len(closure)))
    return Blinks(tuple(spans), len(closure), fps)
