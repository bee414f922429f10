"""Sounds in time to ARKit curves: what a face does while it speaks.

- Targets of neighbouring sounds blend by dominance functions, which fall off exponentially with the time from
  a sound (Cohen and Massaro 1993, with c = 1; here the middle of a long sound dominates as a whole).
- Jaw and lips then follow as critically damped masses on springs (Saltzman and Munhall 1989), the jaw more
  slowly; they are sent ahead by their own delay, so that targets are reached on time.
- Stress and loudness widen the jaw's movement; fast speech undershoots by itself.
- On p, b and m the lips meet: a closing gesture with a plateau takes the gap between the inner lips, as the
  mesh of that person has it, to a slight press, by as much ``mouthClose`` as that takes.
- A speaker is a standard normal vector: log gains, asymmetry, reach of dominance, and how much the brows rise
  with accents (Cave et al. 1996). Nothing blinks or looks around: that is not speech.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.audio.phones import BILABIALS, Phone
from meshanim.audio.sound import Sound
from meshanim.audio.timing import read_linearly
from meshanim.datasets.prosody import accents, beats, efforts, minimum_jerk
from meshanim.datasets.visemes import LIP_UNITS, ROUNDING, segments
from meshanim.faces import ARKIT_NAMES, Articulation, FaceModel
from meshanim.faces.lips import lip_pairs

REACH = 0.035
"""Seconds in which dominance falls to 1 / e."""
JAW_RATE, LIP_RATE = 2 * math.pi * 6.0, 2 * math.pi * 9.0
"""Natural frequencies of jaw and lips in radians per second."""
UNSTRESSED = (0.8, 0.9, 1.0)
"""Share of a vowel's movement by its stress: none, secondary, primary."""
CLOSING, OPENING, HELD, EASED = 0.06, 0.05, 0.05, 0.03
"""Seconds that lips take to close and to open, the least for which they stay closed, and how much less than
their sound's own length that is."""
PRESS = -0.2e-3
"""Gap in metres between lips that are closed."""
BROW = 0.12
STYLE_SIZE = 7
_STEP = 0.005
_MARGIN = 0.3
_SIDED = frozenset(name[:-4] for name in ARKIT_NAMES if name.endswith("Left") and name != "mouthLeft")


@dataclass(frozen=True)
class SpeakingStyle:
    """What is personal: the lean to the left, and factors on everything else that is named here."""

    jaw: float = 1.0
    rounding: float = 1.0
    lips: float = 1.0
    asymmetry: float = 0.0
    reach: float = 1.0
    brows: float = 1.0
    press: float = 1.0

    @staticmethod
    def from_vector(style: Tensor) -> SpeakingStyle:
        """Read a standard normal vector (STYLE_SIZE,) as a style."""
        check_shape("style", style, (STYLE_SIZE,))
        jaw, rounding, lips, side, reach, brows, press = style.clamp(-2, 2).tolist()
        return SpeakingStyle(
            math.exp(0.15 * jaw),
            math.exp(0.2 * rounding),
            math.exp(0.25 * lips),
            0.08 * side,
            math.exp(0.15 * reach),
            math.exp(0.5 * brows),
            math.exp(0.3 * press),
        )


def _blended(
    phones: tuple[Phone, ...], effort: Sequence[float], style: SpeakingStyle, times: Tensor
) -> Tensor:
    """Targets (T, 1 + L) of jaw and lips at ``times``, mixed by dominance."""
    parts = segments(phones)
    start, end = (torch.tensor([part[place] for part in parts]) for place in (1, 2))
    middle, half = (start + end) / 2, (end - start) / 2
    apart = ((times[:, None] - middle).abs() - 0.6 * half).clamp(min=0)
    # before the first sound and after the last the face rests
    apart[:, 0], apart[:, -1] = (times - end[0]).clamp(min=0), (start[-1] - times).clamp(min=0)
    dominance = torch.exp(-apart / (REACH * style.reach))
    scale = torch.tensor([effort[part.phone] * UNSTRESSED[phones[part.phone].stress] for part in parts])
    jaw = torch.tensor([part.viseme.jaw for part in parts]) * scale * style.jaw
    gains = torch.tensor([style.rounding if name in ROUNDING else style.lips for name in LIP_UNITS])
    lips = torch.stack([part.viseme.lips for part in parts]) * gains
    jaw_hold = dominance * torch.tensor([part.viseme.jaw_hold for part in parts])
    lip_hold = dominance * torch.tensor([part.viseme.lip_hold for part in parts])
    return torch.cat(
        [
            (jaw_hold @ jaw / jaw_hold.sum(dim=1))[:, None],
            lip_hold @ lips / lip_hold.sum(dim=1, keepdim=True),
        ],
        dim=1,
    )


