"""Expression label tracks: what the face should show, and when."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from meshanim._check import InputError, check_choice, check_finite, check_range, check_shape
from meshanim.audio.timing import read_linearly
from meshanim.faces.facs import EXPRESSIONS
from meshanim.performance import check_frames

DEFAULT_DURATION = 4.0
PHASE_SHARES = {"onset": 0.3, "apex": 0.4, "offset": 0.3}
"""Shares of the duration that phases get whose length nobody gave."""


def parse_mixture(mixture: Mapping[str, float] | str) -> dict[str, float]:
    """Read ``"happy"``, ``"happy:0.6,surprise:0.4"``, in any case, or a mapping as amplitudes by expression.

    Raises:
        InputError: an unknown expression, one named twice, an amplitude outside [0, 1], none at all.
    """
    pairs = _split(mixture) if isinstance(mixture, str) else list(mixture.items())
    if not pairs:
        raise InputError(f"the expression must name one of {', '.join(EXPRESSIONS)}, got nothing")
    read: dict[str, float] = {}
    for name, amplitude in pairs:
        check_choice("expression", name, EXPRESSIONS)
        check_range(f"amplitude of {name}", amplitude, 0, 1)
        if name in read:
            raise InputError(f"the expression must name each part once, got {name} twice")
        read[name] = float(amplitude)
    return read


def _split(text: str) -> list[tuple[str, float]]:
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, amplitude = part.partition(":")
        try:
            pairs.append((name.strip().lower(), float(amplitude) if colon else 1.0))
        except ValueError:
            raise InputError(f"the expression must read like happy:0.6,surprise:0.4, got {part!r}") from None
    return pairs


def _phase_lengths(
    phases: Mapping[str, float | None], duration: float | None
) -> tuple[dict[str, float], float]:
    """Seconds of all three phases, and of the whole."""
    given = {name: seconds for name, seconds in phases.items() if seconds is not None}
    for name, seconds in given.items():
        check_range(name, seconds, 0)
    absent = [name for name in phases if name not in given]
    if duration is None:
        filled = {name: PHASE_SHARES[name] * DEFAULT_DURATION for name in absent} | given
        return filled, sum(filled.values())
    check_range("duration", duration, 0, open_low=True)
    rest = duration - sum(given.values())
    if rest < -1e-9:
        raise InputError(
            f"duration must be at least the {sum(given.values()):g} s of its phases, got {duration:g}"
        )
    shares = sum(PHASE_SHARES[name] for name in absent)
    return {name: rest * PHASE_SHARES[name] / shares for name in absent} | given, duration


def expression_labels(
    mixture: Mapping[str, float] | str,
    duration: float | None = None,
    onset: float | None = None,
    apex: float | None = None,
    offset: float | None = None,
    fps: float = 25.0,
    intensity: float = 1.0,
) -> Tensor:
    """Label track of one expression that comes, stays and goes (Potamias et al. 2020, Fig. 2).

    Amplitudes rise linearly from 0 during the onset phase, stand still during the apex phase and fall
    linearly to 0 during the offset phase; what is left of the duration stays neutral.

    Args:
        mixture: ``"happy"``, ``"happy:0.6,surprise:0.4"`` or a mapping from expression to amplitude.
        duration: seconds of the whole track; by default the sum of the phases.
        onset: seconds that the face takes from neutral to its apex.
        apex: seconds that the apex is held.
        offset: seconds that the face takes back to neutral.
        fps: frames per second.
        intensity: multiplies all amplitudes.

    Phases that are not given share what the others leave of ``duration``, 3 : 4 : 3; without ``duration``
    they last 1.2, 1.6 and 1.2 s.

    Returns:
        (T, 6) amplitudes in [0, 1] in the order of ``EXPRESSIONS``; frame t is at t / fps seconds and
        T is ``duration * fps``, rounded, at least 1.

    Raises:
        InputError: an unknown expression, phases longer than the duration, a value out of range, more than
            :data:`meshanim.performance.MOST_FRAMES` frames.
    """
    amplitudes = parse_mixture(mixture)
    check_range("fps", fps, 0, open_low=True)
    check_range("intensity", intensity, 0, 1)
    phases, whole = _phase_lengths({"onset": onset, "apex": apex, "offset": offset}, duration)
    check_range("duration", whole, 0, open_low=True)
    check_frames(whole, fps)
    times = torch.arange(max(1, round(whole * fps)), dtype=torch.float64) / fps
    rise = _ramp(times, 0.0, phases["onset"])
    fall = _ramp(times, phases["onset"] + phases["apex"], phases["offset"])
    level = torch.minimum(rise, 1 - fall)
    target = torch.tensor([amplitudes.get(name, 0.0) for name in EXPRESSIONS], dtype=torch.float64)
    return (intensity * level[:, None] * target).float()


def _ramp(times: Tensor, start: float, length: float) -> Tensor:
    """0 before ``start``, 1 from ``start + length`` on, linear between."""
    if length == 0:
        return (times >= start).to(times.dtype)
    return ((times - start) / length).clamp(0, 1)


def expression_spans(labels: Tensor, lead: int, tail: int) -> list[tuple[int, int]]:
    """Where a track (T, 6) is not neutral: spans of frames, first and the one after the last.

    Args:
        labels: the track.
        lead: neutral frames, as far as there are any, that go with what follows them.
        tail: the same of what they follow. Spans that then meet are one.
    """
    spans: list[tuple[int, int]] = []
    for frame in labels.any(dim=1).nonzero().flatten().tolist():
        start, stop = max(0, frame - lead), min(len(labels), frame + 1 + tail)
        if spans and start <= spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, stop))
    return spans


def with_short_phases(labels: Tensor, longest_change: int, longest_hold: int) -> tuple[Tensor, Tensor]:
    """A track (T, 6) whose phases are short, at its frame rate.

    A phase is a stretch of frames over which every label rises, falls or stands still throughout. One that
    lasts for more than ``longest_change`` frames, or ``longest_hold`` where all stand still, goes by in as
    many; neutral ones last.

    Returns:
        The track (T', 6), and where in it each of the given frames is (T,), float64.
    """
    if len(labels) < 2:
        return labels, torch.zeros(len(labels), dtype=torch.float64)
    asked = labels.detach().cpu()
    direction = asked.diff(dim=0).sign()
    _, phase, lengths = direction.unique_consecutive(dim=0, return_inverse=True, return_counts=True)
    limits = torch.where(direction.any(dim=1), longest_change, longest_hold)
    neutral = ~(asked[1:].any(dim=1) | direction.any(dim=1))
    pace = (limits / lengths[phase].double()).clamp(max=1).masked_fill(neutral, 1)
    places = torch.cat([pace.new_zeros(1), pace.cumsum(0)])
    frames = np.arange(round(float(places[-1])) + 1)
    return read_linearly(labels, torch.from_numpy(np.interp(frames, places, np.arange(len(labels))))), places


def check_labels(labels: Tensor) -> None:
    """Raise unless ``labels`` is a label track (T, 6) with values in [0, 1] and at least one frame."""
    check_shape("labels", labels, (None, len(EXPRESSIONS)))
    check_finite("labels", labels)
    if labels.shape[0] == 0:
        raise InputError("labels must have at least one frame, got none")
    if float(labels.min()) < 0 or float(labels.max()) > 1:
        raise InputError(
            f"labels must lie in [0, 1], got values from {float(labels.min()):g} to {float(labels.max()):g}"
        )
