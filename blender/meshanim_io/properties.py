"""What the scene remembers: what the turns of head and eyes are applied to."""

import bpy
from bpy.props import PointerProperty, StringProperty


class RotationTarget(bpy.types.PropertyGroup):
    """An object, or a bone of an armature."""

    thing: PointerProperty(
        type=bpy.types.Object,
        name="Object",
        description="Object to turn; for an armature, name a bone of it as well",
    )
    bone: StringProperty(name="Bone", description="Bone of the armature to turn")


class RotationTargets(bpy.types.PropertyGroup):
    """Head and eyes."""

    head: PointerProperty(type=RotationTarget, name="Head")
    left_eye: PointerProperty(type=RotationTarget, name="Left Eye")
    right_eye: PointerProperty(type=RotationTarget, name="Right Eye")
