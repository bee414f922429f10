"""Turns onto objects and bones."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from .axes import multiply, without_flips
from .curves import check_own, curves_of, write_vector
from .errors import Refusal
from .properties import RotationTarget


def turn_object(thing: bpy.types.Object, turns: NDArray, frames: NDArray) -> None:
    """Turn an object about the axes of its parent, on top of the rotation that it has."""
    thing.rotation_mode = "QUATERNION"
    write_vector(curves_of(thing), "delta_rotation_quaternion", frames, turns)


def turn_bone(rig: bpy.types.Object, bone: str, turns: NDArray, frames: NDArray) -> None:
    """Turn a bone about the axes of its armature, Z up and the face looking along -Y at rest."""
    posed = rig.pose.bones[bone]
    posed.rotation_mode = "QUATERNION"
    rest = np.array(posed.bone.matrix_local.to_quaternion())
    own = multiply(multiply(rest * (1, -1, -1, -1), turns), rest)
    path = f'pose.bones["{bpy.utils.escape_identifier(bone)}"].rotation_quaternion'
    write_vector(curves_of(rig), path, frames, without_flips(own))


def _bone_of(target: RotationTarget) -> str:
    """The bone to turn; the sidebar keeps its name, unseen, where an object without bones is chosen later."""
    return target.bone if target.thing.type == "ARMATURE" else ""


def check_target(target: RotationTarget) -> None:
    """See to it that what is chosen in the sidebar can be turned.

    Raises:
        Refusal: the armature has no such bone, or is of a library.
    """
    bone = _bone_of(target)
    if bone and bone not in target.thing.pose.bones:
        raise Refusal(f"{target.thing.name} has no bone {bone} to turn")
    check_own(target.thing, target.thing.name)


def turn(target: RotationTarget, turns: NDArray, frames: NDArray) -> str:
    """Turn what is chosen in the sidebar, and return its name."""
    bone = _bone_of(target)
    if bone:
        turn_bone(target.thing, bone, turns, frames)
    else:
        turn_object(target.thing, turns, frames)
    return bone or target.thing.name
