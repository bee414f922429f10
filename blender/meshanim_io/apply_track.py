"""Weights of a file onto meshes that have shape keys of these names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import bpy
import numpy as np
from numpy.typing import NDArray

from .curves import LARGEST_WEIGHT, check_own, write_weights
from .errors import Refusal
from .joints import leftovers, rig_of, turn_joints
from .names import matched
from .tracks import Track


@dataclass
class Applied:
    """Which names met on one mesh.

    Args:
        name: of the object.
        matched: weight to shape key.
        without_key: weights that no shape key is named after.
        without_weight: shape keys that no weight is named after.
        driven: shape keys that drivers move, which no curve can.
        stilled: shape keys of an earlier performance alone, which rest now.
        muted: shape keys that are muted, so that nobody sees what moves them.
        bones: those that turn along, and
        lost: those that would, but are not there under their name.
    """

    name: str
    matched: dict[str, str]
    without_key: list[str] = field(default_factory=list)
    without_weight: list[str] = field(default_factory=list)
    driven: list[str] = field(default_factory=list)
    stilled: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    bones: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.name}: {len(self.matched)} weights applied"]
        for words, names in (
            ("no shape key for", self.without_key),
            ("no weight for", self.without_weight),
            ("moved by drivers and left alone:", self.driven),
            ("at rest:", self.stilled),
            ("muted, and not seen:", self.muted),
            ("turned along:", self.bones),
            ("no bone to turn along:", self.lost),
        ):
            parts += [f"{words} {', '.join(names)}"] if names else []
        return "; ".join(parts)


def keyed_meshes(things: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """Those that are meshes with shape keys, one object for each mesh."""
    by_mesh = {t.data: t for t in things if t.type == "MESH" and t.data.shape_keys}
    return list(by_mesh.values())


def apply_weights(things: list[bpy.types.Object], track: Track, frames: NDArray) -> list[Applied]:
    """Write the curves of all shape keys that have a weight of their name, and of bones that go along.

    Raises:
        Refusal: no name meets any other, on any mesh, a weight is beyond what shape keys can have, or shape
            keys cannot be moved by weights; nothing has been written then.
    """
    for thing in things:
        _check_keys(thing)
    plans = [_plan(thing, track.names) for thing in things]
    if not any(plan.matched for plan in plans):
        names = ", ".join(plan.name for plan in plans)
        raise Refusal(f"no shape key of {names} has the name of a weight, such as {track.names[0]}")
    columns = dict(zip(track.names, track.weights.T, strict=True))
    for name in (name for plan in plans for name in plan.matched):
        if np.abs(columns[name]).max() > LARGEST_WEIGHT:
            raise Refusal(f"the weight {name} goes beyond {LARGEST_WEIGHT:g}, which shape keys cannot have")
    for thing, plan in zip(things, plans, strict=True):
        tracks = {key: columns[name] for name, key in plan.matched.items()}
        if tracks:
            still = dict.fromkeys(plan.stilled, np.zeros(len(frames)))
            write_weights(thing.data.shape_keys, tracks | still, frames)
            plan.bones, plan.lost = turn_joints(thing, plan.matched, track, frames)
    return plans


def _check_keys(thing: bpy.types.Object) -> None:
    keys, rig = thing.data.shape_keys, rig_of(thing)
    check_own(keys, f"the mesh of {thing.name}")
    if rig is not None:
        check_own(rig, rig.name)
    if not keys.use_relative:
        raise Refusal(
            f"the shape keys of {thing.name} are absolute, and follow no weights; make them relative"
        )


def _plan(thing: bpy.types.Object, names: list[str]) -> Applied:
    keys = thing.data.shape_keys
    shapes = [key.name for key in keys.key_blocks if key != keys.reference_key]
    met = matched(names, shapes)
    drivers = {d.data_path for d in keys.animation_data.drivers} if keys.animation_data else set()
    driven = [
        key for key in met.values() if f'key_blocks["{bpy.utils.escape_identifier(key)}"].value' in drivers
    ]
    unmet = [key for key in shapes if key not in met.values()]
    stilled = leftovers(thing, unmet)
    return Applied(
        thing.name,
        {name: key for name, key in met.items() if key not in driven},
        [name for name in names if name not in met],
        [key for key in unmet if key not in stilled],
        driven,
        stilled,
        [key for key in met.values() if keys.key_blocks[key].mute],
    )
