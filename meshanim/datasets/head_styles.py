"""How heads move while people speak: named styles that follow the accents of speech.

A head has a posture, drifts about it, and beats time on stressed syllables: speakers' heads follow loudness
and pitch (Munhall et al. 2004). Posture, drift and beats of each style are modelling choices, some degrees of
turning and some millimetres of shifting. All are smooth functions of time, so that any frame rate reads the
same motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from meshanim.datasets.prosody import Accent, beats

_WAVES = 6
"""Sines in each component of a drift."""
_SWAY = (0.5, 0.3, 0.4)
"""Sideways, upward and forward share of shifting."""
RISE, FALL = 0.16, 0.34
"""Seconds in which a beat comes and goes."""
_AHEAD = 0.04
"""Seconds by which a beat's extreme comes before the vowel is loudest."""


@dataclass(frozen=True)
class HeadStyle:
    """One way to move the head; triples are nodding (down), turning (to the left) and tilting (to the right).

    Attributes:
        name: of the style.
        posture: degrees about which the head moves.
        drift: standard deviation in degrees of slow movement.
        tempo: highest frequency of the drift, in Hz.
        beat: degrees of a beat on an accent of effort 1; turns and tilts change sides from accent to accent.
        sway: standard deviation in millimetres of shifting.
    """

    name: str
    posture: tuple[float, float, float]
    drift: tuple[float, float, float]
    tempo: float
    beat: tuple[float, float, float]
    sway: float

    def varied(self, generator: torch.Generator) -> HeadStyle:
        """The style as one speaker has it: posture a degree off, and all sizes some tenths more or less."""
        noise = torch.randn(6, generator=generator).clamp(-2, 2)
        drift, beat, sway = torch.exp(0.2 * noise[3:]).tolist()
        return replace(
            self,
            posture=_triple(self.posture, 1.0, noise[:3].tolist()),
            drift=_triple(self.drift, drift),
            beat=_triple(self.beat, beat),
            sway=self.sway * sway,
        )


def _triple(
    values: tuple[float, float, float], factor: float, more: Sequence[float] = (0, 0, 0)
) -> tuple[float, float, float]:
    first, second, third = (value * factor + extra for value, extra in zip(values, more, strict=True))
    return first, second, third


HEAD_STYLES: dict[str, HeadStyle] = {
    style.name: style
    for style in (
        HeadStyle("still", (0, 0, 0), (0.4, 0.4, 0.3), 0.3, (0.4, 0.1, 0.1), 0.5),
        HeadStyle("nodding", (2, 0, 0), (1.0, 0.8, 0.5), 0.4, (4.5, 0.4, 0.3), 1.5),
        HeadStyle("swaying", (0, 0, 0), (0.8, 4.0, 2.5), 0.35, (0.8, 0.6, 0.6), 5.0),
        HeadStyle("lively", (-2, 0, 0), (2.2, 3.5, 1.8), 0.9, (3.5, 2.5, 1.5), 4.0),
        HeadStyle("tilting", (1, 2, 6), (0.8, 1.2, 2.2), 0.4, (1.0, 0.5, 2.5), 2.0),
        HeadStyle("turning", (0, -8, 0), (0.9, 3.0, 0.8), 0.3, (1.2, 3.0, 0.4), 2.5),
        HeadStyle("bowed", (9, 1, -1), (1.5, 1.0, 0.8), 0.3, (1.8, 0.5, 0.4), 2.0),
        HeadStyle("raised", (-7, 0, 1), (1.2, 1.5, 0.7), 0.45, (-2.5, 0.6, 0.3), 2.0),
        HeadStyle("emphatic", (4, 5, -3), (1.4, 1.8, 1.0), 0.6, (6.0, 1.0, 0.8), 3.0),
        HeadStyle("dreamy", (-4, -5, -5), (2.0, 2.6, 2.4), 0.25, (0.5, 0.3, 0.5), 4.0),
    )
}
HELD_OUT_STYLES = ("emphatic", "dreamy")
"""Styles that only the test set has."""


def _drift(times: Tensor, tempo: float, count: int, generator: torch.Generator) -> Tensor:
    """(T, count) smooth curves of unit variance, without frequencies above ``tempo`` Hz."""
    rate = tempo * (0.15 + 0.85 * torch.rand(_WAVES, count, generator=generator))
    phase = 2 * math.pi * torch.rand(_WAVES, count, generator=generator)
    waves = torch.sin(2 * math.pi * rate * times[:, None, None] + phase)
    return waves.sum(dim=1) * math.sqrt(2 / _WAVES)


def head_track(
    style: HeadStyle, accents: Sequence[Accent], times: Tensor, generator: torch.Generator
) -> Tensor:
    """Head motion (T, 6) at ``times`` (T,) seconds: axis-angle in radians, then translation in metres."""
    drift = _drift(times, style.tempo, 6, generator)
    moments = torch.tensor([accent.time for accent in accents]) - _AHEAD
    size = torch.tensor([accent.effort for accent in accents]) * torch.exp(
        0.25 * torch.randn(len(accents), generator=generator)
    )
    side = 1 - 2 * (torch.arange(len(accents)) % 2)
    first = float(torch.randint(2, (1,), generator=generator)) * 2 - 1
    down = beats(times, moments, size, RISE, FALL)
    across = first * beats(times, moments, size * side, 2 * RISE, FALL)
    struck = torch.stack([down, across, across], dim=1) * torch.tensor(style.beat)
    turned = torch.tensor(style.posture) + drift[:, :3] * torch.tensor(style.drift) + struck
    shifted = style.sway * drift[:, 3:] * torch.tensor(_SWAY)
    return torch.cat([turned.deg2rad(), shifted / 1000], dim=1)
