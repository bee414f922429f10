"""Lips that close where speech closes them, however widely the mouth moves and whatever the face feels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.faces import ARKIT_NAMES, Articulation, FaceModel
from meshanim.faces.lips import lip_pairs
from meshanim.synthesis.timing import ease

SEALING = ("mouthPress", "mouthRoll", "mouthShrug")
"""Stems of the units that bring lips together: how firmly does not go with how widely the mouth moves."""
PARTING = ("jawOpen", "mouthFunnel", "mouthLowerDown", "mouthUpperUp")
"""Stems of the units that part them."""
CLOSED, OPEN = 2e-4, 8e-3
"""Metres beyond rest up to which lips count as closed, and from which an expression may part them freely."""
_ROOM = 4.0
"""How much farther lips may part than speech parts them, for each metre that it does."""
_STEPS, _NUDGE = 3, 0.02
_TOUCH, _HALVINGS = 2e-5, 8
RELEASE = 0.1
"""Seconds that half of an expression's way between closed and parted lips takes."""


def reach_of(fps: float) -> int:
    """Frames before and after a frame on whose speech :meth:`Lips.add` depends."""
    return 2 * math.ceil(RELEASE * fps)


def without_haste(allowed: Tensor, fps: float) -> Tensor:
    """The track (T,) held back so that it neither jumps nor exceeds itself.

    The least of :data:`RELEASE` seconds to both sides, then the mean of it over as many: each of those leasts
    is over a stretch with the frame itself in it. It rises and falls by 1 in twice that time at the fastest.
    """
    half = math.ceil(RELEASE * fps)
    padded = functional.pad(allowed[None, None], (2 * half, 2 * half), mode="replicate")
    least = -functional.max_pool1d(-padded, 2 * half + 1, stride=1)
    return functional.avg_pool1d(least, 2 * half + 1, stride=1)[0, 0]


def mouth_columns(*stems: str) -> list[int]:
    """Columns of ARKIT_NAMES whose names begin with one of the stems."""
    return [column for column, name in enumerate(ARKIT_NAMES) if name.startswith(stems)]


def scale_mouth(weights: Tensor, amplitude: float) -> Tensor:
    """ARKit weights (T, 52) with jaw and mouth moving ``amplitude`` times as widely, in [0, 1].

    What brings the lips together stays; ``mouthClose`` goes with the jaw, whose opening it takes back.
    """
    scaled = weights.clone()
    widely = sorted({*mouth_columns("jaw", "mouth")} - {*mouth_columns(*SEALING)})
    scaled[:, widely] = (amplitude * weights[:, widely]).clamp(0, 1)
    return scaled


class Lips:
    """The inner lips of one identity, measured along arcs and closed by ``mouthClose``.

    Args:
        face: lips of one without ``mouthClose`` or the 68 landmarks cannot be told to close, and stay.
        articulation: of the face and an identity.
    """

    def __init__(self, face: FaceModel, articulation: Articulation) -> None:
        self.known = "mouthClose" in face.weight_names and "landmark68_62" in face.neutral.landmarks
        self._mapping, self._close = face.arkit_mapping, ARKIT_NAMES.index("mouthClose")
        if self.known:
            self._points = articulation.of(torch.cat(lip_pairs(face)))
            self._rest = self.gap(self._mapping.new_zeros(1, len(ARKIT_NAMES)))

    def gap(self, weights: Tensor) -> Tensor:
        """Metres (T, 3) by which upper points are above lower ones, of ARKit weights (T, 52)."""
        upper, lower = self._points.vertices(weights @ self._mapping).view(-1, 2, 3, 3).unbind(1)
        return (upper - lower)[..., 1]

    def opening(self, weights: Tensor) -> Tensor:
        """Metres (T, 3) by which the pairs are farther apart than at rest, of ARKit weights (T, 52)."""
        return self.gap(weights) - self._rest

    def add(self, speech: Tensor, expression: Tensor, fps: float) -> Tensor:
        """ARKit weights (T, 52) of speech with an expression (T, 52) under it, in [0, 1].

        What of the expression parts the lips comes in as speech opens them, without haste; what else of it
        does, such as a smile, is for :meth:`seal`.
        """
        under = expression.clone()
        if self.known:
            allowed = ease(self.opening(speech).amax(dim=1) / OPEN)
            under[:, mouth_columns(*PARTING)] *= without_haste(allowed, fps)[:, None]
        return (speech + under).clamp(0, 1)

    def seal(self, weights: Tensor, speech: Tensor) -> Tensor:
        """ARKit weights (T, 52) whose lips are closed wherever those of ``speech`` (T, 52) are.

        ``mouthClose`` takes back what the pairs are farther apart than speech leaves room for; where speech
        has them as near as at rest, or pressed, it leaves none. Lips that would pass through each other, more
        than those of speech do, are let go by ``mouthClose`` until they are as near as at rest, so that
        closures wipe no smile off; then taken back towards speech itself as far as they must.
        """
        if not self.known:
            return weights
        own = self.opening(speech)
        most = own + _ROOM * (own - CLOSED).clamp(min=0)
        sealed = weights.clone()
        for _ in range(_STEPS):
            parted = self.opening(sealed)
            nudged = sealed.clone()
            nudged[:, self._close] += _NUDGE
            by = ((parted - self.opening(nudged)) / _NUDGE).clamp(min=1e-3)
            needed = ((parted - most).clamp(min=0) / by).amax(dim=1)
            sealed[:, self._close] = (sealed[:, self._close] + needed).clamp(max=1)
        return self._apart(self._let_go(sealed, speech, most.clamp(min=0)), speech)

    def _let_go(self, weights: Tensor, speech: Tensor, most: Tensor) -> Tensor:
        """Weights (T, 52) whose ``mouthClose`` lets lips go that pass, up to openings (T, 3)."""
        least = self._least(speech)
        low, high = torch.zeros_like(weights[:, self._close]), weights[:, self._close]
        let, tried = weights.clone(), high
        for _ in range(_HALVINGS):
            let[:, self._close] = tried
            gap = self.gap(let)
            pressed = (gap < least).any(dim=1) & (gap - self._rest <= most).all(dim=1)
            low, high = torch.where(pressed, low, tried), torch.where(pressed, tried, high)
            tried = (low + high) / 2
        let[:, self._close] = low
        return let

    def _least(self, speech: Tensor) -> Tensor:
        """Metres (T, 3) of the least gaps that lips may have over ARKit weights (T, 52) of speech."""
        return self.gap(speech).clamp(max=0) - _TOUCH

    def _apart(self, weights: Tensor, speech: Tensor) -> Tensor:
        """Weights (T, 52) with as much of their mouth in place of that of ``speech`` as keeps lips apart."""
        least = self._least(speech)
        mouth = mouth_columns("jaw", "mouth")
        low, high = weights.new_zeros(len(weights), 1), weights.new_ones(len(weights), 1)
        kept, share = weights.clone(), high
        for _ in range(_HALVINGS):
            kept[:, mouth] = torch.lerp(speech[:, mouth], weights[:, mouth], share)
            free = (self.gap(kept) >= least).all(dim=1, keepdim=True)
            low, high = torch.where(free, share, low), torch.where(free, high, share)
            share = (low + high) / 2
        kept[:, mouth] = torch.lerp(speech[:, mouth], weights[:, mouth], low)
        return kept
