"""Lips that close where speech closes them, however widely the mouth moves and whatever the face feels."""

from __future__ import annotations

import torch
from torch import Tensor

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
            self._rest = self.gap(torch.zeros(1, len(ARKIT_NAMES)))

    def gap(self, weights: Tensor) -> Tensor:
        """Metres (T, 3) by which upper points are above lower ones, of ARKit weights (T, 52)."""
        upper, lower = self._points.vertices(weights @ self._mapping).view(-1, 2, 3, 3).unbind(1)
        return (upper - lower)[..., 1]

    def opening(self, weights: Tensor) -> Tensor:
        """Metres (T, 3) by which the pairs are farther apart than at rest, of ARKit weights (T, 52)."""
        return self.gap(weights) - self._rest

    def add(self, speech: Tensor, expression: Tensor) -> Tensor:
        """ARKit weights (T, 52) of speech with an expression (T, 52) under it, in [0, 1].

        What of the expression parts the lips comes in as speech opens them.
        """
        under = expression.clone()
        if self.known:
            open_by = self.opening(speech).amax(dim=1, keepdim=True)
            under[:, mouth_columns(*PARTING)] *= ease(open_by / OPEN)
        return self.seal((speech + under).clamp(0, 1), speech)

    def seal(self, weights: Tensor, speech: Tensor) -> Tensor:
        """ARKit weights (T, 52) whose lips are closed wherever those of ``speech`` (T, 52) are.

        ``mouthClose`` takes back what the pairs are farther apart than speech leaves room for; where speech
        has them as near as at rest, or pressed, it leaves none.
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
        return sealed
