"""What each sound of English asks of jaw, lips and tongue: targets of ARKit units, and how firmly they hold.

Levels are modelling choices on the built-in face, whose lips part by 35 mm at jawOpen 1; which articulators
a sound needs, and which it leaves to its neighbours, follows textbook phonetics. Lips close on p, b and m in
:mod:`meshanim.datasets.coarticulation`, on the face itself; here they only press.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.audio.phones import PAUSES, Phone

LIP_UNITS = (
    "mouthFunnel",
    "mouthPucker",
    "mouthSmile",
    "mouthStretch",
    "mouthPress",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthLowerDown",
    "mouthUpperUp",
    "tongueOut",
)
"""Units that have targets beside jawOpen; those with two sides by their stem."""
ROUNDING = ("mouthFunnel", "mouthPucker")


class Viseme(NamedTuple):
    """Targets of one kind of sound.

    Attributes:
        jaw: jawOpen.
        jaw_hold: dominance of that target over those of the neighbours.
        lips: (L,) LIP_UNITS.
        lip_hold: dominance of those targets.
    """

    jaw: float
    jaw_hold: float
    lips: Tensor
    lip_hold: float


def _viseme(jaw: float, jaw_hold: float, lip_hold: float, **lips: float) -> Viseme:
    short = {name[5].lower() + name[6:] if name.startswith("mouth") else "tongue": name for name in LIP_UNITS}
    named = {short[name]: level for name, level in lips.items()}
    return Viseme(jaw, jaw_hold, torch.tensor([named.get(name, 0.0) for name in LIP_UNITS]), lip_hold)


REST = _viseme(0.0, 1.0, 1.0)

_KINDS: dict[str, tuple[str, Viseme]] = {
    "bilabial": ("p b m", _viseme(0.06, 0.7, 1.0, press=0.2, rollLower=0.1, rollUpper=0.1)),
    "labiodental": ("f v", _viseme(0.05, 2.0, 3.0, rollLower=0.55, shrugLower=0.25, upperUp=0.25)),
    "dental": ("T D", _viseme(0.10, 0.8, 0.4, lowerDown=0.1, upperUp=0.1, tongue=0.2)),
    "alveolar": ("t t2 t# t[ d n", _viseme(0.08, 0.6, 0.2, lowerDown=0.1, stretch=0.05)),
    "hissing": ("s z", _viseme(0.04, 1.2, 0.5, stretch=0.15, lowerDown=0.2, upperUp=0.1)),
    "hushing": ("S Z tS dZ", _viseme(0.05, 1.2, 1.0, funnel=0.4, pucker=0.15, upperUp=0.1)),
    "velar": ("k g N", _viseme(0.12, 0.3, 0.1)),
    "glottal": ("h ?", _viseme(0.12, 0.1, 0.05)),
    "lateral": ("l", _viseme(0.13, 0.5, 0.2, lowerDown=0.05)),
    "rhotic": ("r r-", _viseme(0.08, 0.6, 0.6, funnel=0.25, pucker=0.2)),
    "rounded": ("w w#", _viseme(0.06, 0.8, 1.5, pucker=0.65, funnel=0.2)),
    "palatal": ("j ;", _viseme(0.07, 0.6, 0.5, smile=0.12, stretch=0.12)),
    "i": ("i:", _viseme(0.09, 0.8, 0.9, smile=0.25, stretch=0.2, lowerDown=0.1)),
    "I": ("I I2 I# i", _viseme(0.13, 0.6, 0.6, smile=0.12, stretch=0.1)),
    "E": ("E e", _viseme(0.20, 1.0, 0.8, smile=0.1, stretch=0.12, lowerDown=0.15, upperUp=0.08)),
    "a": ("a aa", _viseme(0.34, 1.6, 0.9, stretch=0.15, lowerDown=0.15, upperUp=0.1)),
    "A": ("A:", _viseme(0.36, 1.6, 0.7)),
    "0": ("0", _viseme(0.32, 1.6, 0.9, funnel=0.2, pucker=0.1)),
    "O": ("O: O2", _viseme(0.22, 1.1, 1.3, funnel=0.4, pucker=0.35)),
    "U": ("U", _viseme(0.13, 0.8, 1.0, funnel=0.25, pucker=0.35)),
    "u": ("u:", _viseme(0.10, 0.9, 1.5, pucker=0.7, funnel=0.3)),
    "V": ("V", _viseme(0.27, 1.5, 0.5)),
    "@": ("@ @2 @5 3 a#", _viseme(0.14, 0.5, 0.3)),
    "3": ("3:", _viseme(0.16, 0.9, 0.8, funnel=0.2, pucker=0.1)),
}

VISEMES: dict[str, Viseme] = {
    symbol: viseme for symbols, viseme in _KINDS.values() for symbol in symbols.split()
} | {symbol: REST for symbol in PAUSES}
"""Targets by espeak-ng's mnemonic."""

GLIDES: dict[str, tuple[str, ...]] = {
    "aI": ("a", "I"),
    "aU": ("a", "U"),
    "eI": ("e", "I"),
    "OI": ("O:", "I"),
    "oU": ("@", "U"),
    "aI2": ("a", "I"),
    "i@": ("I", "@"),
    "e@": ("E", "@"),
    "U@": ("U", "@"),
    "aI@": ("a", "I", "@"),
    "aU@": ("a", "U", "@"),
    "aI3": ("a", "I", "@"),
    "i@3": ("I", "@"),
    "A@": ("A:", "r"),
    "O@": ("O:", "r"),
    "o@": ("O:", "@"),
    "IR": ("I", "r"),
    "VR": ("V", "r"),
    "@L": ("@", "l"),
}
"""Sounds that begin as one and end as another."""


class Segment(NamedTuple):
    """A stretch of time with one target, and which sound (by place) it belongs to."""

    viseme: Viseme
    start: float
    end: float
    phone: int


def segments(phones: tuple[Phone, ...]) -> list[Segment]:
    """The sounds as targets in time; what glides is cut into even parts.

    Raises:
        InputError: a sound that English has not.
    """
    found = []
    for place, phone in enumerate(phones):
        parts = GLIDES.get(phone.symbol, (phone.symbol,))
        length = (phone.end - phone.start) / len(parts)
        for step, symbol in enumerate(parts):
            if symbol not in VISEMES:
                raise InputError(f"phones must be English sounds of espeak-ng, got {phone.symbol!r}")
            start = phone.start + step * length
            found.append(Segment(VISEMES[symbol], start, start + length, place))
    return found
