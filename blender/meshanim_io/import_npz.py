"""An NPZ as an object: shape keys where its weights explain its vertices, else a Mesh Cache."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from . import axes
from .building import add_shape_keys, build_object
from .curves import LARGEST_WEIGHT, curves_of, write_vector, write_weights
from .errors import Refusal
from .materials import add_materials
from .performance import Performance, read_performance
from .point_cache import add_point_cache, cache_folder, check_step, write_pc2
from .scene import Clock, add_sound

LARGEST_ERROR = 1e-5
"""Metres that shape keys may be off where the user left the choice to us."""


def _within(found: Performance) -> bool:
    return float(np.abs(found["weights"]).max(initial=0)) <= LARGEST_WEIGHT


def _explained(found: Performance) -> bool:
    return bool(found.weight_names) and _within(found) and found.unexplained <= LARGEST_ERROR


def import_npz(
    context: bpy.types.Context, path: Path, motion: str = "AUTO", folder: str = "", start: int = 1
) -> str:
    """Import a performance into the context's collection and scene, and return what was done, in words.

    Vertices without named weights become a Mesh Cache rather than shape keys of our making: it is exact,
    takes any length, and never holds the motion in memory. A GLB carries principal components, for those who
    want these.

    Args:
        context: of the operator.
        path: the ``.npz``.
        motion: "KEYS", "CACHE", or "AUTO": shape keys where these are within :data:`LARGEST_ERROR`.
        folder: for the point cache; beside the .blend, or else beside the NPZ, where empty.
        start: first frame.

    Raises:
        Refusal: the file cannot be used, or the cache cannot be written.
    """
    found = read_performance(path)
    if motion == "KEYS" and not found.weight_names:
        raise Refusal(f"{path.name} moves vertices and has no named weights; import it as a Mesh Cache")
    if motion == "KEYS" and not _within(found):
        raise Refusal(
            f"{path.name} has weights beyond {LARGEST_WEIGHT:g}, which shape keys cannot have; "
            "import it as a Mesh Cache"
        )
    keyed = motion == "KEYS" or (motion == "AUTO" and _explained(found))
    clock = Clock.of(context.scene, found.fps, start)
    if not keyed:
        check_step(clock.step, path)
    cache = None if keyed else write_pc2(found, cache_folder(found, folder))
    thing = build_object(context.collection, found, path.stem)
    add_materials(thing, found)
    if cache is None:
        how = _animate_keys(thing, found, clock)
    else:
        add_point_cache(thing, cache, start, clock.step)
        how = f"as a Mesh Cache, {cache.name}"
    _animate_head(thing, found, clock)
    clock.set((found.frame_count - 1) / found.fps, [thing])
    if "waveform" in found:
        add_sound(context.scene, path.stem, found["waveform"], int(found["sample_rate"]), start)
    _select(context, thing)
    return f"{thing.name}: {found.frame_count} frames at {found.fps:g} fps {how}{clock.words}"


def _animate_keys(thing: bpy.types.Object, found: Performance, clock: Clock) -> str:
    weights = found["weights"]
    given = add_shape_keys(thing, found.weight_names, found["basis"])
    tracks = dict(zip(given, weights.T, strict=True))
    write_weights(thing.data.shape_keys, tracks, clock.frames(found.frame_count))
    off = 1000 * found.unexplained
    return f"as {len(given)} shape keys" + (f", off by up to {off:.2g} mm" if off else "")


def _animate_head(thing: bpy.types.Object, found: Performance, clock: Clock) -> None:
    """Head motion as the object's own: location and quaternion."""
    thing.rotation_mode = "QUATERNION"
    if "head_motion" not in found:
        return
    motion, curves, frames = found["head_motion"], curves_of(thing), clock.frames(found.frame_count)
    write_vector(curves, "rotation_quaternion", frames, axes.from_axis_angle(motion[:, :3]))
    write_vector(curves, "location", frames, axes.to_z_up(motion[:, 3:]))


def _select(context: bpy.types.Context, thing: bpy.types.Object) -> None:
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in context.view_layer.objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
