"""Turns onto objects and bones."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from .axes import multiply, without_flips
from .curves import curves_of, write_vector
from .errors import Refusal


def turn_object(thing: bpy.types.Object, turns: NDArray, frames: NDArray) -> None:
    """Turn an object about the axes of its parent, on top of the rotation that it has."""
    thing.rotation_mode = "QUATERNION"
    write_vector(curves_of(thing), "delta_rotation_quaternion", frames, turns)


def turn_bone(rig: bpy.types.Object, bone: str, turns: NDArray, frames: NDArray) -> None:
    """Turn a bone about the axes of its armature, Z up and the face looking along -Y at rest.

    Raises:
        Refusal: the armature has no such bone.
    """
    if rig.type != "ARMATURE" or bone not in rig.pose.bones:
        raise Refusal(f"{rig.name} has no bone {bone} to turn")
    posed = rig.pose.bones[bone]
    posed.rotation_mode = "QUATERNION"
    rest = np.array(posed.bone.matrix_local.to_quaternion())
    own = multiply(multiply(rest * (1, -1, -1, -1), turns), rest)
    path = f'pose.bones["{bpy.utils.escape_identifier(bone)}"].rotation_quaternion'
    write_vector(curves_of(rig), path, frames, without_flips(own))
