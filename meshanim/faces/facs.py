"""Action units of the Facial Action Coding System as ARKit weights, and what people do in six emotions.

Action units are those of Ekman, Friesen and Hager, *Facial Action Coding System: Investigator's Guide*
(2002). Its table of emotion predictions (EMFACS) gives the prototypes. ARKit's 52 shapes were not drawn
after the FACS, so :data:`ACTION_UNITS` is a reading of both descriptions: which shapes move what the
manual says that the muscle moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def _sides(name: str, weight: float = 1.0) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


ACTION_UNITS: Mapping[int, Mapping[str, float]] = {
    1: {"browInnerUp": 1.0},
    2: _sides("browOuterUp"),
    4: _sides("browDown"),
    5: _sides("eyeWide"),
    6: {**_sides("cheekSquint"), **_sides("eyeSquint", 0.35)},
    7: _sides("eyeSquint"),
    9: _sides("noseSneer"),
    10: _sides("mouthUpperUp"),
    12: _sides("mouthSmile"),
    14: _sides("mouthDimple"),
    15: _sides("mouthFrown"),
    16: _sides("mouthLowerDown"),
    17: {"mouthShrugLower": 1.0},
    20: _sides("mouthStretch"),
    23: {**_sides("mouthPress"), "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    25: {**_sides("mouthLowerDown", 0.4), **_sides("mouthUpperUp", 0.25)},
    26: {"jawOpen": 1.0},
    45: _sides("eyeBlink"),
}
"""Action unit number to ARKit weights at full intensity (FACS E)."""

EMOTION_PROTOTYPES: Mapping[str, Mapping[int, float]] = {
    "happy": {6: 0.65, 12: 0.8, 25: 0.45},
    "sad": {1: 0.8, 4: 0.35, 15: 0.75, 17: 0.45},
    "surprise": {1: 0.85, 2: 0.85, 5: 0.65, 26: 0.6},
    "angry": {4: 0.9, 5: 0.3, 7: 0.6, 23: 0.7},
    "disgust": {9: 0.85, 10: 0.4, 15: 0.45, 16: 0.35},
    "fear": {1: 0.75, 2: 0.5, 4: 0.45, 5: 0.75, 20: 0.6, 25: 0.45, 26: 0.3},
}
"""Action units of each emotion (EMFACS) with the mean intensity used here: 0 absent, 1 FACS E."""

EXPRESSIONS: tuple[str, ...] = tuple(EMOTION_PROTOTYPES)
"""The six expressions in the order of every label track (T, 6)."""


def arkit_weights(units: Mapping[int, float | Tensor], names: Sequence[str]) -> Tensor:
    """ARKit weights that perform action units.

    Args:
        units: action unit to intensity, numbers or tensors of one shape (...).
        names: the K weight names wanted, in order; shapes that no unit moves get 0.

    Returns:
        (..., K) weights, summed over units and held to [0, 1].
    """
    shape = torch.broadcast_shapes(*(torch.as_tensor(value).shape for value in units.values()))
    weights = {name: torch.zeros(shape) for name in names}
    for unit, intensity in units.items():
        for name, share in ACTION_UNITS[unit].items():
            if name in weights:
                weights[name] = weights[name] + share * torch.as_tensor(intensity)
    return torch.stack(list(weights.values()), dim=-1).clamp(0, 1)
