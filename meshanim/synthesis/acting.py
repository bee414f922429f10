"""What a face does beside speaking: each control by itself, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from meshanim._check import check_range
from meshanim.faces import ARKIT_NAMES, EXPRESSIONS
from meshanim.synthesis.blinks import EYES
from meshanim.synthesis.gaze import LOOKS
from meshanim.synthesis.labels import parse_mixture
from meshanim.synthesis.lips import Lips, reach_of, scale_mouth
from meshanim.synthesis.prototypes import prototype_weights


class EyeControl(Protocol):
    """Blinks, or looks."""

    def weights(self, times: Tensor) -> Tensor:
        """Weights (n, 2) of the blinks of both eyes, or (n, 8) of their looks, at times (n,) in seconds."""


def columns_of(names: tuple[str, ...]) -> list[int]:
    """Columns of ARKit's names."""
    return [ARKIT_NAMES.index(name) for name in names]


class Acting:
    """Puts speech, expression, blinks and looks together.

    A frame depends on its time and on speech up to :attr:`reach` frames away, so that a stream of frames can
    be acted as the whole is. The eyes belong to their controls: what speech does to them is left out.

    Args:
        lips: that must close.
        fps: frames per second.
        blinks: of both eyes; None for none.
        gaze: None for eyes that look straight ahead.
        amplitude: how many times as widely as speech has it the mouth moves; 0 to 3.
        emotion: expression under the speech: ``happy``, ``happy:0.5,surprise:0.2`` or a mapping.

    Raises:
        InputError: an amplitude out of range, an unknown expression.
    """

    def __init__(
        self,
        lips: Lips,
        fps: float,
        blinks: EyeControl | None = None,
        gaze: EyeControl | None = None,
        amplitude: float = 1.0,
        emotion: Mapping[str, float] | str | None = None,
    ) -> None:
        check_range("amplitude", amplitude, 0, 3)
        self.fps, self.reach = fps, reach_of(fps)
        self._lips, self.blinks, self.gaze, self.amplitude = lips, blinks, gaze, amplitude
        mixture = {} if emotion is None else parse_mixture(emotion)
        self.label = torch.tensor([mixture.get(name, 0.0) for name in EXPRESSIONS], dtype=torch.float32)
        self._expression = prototype_weights(self.label[None])

    def weights(self, speech: Tensor, first: int = 0) -> Tensor:
        """ARKit weights (n, 52) of speech (n, 52) from frame ``first`` on; streams begin with n = 0."""
        if not len(speech):
            return speech.clone()
        times = torch.arange(first, first + len(speech), dtype=torch.float64) / self.fps
        acted = scale_mouth(speech, self.amplitude)
        acted[:, columns_of((*EYES, *LOOKS))] = 0
        if bool(self._expression.any()):
            acted = self._lips.add(acted, self._expression.expand(len(acted), -1), self.fps)
        if self.amplitude != 1 or bool(self._expression.any()):
            acted = self._lips.seal(acted, speech)
        if self.gaze is not None:
            acted[:, columns_of(LOOKS)] = self.gaze.weights(times).to(acted)
        if self.blinks is not None:
            self._blink(acted, self.blinks.weights(times).to(acted))
        return acted

    @staticmethod
    def _blink(acted: Tensor, closed: Tensor) -> None:
        """Close the eyes of weights (n, 52) by (n, 2); what widens or narrows them gives way meanwhile."""
        for eye, side in enumerate(("Left", "Right")):
            for stem in ("eyeWide", "eyeSquint"):
                acted[:, ARKIT_NAMES.index(f"{stem}{side}")] *= 1 - closed[:, eye]
        acted[:, columns_of(EYES)] = closed
