"""The common tongue of facial animation: ARKit's 52 blendshapes."""

from __future__ import annotations


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{side}" for name in names for side in ("Left", "Right"))


ARKIT_NAMES: tuple[str, ...] = tuple(
    sorted(
        (
            *_sides("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn"),
            *_sides("eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown"),
            *_sides("mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp"),
            *_sides("noseSneer"),
            *("browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose"),
            *("mouthFunnel", "mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper"),
            *("mouthShrugLower", "mouthShrugUpper", "tongueOut"),
        )
    )
)
"""The 52 names in alphabetical order; left and right are the character's own. Names travel, not order."""
