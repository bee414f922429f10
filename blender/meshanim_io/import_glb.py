"""A GLB of meshanim through Blender's own importer, then put on the frames that it stands for."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .building import rest_name
from .curves import curves_in, retime
from .errors import Refusal
from .scene import Clock, rate_of, set_rate


def import_glb(context: bpy.types.Context, path: Path, start: int = 1) -> str:
    """Import a performance and return what was done, in words.

    Blender's importer places keys by the scene's frame rate, from frame 0 on, and misreads a rate that is no
    whole number: key t lands here on the frame ``start + t``, whatever the rate is; in a scene whose rate
    others need, on the frame of the same moment.

    Raises:
        Refusal: the file cannot be used.
    """
    extras = _performance_extras(path)
    fps, count = float(extras["fps"]), int(extras["frames"])
    scene = context.scene
    clock, rate, blocks = Clock.of(scene, fps, start), rate_of(scene), set(bpy.data.user_map())
    actions, things = set(bpy.data.actions), set(scene.objects)
    set_rate(scene, max(1, round(fps)))
    try:
        # The shape that bones are drawn with would be one more mesh in the scene.
        bpy.ops.import_scene.gltf(filepath=str(path), disable_bone_shape=True)
    except (AttributeError, RuntimeError) as error:
        bpy.data.batch_remove(set(bpy.data.user_map()) - blocks)
        set_rate(scene, rate)
        said = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Location:")]
        raise Refusal(f"{path.name} was refused by Blender's glTF importer: {said[-1].strip()}") from error
    new = [action for action in bpy.data.actions if action not in actions]
    first = min((curve.range()[0] for action in new for curve in curves_in(action)), default=0.0)
    for action in new:
        retime(action, first, scene.render.fps / fps, start, clock.step)
    things = _without_place(context, set(scene.objects) - things)
    _keep_names(things, extras["targetNames"])
    _drop_stashes(things)
    set_rate(scene, rate)
    clock.set((count - 1) / fps, [thing for thing in things if thing.type == "MESH"])
    names = ", ".join(sorted(thing.name for thing in things if thing.type == "MESH"))
    return f"{names}: {count} frames at {fps:g} fps as {len(extras['targetNames'])} shape keys{clock.words}"


def _without_place(context: bpy.types.Context, things: set[bpy.types.Object]) -> set[bpy.types.Object]:
    """Take away the importer's empty that marks where a mesh with bones stood; the mesh gets its name."""
    empty = next((thing for thing in things if thing.type == "EMPTY" and not thing.children), None)
    mesh = next((thing for thing in things if thing.type == "MESH"), None)
    if empty is None or mesh is None:
        return things
    name = empty.name
    things = things - {empty}
    bpy.data.objects.remove(empty)
    mesh.name = name
    context.view_layer.objects.active = mesh
    return things


def _keep_names(things: set[bpy.types.Object], names: list[str]) -> None:
    """Give a shape its name back that the importer has given to the shape key at rest."""
    for keys in (thing.data.shape_keys for thing in things if thing.type == "MESH"):
        if keys and rest_name(names) != keys.reference_key.name:
            keys.reference_key.name = rest_name(names)
            for key, name in zip(list(keys.key_blocks)[1:], names, strict=False):
                key.name = name


def _drop_stashes(things: set[bpy.types.Object]) -> None:
    """Take away the importer's tracks, which hold the animation once more at the frames it came on."""
    for thing in things:
        owners = [thing, *([thing.data.shape_keys] if thing.type == "MESH" and thing.data.shape_keys else [])]
        for data in [owner.animation_data for owner in owners if owner.animation_data]:
            for track in list(data.nla_tracks) if data.action else ():
                data.nla_tracks.remove(track)


def _document(path: Path) -> dict[str, Any]:
    """The JSON of a GLB."""
    try:
        with open(path, "rb") as file:
            magic, _, total = struct.unpack("<4sII", file.read(12))
            size, kind = struct.unpack("<I4s", file.read(8))
            if magic != b"glTF" or kind != b"JSON" or total > path.stat().st_size:
                raise ValueError("not a whole GLB")
            document = json.loads(file.read(size))
    except FileNotFoundError as error:
        raise Refusal(f"{path} is not there, or is not a file") from error
    except (ValueError, struct.error) as error:
        raise Refusal(f"{path.name} cannot be read as a GLB, or is damaged") from error
    return document if isinstance(document, dict) else {}


def _performance_extras(path: Path) -> dict[str, Any]:
    """What meshanim writes beside the mesh: frame rate, number of frames, names of the targets."""
    try:
        for mesh in _document(path).get("meshes", ()):
            extras = mesh.get("extras") or {}
            if isinstance(extras, dict) and {"fps", "frames", "targetNames"} <= extras.keys():
                fps, frames = extras["fps"], extras["frames"]
                if np.isfinite(fps) and fps > 0 and frames > 0 and isinstance(extras["targetNames"], list):
                    return extras
    except (AttributeError, TypeError) as error:
        raise Refusal(f"{path.name} cannot be read as a GLB, or is damaged") from error
    raise Refusal(f"{path.name} is not a performance of meshanim; use Blender's own glTF import")
