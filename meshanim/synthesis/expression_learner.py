"""Expression from speech by linear regression: the simplest thing that listens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import check_range, check_shape
from meshanim._pretrained import Pretrained, settings_from
from meshanim.audio import Sound, log_mel
from meshanim.audio.spectra import FLOOR
from meshanim.faces import FaceModel
from meshanim.mesh import Blendshapes, landmark_vertices, solve_weights
from meshanim.nn import PrincipalComponents

FRAME = 0.04
"""Seconds of a frame of sound, whatever the frame rate of what is made of it."""
BEFORE, FRAMES = 3, 7
"""Frames of sound before a moment, and in all: x_{t-3} up to, without, x_{t+4}."""
_RATE = 100
_PER_FRAME = round(FRAME * _RATE)


@dataclass(frozen=True)
class ExpressionLearnerConfig:
    """Sizes of an :class:`ExpressionLearner`.

    Attributes:
        components: principal components of the landmarks.
        bands: of the mel spectra, 100 in a second.
    """

    components: int = 20
    bands: int = 40

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_range(name, value, 1)


class ExpressionLearner(Pretrained):
    """From 0.28 s of sound and a reference's landmarks to landmarks (Chen et al. 2020, section 3.2 and A.2).

    A linear regression takes sound and the principal components of the reference to those of the expression,
    which the reference is added back to. The paper's sound is raw, at 50 kHz; speech does not depend on raw
    samples in a linear way, so that this one is given log-mel spectra of the same 0.28 s at 16 kHz, 28 of
    them.

    Args:
        config: the sizes.

    Shapes:
        sound (..., 28 * bands), reference (..., K), expression (..., K), in standard deviations.
    """

    kind = "ExpressionLearner"

    def __init__(self, config: ExpressionLearnerConfig | None = None) -> None:
        super().__init__()
        self.config = config or ExpressionLearnerConfig()
        count = self.config.components
        self.landmarks = PrincipalComponents(68, count)
        self.regression = nn.Linear(FRAMES * _PER_FRAME * self.config.bands + count, count)

    def forward(self, sound: Tensor, reference: Tensor) -> Tensor:
        """Components (..., K) that the expression adds to the reference's (K,) or (..., K)."""
        known = reference.expand(*sound.shape[:-1], -1)
        return self.regression(torch.cat([sound, known], dim=-1))

    def chunks(self, sound: Sound, fps: float) -> Tensor:
        """Log-mel spectra (T, 28 * bands) about each frame, to the nearest hundredth of a second."""
        count = sound.frame_count(fps)
        spectra = log_mel(sound, _RATE, self.config.bands)
        reach = FRAMES * _PER_FRAME
        padded = functional.pad(spectra, (0, 0, BEFORE * _PER_FRAME, reach), value=math.log(FLOOR))
        moments = (torch.arange(count, dtype=torch.float64) * (_RATE / fps)).round().long()
        windows = padded.unfold(0, reach, 1).mT
        return windows[moments.clamp(max=len(windows) - 1)].flatten(1)

    @torch.no_grad()
    def animate(self, sound: Sound, reference: Tensor, fps: float = 25.0) -> Tensor:
        """Landmarks (T, 68, 3) in metres of a person who speaks, T = duration * fps, rounded, at least 1.

        Args:
            sound: at any rate.
            reference: (68, 3) metres, the person's at rest, without head motion.
            fps: frames per second of the result.
        """
        check_shape("reference", reference, (68, 3))
        known = self.landmarks.encode(reference.to(self.landmarks.mean))
        expression = self(self.chunks(sound, fps).to(known), known)
        # what the components do not tell of a person stays the person's
        moved = self.landmarks.decode(known + expression) - self.landmarks.decode(known)
        return reference.to(moved) + moved

    def weights(
        self, sound: Sound, face: FaceModel, identity: Tensor | None = None, fps: float = 25.0
    ) -> Tensor:
        """Weights (T, K) of a face that come nearest to the landmarks, within their bounds.

        Units that landmarks tell nothing of, such as the tongue, stay at rest.

        Args:
            sound: at any rate.
            face: a model that names the 68 landmarks.
            identity: (I,) of who speaks; the mean face without one.
            fps: frames per second of the result.
        """
        shapes = landmark_shapes(face, identity)
        return solve_weights(self.animate(sound, shapes.rest, fps), shapes, face.weight_bounds).weights

    def _settings(self) -> dict[str, Any]:
        return {"settings": asdict(self.config)}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings_from(ExpressionLearnerConfig, settings["settings"]))


def landmark_shapes(face: FaceModel, identity: Tensor | None = None) -> Blendshapes:
    """A face's units at its 68 landmarks.

    Raises:
        InputError: the model does not name them.
    """
    places = landmark_vertices(face.neutral)
    with torch.no_grad():
        rest, units = face.rest(identity)[places], face.basis(identity)[:, places]
    return Blendshapes(face.weight_names, rest, units)
