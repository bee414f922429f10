"""Runs inside Blender, in a process of its own: makes the scene of a performance and saves it.

Imports nothing of meshanim: whichever Python Blender brings, it has ``bpy`` and NumPy. The last argument is
JSON: ``data``, an NPZ that :mod:`meshanim.export.blender` hands over; ``cache``, a PC2 or null; ``picture``,
a PNG or null; ``path``.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path
from typing import Any

import bpy
import numpy as np

LINEAR = 1
"""Blender's number for linear interpolation of a key."""


def _z_up(points: np.ndarray) -> np.ndarray:
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def _add_curve(owner: Any, path: str, index: int, values: np.ndarray) -> None:
    """Keys of one number of ``owner`` at the frames 0, 1, 2 ..."""
    owner.keyframe_insert(path, index=index, frame=0)
    animation = owner.animation_data
    curves = animation.action.layers[0].strips[0].channelbag(animation.action_slot).fcurves
    curve = next(c for c in curves if c.data_path == path and c.array_index == max(index, 0))
    curve.keyframe_points.add(len(values) - 1)
    keys = np.stack([np.arange(len(values)), values], axis=1)
    curve.keyframe_points.foreach_set("co", keys.astype(np.float32).ravel())
    curve.keyframe_points.foreach_set("interpolation", np.full(len(values), LINEAR, dtype=np.int32))
    curve.update()


def _set_time(fps: float, frames: int) -> None:
    scene = bpy.context.scene
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    scene.frame_start, scene.frame_end = 0, frames - 1
    scene.frame_set(0)


def _material(name: str, picture: str | None) -> Any:
    """Coloured by the vertices, or by a picture, which is packed."""
    material = bpy.data.materials.new(name)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    if picture is None:
        colour = nodes.new("ShaderNodeVertexColor")
        colour.layer_name = "Color"
    else:
        colour = nodes.new("ShaderNodeTexImage")
        colour.image = bpy.data.images.load(picture)
        colour.image.pack()
    surface = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    links.new(colour.outputs["Color"], surface.inputs["Base Color"])
    return material


def _add_object(name: str, data: dict[str, np.ndarray], picture: str | None) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(_z_up(data["vertices"]).tolist(), [], data["faces"].tolist())
    mesh.shade_smooth()
    if len(data["uv"]):
        corners = data["uv"][data["uv_faces"].ravel()]
        mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", corners.astype(np.float32).ravel())
    colours = mesh.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    colours.data.foreach_set("color", data["colours"].astype(np.float32).ravel())
    mesh.materials.append(_material("face", picture))
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    ends = np.cumsum(data["group_sizes"])
    for group, vertices in zip(data["group_names"], np.split(data["group_vertices"], ends), strict=False):
        item.vertex_groups.new(name=str(group)).add(vertices.tolist(), 1.0, "REPLACE")
    return item


def _add_sound(name: str, samples: np.ndarray, rate: int, folder: Path) -> None:
    """Samples (N,) in [-1, 1] in the sequencer, packed, where this Blender has sound."""
    if not len(samples) or not bpy.app.build_options.audaspace:
        return
    place = folder / f"{name}.wav"
    with wave.open(str(place), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples * 2**15).round().clip(-(2**15), 2**15 - 1).astype("<i2").tobytes())
    strip = bpy.context.scene.sequence_editor_create().strips.new_sound(name, str(place), 1, 0)
    strip.sound.pack()
    bpy.context.scene.sync_mode = "AUDIO_SYNC"


def _add_head_motion(item: Any, rotation: np.ndarray, translation: np.ndarray) -> None:
    """Rotations (T, 4) XYZW and translations (T, 3), Y up."""
    if not len(rotation):
        return
    item.rotation_mode = "QUATERNION"
    turns = np.concatenate([rotation[:, 3:], _z_up(rotation[:, :3])], axis=1)
    for index, values in enumerate(turns.T):
        _add_curve(item, "rotation_quaternion", index, values)
    for index, values in enumerate(_z_up(translation).T):
        _add_curve(item, "location", index, values)


def _add_shapes(
    item: Any, names: list[str], basis: np.ndarray, weights: np.ndarray, rest: np.ndarray
) -> None:
    # Blender would give a shape of the same name another one.
    item.shape_key_add(name="Basis" if "Basis" not in names else "Rest", from_mix=False)
    for name, shape in zip(names, basis, strict=True):
        key = item.shape_key_add(name=name, from_mix=False)
        key.data.foreach_set("co", _z_up(rest + shape).astype(np.float32).ravel())
    keys = item.data.shape_keys
    for block, values in zip(list(keys.key_blocks)[1:], weights.T, strict=True):
        path = f'key_blocks["{bpy.utils.escape_identifier(block.name)}"].value'
        _add_curve(keys, path, -1, values)


def _add_cache(item: Any, path: str) -> None:
    modifier = item.modifiers.new("motion", "MESH_CACHE")
    modifier.cache_format, modifier.filepath, modifier.frame_start = "PC2", path, 0
    modifier.forward_axis, modifier.up_axis = "POS_Y", "POS_Z"


def _save(path: str, frames: int) -> None:
    suffix = Path(path).suffix.lower()
    if suffix == ".blend":
        bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False, copy=True)
    elif suffix == ".fbx":
        bpy.ops.export_scene.fbx(
            filepath=path,
            check_existing=False,
            object_types={"MESH"},
            bake_anim_use_all_actions=False,
            bake_anim_use_nla_strips=False,
            bake_anim_simplify_factor=0.0,
            colors_type="LINEAR",
            path_mode="COPY",
            embed_textures=True,
        )
    else:
        bpy.ops.wm.alembic_export(
            filepath=path, check_existing=False, start=0, end=frames - 1, as_background_job=False
        )


def _check_whole(path: Path, name: str) -> None:
    """Raise where the file is not whole: on a full disk Blender says that it saved."""
    if path.suffix == ".blend":
        with bpy.data.libraries.load(str(path)) as (found, _):
            if name not in found.objects:
                raise OSError("the file is not whole")
    elif path.suffix == ".abc":
        # Ogawa's last step is to mark the file, and to say where its root is, which comes last.
        with open(path, "rb") as file:
            head = file.read(16)
        root = int.from_bytes(head[8:], "little")
        if head[:6] != b"Ogawa\xff" or root + 8 > path.stat().st_size:
            raise OSError("the file is not whole")


def main() -> None:
    """Do what the last argument says."""
    order = json.loads(sys.argv[-1])
    with np.load(order["data"], allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    bpy.ops.wm.read_factory_settings(use_empty=True)
    frames = int(data["frames"])
    _set_time(float(data["fps"]), frames)
    item = _add_object(str(data["name"]), data, order["picture"])
    _add_sound(str(data["name"]), data["waveform"], int(data["sample_rate"]), Path(order["data"]).parent)
    _add_head_motion(item, data["rotation"], data["translation"])
    if order["cache"] is None:
        _add_shapes(item, data["names"].tolist(), data["basis"], data["weights"], data["vertices"])
    else:
        _add_cache(item, order["cache"])
    _save(order["path"], frames)
    _check_whole(Path(order["path"]), str(data["name"]))


if __name__ == "__main__":
    main()
