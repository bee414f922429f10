"""Animation curves written in bulk, by the interfaces of Blender 4.2 (actions) to 5.0 (layers and slots)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .errors import Refusal

LINEAR, AUTO_CLAMPED = 1, 4
"""What Blender's enumerations of interpolation and of handles number so."""
LARGEST_WEIGHT = 10.0
"""Blender's limit for the slider of a shape key."""


def check_own(block: bpy.types.ID, name: str) -> None:
    """See to it that a data-block is of this file; ``name`` is what the user calls it.

    Raises:
        Refusal: it is linked, so that its curves would be lost with the next saving.
    """
    if block.library is not None:
        raise Refusal(
            f"{name} is linked from {bpy.path.basename(block.library.filepath)}, where no curve can be "
            "kept; make it local or override it first"
        )


def curves_of(owner: bpy.types.ID) -> Any:
    """The collection of curves of a data-block, which gets an action where it has none."""
    data = owner.animation_data or owner.animation_data_create()
    action = data.action
    if action is None:
        action = data.action = bpy.data.actions.new(f"{owner.name} performance")
    if not hasattr(action, "slots"):
        return action.fcurves
    if data.action_slot is None:
        data.action_slot = action.slots.new(owner.id_type, owner.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(data.action_slot, ensure=True).fcurves


def curves_in(action: bpy.types.Action) -> Iterator[Any]:
    """All curves of an action, of whatever data-blocks."""
    if not hasattr(action, "layers"):
        yield from action.fcurves
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                yield from bag.fcurves


def write_curve(curves: Any, path: str, frames: NDArray, values: NDArray, index: int = 0) -> None:
    """Replace the curve of one property by (T,) values at (T,) frames, straight in between."""
    old = curves.find(path, index=index)
    if old is not None:
        curves.remove(old)
    curve = curves.new(path, index=index)
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.stack([frames, values], axis=1).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(len(frames), LINEAR, np.int32))
    for side in ("handle_left_type", "handle_right_type"):
        points.foreach_set(side, np.full(len(frames), AUTO_CLAMPED, np.int32))
    curve.update()


def write_vector(curves: Any, path: str, frames: NDArray, values: NDArray) -> None:
    """Write (T, C) values to the C curves of a vector or quaternion."""
    for index in range(values.shape[1]):
        write_curve(curves, path, frames, values[:, index], index)


def write_weights(keys: bpy.types.Key, tracks: dict[str, NDArray], frames: NDArray) -> None:
    """Write the curves of shape keys by name; sliders are widened where values go beyond them."""
    curves = curves_of(keys)
    for name, values in tracks.items():
        key = keys.key_blocks[name]
        # Blender clamps also what a curve says to the slider's range.
        key.slider_min = min(key.slider_min, float(values.min()))
        key.slider_max = max(key.slider_max, float(values.max()))
        write_curve(curves, f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', frames, values)


def retime(action: bpy.types.Action, first: float, per_key: float, start: int, step: float) -> None:
    """Move keys at ``first``, ``first + per_key``, ... to the frames ``start``, ``start + step``, ..."""
    for curve in curves_in(action):
        points = curve.keyframe_points
        places = np.empty(2 * len(points), np.float32)
        points.foreach_get("co", places)
        places[::2] = start + step * np.round((places[::2].astype(np.float64) - first) / per_key)
        points.foreach_set("co", places)
        curve.update()
