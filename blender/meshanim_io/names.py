"""Names of weights and of shape keys, matched only where the match is sure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{side}" for name in names for side in ("Left", "Right"))


ARKIT_NAMES: tuple[str, ...] = (
    *_sides("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide"),
    *_sides("browDown", "browOuterUp", "cheekSquint", "noseSneer", "mouthSmile", "mouthFrown"),
    *_sides("mouthDimple", "mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp"),
    *("jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker"),
    *("mouthLeft", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "browInnerUp", "cheekPuff", "tongueOut"),
)
"""ARKit's 52; left and right are the character's own. Names travel, not order."""


def plain(name: str) -> str:
    """What is left of a name without case, separators and what tools put before and after it.

    ``JawOpen``, ``jaw_open``, ``ARKit_jawOpen`` and Maya's ``blendShape1.jawOpen`` are ``jawopen``;
    ``eyeBlink_L`` is ``eyeblinkleft``. ``jawOpen.001``, a copy of something, stays apart.
    """
    last = re.split(r"[.:|]", name)[-1].lower()
    last = re.sub(r"[ _-]l$", "left", re.sub(r"[ _-]r$", "right", last))
    return re.sub(r"[ _-]", "", last).removeprefix("arkit")


def matched(weights: Iterable[str], keys: Iterable[str]) -> dict[str, str]:
    """Weight to shape key, for the weights that have one; the first of several keys counts."""
    by_plain: dict[str, str] = {}
    for key in keys:
        by_plain.setdefault(plain(key), key)
    return {name: by_plain[plain(name)] for name in weights if plain(name) in by_plain}
