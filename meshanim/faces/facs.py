"""Action units of the Facial Action Coding System as ARKit weights, and what people do in six emotions.

Action units are those of Ekman, Friesen and Hager, *Facial Action Coding System: Investigator's Guide*
(2002). The prototypes are those of its table of emotion predictions (EMFACS), with units that Du, Tao and
Martinez, "Compound facial expressions of emotion" (PNAS 2014, table 1), saw in half of their people or more.

ARKit's 52 shapes were not drawn after the FACS, so :data:`ACTION_UNITS` is a reading of both descriptions:
which shapes move what the manual says that the muscle moves. Shapes of one name differ between face models,
so a unit takes several where one model's shape alone would say something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from meshanim._check import check_choice, check_shape


def _sides(name: str, weight: float = 1.0) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


ACTION_UNITS: Mapping[int, Mapping[str, float]] = {
    1: {"browInnerUp": 1.0},
    2: _sides("browOuterUp"),
    # the corrugator draws the inner brow down most; browDown takes the outer end as far, or farther
    4: {**_sides("browDown"), **_sides("noseSneer", 0.3), **_sides("browOuterUp", 0.25)},
    5: _sides("eyeWide"),
    6: {**_sides("cheekSquint"), **_sides("eyeSquint", 0.35)},
    7: _sides("eyeSquint"),
    # the nose wrinkles as the cheeks rise, the lower lids narrow the eyes and the brows come down
    9: {
        **_sides("noseSneer"),
        **_sides("browDown", 0.4),
        **_sides("cheekSquint"),
        **_sides("eyeSquint", 0.5),
    },
    10: _sides("mouthUpperUp"),
    # corners go back as well as up
    12: {**_sides("mouthSmile", 0.8), **_sides("mouthDimple", 0.3)},
    14: _sides("mouthDimple"),
    15: _sides("mouthFrown"),
    16: _sides("mouthLowerDown"),
    17: {"mouthShrugLower": 1.0},
    20: _sides("mouthStretch"),
    # lips narrow and roll in; mouthPress would widen the mouth, and so is little of either
    23: {"mouthRollLower": 0.6, "mouthRollUpper": 0.3, "mouthPucker": 0.25},
    24: {**_sides("mouthPress", 0.4), "mouthPucker": 0.4},
    25: {**_sides("mouthLowerDown", 0.4), **_sides("mouthUpperUp", 0.25)},
    26: {"jawOpen": 1.0},
    45: _sides("eyeBlink"),
}
"""Action unit number to ARKit weights at full intensity (FACS E)."""

EMOTION_PROTOTYPES: Mapping[str, Mapping[int, float]] = {
    "happy": {6: 0.7, 12: 0.9, 25: 0.55},
    "sad": {1: 1.0, 4: 0.3, 6: 0.35, 15: 0.85, 17: 0.5},
    "surprise": {1: 0.85, 2: 0.85, 5: 0.65, 26: 0.6},
    "angry": {4: 1.0, 5: 0.5, 7: 0.8, 17: 0.4, 23: 0.85},
    "disgust": {9: 0.9, 10: 0.55, 15: 0.35, 16: 0.25, 17: 0.6},
    "fear": {1: 0.9, 2: 0.4, 4: 0.6, 5: 0.9, 20: 0.95, 25: 0.5, 26: 0.25},
}
"""Action units of each emotion with the mean intensity used here: 0 absent, 1 FACS E.

By EMFACS: happy 6+12, sad 1+4+15, surprise 1+2+5+26, angry 4+5+7+17+23, disgust 9+15+16 with 10+17, fear
1+2+4+5+20+25+26. By Du et al.: 25 in happy, 6 and 17 in sad.
"""

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
    weights = {name: torch.zeros(shape, dtype=torch.float32) for name in names}
    for unit, intensity in units.items():
        for name, share in ACTION_UNITS[unit].items():
            if name in weights:
                weights[name] = weights[name] + share * torch.as_tensor(intensity)
    return torch.stack(list(weights.values()), dim=-1).clamp(0, 1)


UNIT_READINGS: Mapping[int, Mapping[str, float]] = {
    10: _sides("mouthUpperUp", 0.5),
    14: _sides("mouthDimple", 0.5),
    20: _sides("mouthStretch", 0.5),
    # by what each shape does to the gap between the inner lips of the built-in head, 1 for each 10 mm
    25: {
        "jawOpen": 2.8,
        "mouthClose": -2.8,
        "mouthFunnel": 0.3,
        "mouthPucker": -0.25,
        "mouthShrugLower": -0.35,
        "mouthShrugUpper": 0.25,
        **_sides("mouthUpperUp", 0.25),
        **_sides("mouthLowerDown", 0.2),
        **_sides("mouthSmile", -0.1),
    },
    26: {"jawOpen": 1.0},
}
"""Action unit number to the shares of ARKit weights in its intensity: the units that speech moves, read back.

By the descriptions of the manual: 10 upper lip raiser (levator labii superioris), 14 dimpler (buccinator),
20 lip stretcher (risorius), 25 lips part, whatever parts them, 26 jaw drop (the masseter relaxed). Two sides
count half each, as the manual scores a face by both."""

UNIT_OCCURS: Mapping[int, float] = {10: 0.15, 14: 0.15, 20: 0.15, 25: 0.2, 26: 0.1}
"""Action unit number to the intensity from which it counts as there.

The manual scores intensity from A, a trace, to E, the most; coders of units that occur or not begin at B,
slight, read here as 0.15 of a shape's full weight. Lips part by 2 mm more than at rest; a jaw that drops by a
tenth of its way opens the mouth of the built-in head by 3 mm."""


def action_units_from_arkit(weights: Tensor, names: Sequence[str], units: Sequence[int]) -> Tensor:
    """Intensities of action units that ARKit weights show, by :data:`UNIT_READINGS`.

    Args:
        weights: (..., K).
        names: of the K weights; a shape that is not among them counts as 0.
        units: A unit numbers, of those that can be read.

    Returns:
        (..., A) in [0, 1]. A unit occurs where it is at least its entry in :data:`UNIT_OCCURS`.
    """
    check_shape("weights", weights, (len(names),), batched=True)
    for unit in units:
        check_choice("unit", unit, UNIT_READINGS)
    shares = weights.new_tensor([[UNIT_READINGS[unit].get(name, 0.0) for unit in units] for name in names])
    return (weights @ shares).clamp(0, 1)


def occurring_units(weights: Tensor, names: Sequence[str], units: Sequence[int]) -> Tensor:
    """Whether action units occur, (..., A) bool: :func:`action_units_from_arkit` by :data:`UNIT_OCCURS`."""
    least = weights.new_tensor([UNIT_OCCURS[unit] for unit in units])
    return action_units_from_arkit(weights, names, units) >= least
