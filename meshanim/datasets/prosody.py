"""Prosody of a spoken text: how hard its sounds are spoken, and where its accents are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim.audio.phones import Phone
from meshanim.audio.sound import Sound

REFERENCE_LEVEL = 0.1
"""Root mean square, in units of full scale, of a vowel spoken with effort 1."""
_POWER = 0.3
"""Effort grows as this power of the amplitude."""
_EFFORTS = (0.75, 1.3)
_FRAME = 0.01


class Accent(NamedTuple):
    """A stressed syllable: the seconds at which its vowel is loudest, and its effort."""

    time: float
    effort: float


def efforts(phones: Sequence[Phone], sound: Sound) -> list[float]:
    """How hard each sound is spoken, about 1, from its loudness: louder speech moves the face further."""
    rate, found = sound.sample_rate, []
    for phone in phones:
        part = sound.waveform[round(phone.start * rate) : max(round(phone.end * rate), 1)]
        level = float(part.square().mean().sqrt()) if len(part) else 0.0
        found.append(min(max((level / REFERENCE_LEVEL) ** _POWER, _EFFORTS[0]), _EFFORTS[1]))
    return found


def accents(phones: Sequence[Phone], sound: Sound) -> tuple[Accent, ...]:
    """The syllables with primary stress."""
    rate, width = sound.sample_rate, max(1, round(_FRAME * sound.sample_rate))
    found = []
    for phone, effort in zip(phones, efforts(phones, sound), strict=True):
        if phone.stress < 2:
            continue
        part = sound.waveform[round(phone.start * rate) : round(phone.end * rate)]
        levels = part[: len(part) // width * width].view(-1, width).square().sum(dim=1)
        peak = (int(levels.argmax()) + 0.5) * _FRAME if len(levels) else 0.0
        found.append(Accent(phone.start + peak, effort))
    return tuple(found)


def minimum_jerk(share: Tensor) -> Tensor:
    """From 0 to 1 as ``share`` does, along the smoothest curve (Flash and Hogan 1985)."""
    share = share.clamp(0, 1)
    return share**3 * (10 - 15 * share + 6 * share**2)


def beats(times: Tensor, centres: Tensor, heights: Tensor, rise: float, fall: float) -> Tensor:
    """Sum (T,) of bumps, each up in ``rise`` seconds to its height at its centre, and down in ``fall``."""
    if len(centres) == 0:
        return torch.zeros_like(times)
    apart = times[:, None] - centres
    bump = minimum_jerk(1 + apart / rise) * (1 - minimum_jerk(apart / fall))
    return bump @ heights.to(bump)
