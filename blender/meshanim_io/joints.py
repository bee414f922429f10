"""A face that a GLB brought along with bones: jaw and eyes turn by the weights that move the shape keys."""

from __future__ import annotations

import re

import bpy
import numpy as np
from numpy.typing import NDArray

from . import axes
from .tracks import Track
from .turning import turn_bone

LEFTOVER = re.compile(r"component_\d+|.+ (above 1|below 0)")
"""Shape keys that a GLB of meshanim has for its own performance alone."""


def leftovers(thing: bpy.types.Object, names: list[str]) -> list[str]:
    """Those of ``names`` that say nothing without the performance that the mesh was imported with."""
    ours = "targetKind" in thing.data
    return [name for name in names if ours and LEFTOVER.fullmatch(name)]


def rig_of(thing: bpy.types.Object) -> bpy.types.Object | None:
    """The armature that moves a mesh."""
    return next((found.object for found in thing.modifiers if found.type == "ARMATURE"), None)


def turn_joints(
    thing: bpy.types.Object, matched: dict[str, str], track: Track, frames: NDArray
) -> tuple[list[str], list[str]]:
    """Turn the bones that share the work of shape keys; return their names, and of those that are not there.

    Args:
        thing: a mesh; what the weights turn stands in its ``jointTurns``, as the GLB had it.
        matched: weight to shape key.
        track: the weights.
        frames: (T,) where its moments lie.
    """
    rig = rig_of(thing)
    bones = {} if rig is None else rig.pose.bones
    columns = dict(zip(track.names, track.weights.T, strict=True))
    turned, lost = [], []
    for bone, turns in dict(thing.data.get("jointTurns", {})).items():
        moving = {name: list(turns[key]) for name, key in matched.items() if key in turns}
        if moving and bone in bones:
            weights = np.stack([columns[name] for name in moving], axis=1)
            turn_bone(rig, bone, axes.from_axis_angle(weights @ np.array(list(moving.values()))), frames)
            turned.append(bone)
        elif moving:
            lost.append(bone)
    return turned, lost
