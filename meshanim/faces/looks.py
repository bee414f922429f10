"""ARKit's units of the eyes by stem, and its eight looks as turns of the eyeballs."""

from __future__ import annotations

import torch
from torch import Tensor

LOOK_UNITS = ("eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut")
"""Stems of the units that turn an eyeball; each eye has its own, as ``eyeLookUpLeft``."""
LID_UNITS = ("eyeBlink", "eyeSquint", "cheekSquint", "eyeWide", "eyeLookUp", "eyeLookDown")
"""Stems of the units that move an eye's lids and push the skin below against the ball."""
EYE_UNITS = ("eyeBlink", "eyeSquint", "eyeWide", *LOOK_UNITS)
"""Stems of all units of an eye."""
LOOK_ANGLE = 0.44
"""Radians (25 degrees) at weight 1: as far as the upper lids of ICT-FaceKit follow a look down."""


def look_turns() -> dict[str, tuple[str, Tensor]]:
    """Name of each look to its eye (``eye_left`` or ``eye_right``) and that ball's turn (3,) at weight 1.

    Rotation vectors in radians, for models whose shapes leave the balls alone.

    A turn about +X is down and one about +Y towards the character's left, which is outward for the left eye.
    """
    turns = {}
    for side, left in (("Left", 1.0), ("Right", -1.0)):
        axes = {"Up": (-1.0, 0.0), "Down": (1.0, 0.0), "In": (0.0, -left), "Out": (0.0, left)}
        for look, (down, leftward) in axes.items():
            turn = LOOK_ANGLE * torch.tensor([down, leftward, 0.0])
            turns[f"eyeLook{look}{side}"] = (f"eye_{side.lower()}", turn)
    return turns
