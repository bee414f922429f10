"""What the studio's sliders mean: a person, an expression that comes and goes, weights held all along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from meshanim.faces import EXPRESSIONS, FaceModel
from meshanim.synthesis import expression_labels

LONGEST = 4.0
"""Seconds that the slider of a phase reaches to."""


@dataclass(frozen=True)
class Settings:
    """State of the studio; immutable, so that what was made for one can be kept until another comes.

    Args:
        identity: coefficients of the person by name; the others are the mean face's.
        mixture: amplitudes in [0, 1] of the expressions by name.
        intensity: multiplies all amplitudes, 0 to 1.
        onset: seconds from neutral to the apex.
        apex: seconds at the apex.
        offset: seconds back to neutral.
        fps: frames per second.
        weights: of the face's own shapes by name, 0 to 1, held from beginning to end.
    """

    identity: Mapping[str, float] = field(default_factory=dict)
    mixture: Mapping[str, float] = field(default_factory=lambda: {"happy": 1.0})
    intensity: float = 1.0
    onset: float = 1.0
    apex: float = 1.0
    offset: float = 1.0
    fps: float = 25.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def changed(self, **values: Any) -> Settings:
        """The same but for some fields."""
        return replace(self, **values)

    def named(self, field_name: str, name: str, value: float) -> Settings:
        """The same but for one name in ``identity``, ``mixture`` or ``weights``."""
        return self.changed(**{field_name: {**getattr(self, field_name), name: value}})

    def labels(self) -> Tensor:
        """(T, 6) label track; a single neutral frame where all phases are zero."""
        if self.onset + self.apex + self.offset == 0:
            return torch.zeros(1, len(EXPRESSIONS))
        mixture = {name: self.mixture.get(name, 0.0) for name in EXPRESSIONS}
        phases = {"onset": self.onset, "apex": self.apex, "offset": self.offset}
        return expression_labels(mixture, **phases, fps=self.fps, intensity=self.intensity)

    def person(self, face: FaceModel) -> Tensor | None:
        """Identity coefficients (I,) for a face model; None for its mean face."""
        return face.identity(**self.identity) if self.identity else None

    def held(self, face: FaceModel) -> Tensor:
        """(K,) weights of a face model's shapes."""
        return torch.tensor([float(self.weights.get(name, 0.0)) for name in face.weight_names])