def _sprung(track: Tensor, rate: float) -> Tensor:
    """A track (T, C) as a critically damped mass follows it, from rest, at _STEP seconds a frame."""
    keep = math.exp(-rate * _STEP)
    from scipy.signal import lfilter  # takes half a second to import

    followed = lfilter([(1 - keep) ** 2], [1, -2 * keep, keep**2], track.double().numpy(), axis=0)
    return torch.from_numpy(followed).float()


def opening_curves(phones: tuple[Phone, ...], sound: Sound, style: SpeakingStyle, times: Tensor) -> Tensor:
    """ARKit weights (T, 52) at ``times`` (T,) seconds of lips that do not close yet.

    Raises:
        InputError: a sound that English has not.
    """
    first, last = -_MARGIN, phones[-1].end + 2 * _MARGIN
    clock = first + _STEP * torch.arange(math.ceil((last - first) / _STEP))
    wanted = _blended(phones, efforts(phones, sound), style, clock)
    jaw = read_linearly(_sprung(wanted[:, :1], JAW_RATE), (times + 2 / JAW_RATE - first) / _STEP)
    lips = read_linearly(_sprung(wanted[:, 1:], LIP_RATE), (times + 2 / LIP_RATE - first) / _STEP)
    named = {"jawOpen": jaw[:, 0]} | dict(zip(LIP_UNITS, lips.unbind(dim=1), strict=True))
    named |= _brows(phones, sound, style, times)
    weights = torch.zeros(len(times), len(ARKIT_NAMES))
    for name, values in named.items():
        for side, sign in (("Left", 1), ("Right", -1)) if name in _SIDED else (("", 0),):
            weights[:, ARKIT_NAMES.index(name + side)] = values * (1 + sign * style.asymmetry)
    return weights.clamp(0, 1)


def _brows(phones: tuple[Phone, ...], sound: Sound, style: SpeakingStyle, times: Tensor) -> dict[str, Tensor]:
    strong = accents(phones, sound)
    raised = (
        BROW
        * style.brows
        * beats(
            times,
            torch.tensor([accent.time for accent in strong]),
            torch.tensor([max(accent.effort - 0.8, 0) for accent in strong]),
            rise=0.25,
            fall=0.4,
        )
    )
    return {"browInnerUp": raised, "browOuterUp": 0.7 * raised}


def closure(phones: tuple[Phone, ...], times: Tensor) -> Tensor:
    """How far the lips have closed (T,) for p, b and m, in [0, 1]."""
    closed = torch.zeros_like(times)
    for phone in phones:
        if phone.symbol in BILABIALS:
            half = max((phone.release or phone.end) - phone.start - EASED, HELD) / 2
            shut = minimum_jerk((times - (phone.centre - half - CLOSING)) / CLOSING)
            opened = minimum_jerk((times - (phone.centre + half)) / OPENING)
            closed = torch.maximum(closed, shut * (1 - opened))
    return closed


class LipCloser:
    """The lips of one person, ready to be closed.

    Args:
        face: a model with jawOpen, mouthClose and the landmarks of the lips.
        identity: (I,) coefficients; the mean face without them.
    """

    def __init__(self, face: FaceModel, identity: Tensor | None = None) -> None:
        pairs = lip_pairs(face)
        self.face, kept = face, torch.cat([pairs.upper, pairs.lower])
        self._articulation = Articulation(face, identity).of(kept)
        self._column = ARKIT_NAMES.index("mouthClose")

    def gap(self, weights: Tensor) -> Tensor:
        """Gap (T,) in metres between the inner lips, along arcs, of ARKit weights (T, 52)."""
        height = self._articulation.vertices(self.face.weights_from_arkit(weights))[..., 1]
        return (height[:, :3] - height[:, 3:]).mean(dim=1)

    def closed(self, weights: Tensor, closure: Tensor, press: float = PRESS) -> Tensor:
        """Weights (T, 52) with the gap shut by the share ``closure`` (T,); a full share leaves ``press``."""
        opened = self.gap(weights)
        wanted = opened + closure * (press - opened).clamp(max=0)
        made = weights.clone()
        for _ in range(3):
            tried = made.clone()
            tried[:, self._column] += 0.05
            gap = self.gap(made)
            slope = (self.gap(tried) - gap) / 0.05
            made[:, self._column] = (made[:, self._column] + (wanted - gap) / slope).clamp(0, 1)
        return made


def speech_curves(
    phones: tuple[Phone, ...], sound: Sound, style: SpeakingStyle, times: Tensor, lips: LipCloser
) -> Tensor:
    """ARKit weights (T, 52) at ``times`` (T,) seconds of one person who says these sounds.

    Raises:
        InputError: a sound that English has not.
    """
    opened = opening_curves(phones, sound, style, times)
    return lips.closed(opened, closure(phones, times), PRESS * style.press)
