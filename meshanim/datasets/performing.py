"""How a person performs an expression: personal style, timing and involuntary movement.

The parts and their sizes are modelling choices, fixed before any network was trained on them:

- Action units come from the emotion prototypes of :mod:`meshanim.faces.facs`. Each rises and falls along a
  minimum-jerk curve (Flash and Hogan 1985), with a latency of its own.
- A style is a standard normal vector per person: log gains, left-right asymmetry and latency of each unit,
  and the log strength of each emotion.
- Involuntary movement is an Ornstein-Uhlenbeck process on every unit and on the gaze, and blinks at the
  resting rate of 0.28 per second (17 per minute, Bentivoglio et al. 1997).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim.datasets.prosody import minimum_jerk
from meshanim.faces.facs import ACTION_UNITS, EMOTION_PROTOTYPES, EXPRESSIONS

UNITS: tuple[int, ...] = tuple(sorted({unit for used in EMOTION_PROTOTYPES.values() for unit in used}))
STYLE_SIZE = 3 * len(UNITS) + len(EXPRESSIONS)

GAIN_SPREAD = 0.35
STRENGTH_SPREAD = 0.25
ASYMMETRY_SPREAD = 0.12
LATENCY_SPREAD = 0.05
TREMOR = 0.03
TREMOR_TIME = 0.4
BLINKS_PER_SECOND = 0.28
BLINK_SECONDS = 0.3
GAZE_SPREAD = 0.06
APEX_SLACKENING = 0.12

_CAPTURE_FPS = 60
_LENGTHS = {"lead": (5, 20), "onset": (15, 50), "apex": (20, 80), "offset": (15, 50), "tail": (5, 15)}


@dataclass(frozen=True)
class Timing:
    """Seconds at which onset, apex and offset begin, at which the face is at rest again, and the end."""

    onset: float
    apex: float
    offset: float
    rest: float
    end: float


def draw_timing(generator: torch.Generator) -> Timing:
    """Phases of varying length, whole frames at 60 frames per second."""
    clock, marks = 0, []
    for low, high in _LENGTHS.values():
        clock += int(torch.randint(low, high + 1, (1,), generator=generator))
        marks.append(clock / _CAPTURE_FPS)
    return Timing(*marks)


@dataclass(frozen=True)
class Style:
    """What is personal: gain (U,), asymmetry (U,), latency (U,) in seconds, strength (6,) per emotion."""

    gain: Tensor
    asymmetry: Tensor
    latency: Tensor
    strength: Tensor

    @staticmethod
    def from_vector(style: Tensor) -> Style:
        """Read a standard normal vector (STYLE_SIZE,) as a style."""
        gain, asymmetry, latency, strength = style.split([len(UNITS)] * 3 + [len(EXPRESSIONS)])
        return Style(
            torch.exp(GAIN_SPREAD * gain),
            (ASYMMETRY_SPREAD * asymmetry).clamp(-0.5, 0.5),
            LATENCY_SPREAD * latency,
            torch.exp(STRENGTH_SPREAD * strength),
        )


def envelopes(timing: Timing, latency: Tensor, times: Tensor) -> Tensor:
    """Activation (T, U) in [0, 1] at ``times`` (T,) seconds of units that come ``latency`` (U,) s late."""
    clock = times[:, None] - latency
    rise = minimum_jerk((clock - timing.onset) / (timing.apex - timing.onset))
    fall = minimum_jerk((clock - timing.offset) / (timing.rest - timing.offset))
    held = ((clock - timing.apex) / (timing.offset - timing.apex)).clamp(0, 1)
    return rise * (1 - APEX_SLACKENING * held) * (1 - fall)


def voluntary_weights(
    emotion: str, style: Style, timing: Timing, times: Tensor, intensity: float | Tensor = 1.0
) -> dict[str, Tensor]:
    """ARKit weights (T,) by name that one take of an emotion consists of, not yet held to [0, 1]."""
    strength = intensity * style.strength[EXPRESSIONS.index(emotion)]
    activation = strength * style.gain * envelopes(timing, style.latency, times)
    weights: dict[str, Tensor] = {}
    for unit, level in EMOTION_PROTOTYPES[emotion].items():
        place = UNITS.index(unit)
        for name, share in ACTION_UNITS[unit].items():
            lean = style.asymmetry[place] * (name.endswith("Left") - float(name.endswith("Right")))
            weights[name] = weights.get(name, 0) + level * share * (1 + lean) * activation[:, place]
    return weights


def _wander(count: int, steps: int, step: float, generator: torch.Generator) -> Tensor:
    """Ornstein-Uhlenbeck processes (steps, count) of unit variance, ``step`` seconds between samples."""
    keep = math.exp(-step / TREMOR_TIME)
    noise = torch.randn(steps, count, generator=generator)
    walk = [noise[0]]
    for shock in noise[1:]:
        walk.append(keep * walk[-1] + math.sqrt(1 - keep**2) * shock)
    return torch.stack(walk)


def _blinks(times: Tensor, generator: torch.Generator) -> Tensor:
    """Lid closure (T,) of blinks that come at random: fast down, slower up."""
    span = float(times[-1]) + BLINK_SECONDS
    count = int(torch.poisson(torch.tensor(span * BLINKS_PER_SECOND), generator=generator))
    starts = torch.rand(count, generator=generator) * span - BLINK_SECONDS
    phase = (times[:, None] - starts) / BLINK_SECONDS
    closure = minimum_jerk(phase / 0.35) * (1 - minimum_jerk((phase - 0.35) / 0.65))
    return closure.sum(dim=1).clamp(max=1) if count else torch.zeros_like(times)


def involuntary_weights(times: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """ARKit weights (T,) by name that nobody asked for: tremor of all units, blinks, a wandering gaze."""
    step = float(times[1] - times[0])
    tremor = TREMOR * _wander(len(UNITS), len(times), step, generator)
    weights: dict[str, Tensor] = {}
    for place, unit in enumerate(UNITS):
        for name, share in ACTION_UNITS[unit].items():
            weights[name] = weights.get(name, 0) + share * tremor[:, place]
    closure = _blinks(times, generator)
    weights |= {"eyeBlinkLeft": closure, "eyeBlinkRight": closure}
    across, up = (GAZE_SPREAD * _wander(2, len(times), step, generator)).unbind(dim=1)
    for name, value in {
        "eyeLookOutLeft": across,
        "eyeLookInRight": across,
        "eyeLookInLeft": -across,
        "eyeLookOutRight": -across,
        "eyeLookUpLeft": up,
        "eyeLookUpRight": up,
        "eyeLookDownLeft": -up,
        "eyeLookDownRight": -up,
    }.items():
        weights[name] = value.clamp(min=0)
    return weights


def weight_track(parts: Sequence[Mapping[str, Tensor]], names: tuple[str, ...]) -> Tensor:
    """Sum of ARKit weight tracks as (T, K) over ``names``, held to [0, 1]."""
    frames = next(iter(parts[0].values())).shape[0]
    empty = torch.zeros(frames)
    columns = [sum((part[name] for part in parts if name in part), start=empty) for name in names]
    return torch.stack(columns, dim=1).clamp(0, 1)
