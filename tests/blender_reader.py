"""Runs inside Blender: opens files that it is told on standard input, and says what is in them.

Each line of standard input is a JSON object with ``path`` (a file that Blender imports by its suffix, or a
``.blend``), ``frames`` (numbers of the scene's frames), ``answer`` (an NPZ to write), and where wanted:

* ``fps``: what the scene is set to before the import;
* ``save``: a GLB or USD file to export, once the file is open;
* ``cache``: a PC2 or MDD file that a Mesh Cache modifier plays on the imported mesh, Y up.

For each one line ``done`` is printed, or ``failed: why``. The answer holds ``vertices`` (N, V, 3) of all
meshes, evaluated at the frames, in the world, Y up, one mesh after the other; ``local`` (N, V, 3) before the
objects' own transform, in Blender's axes; ``matrices`` (N, 4, 4) of the first object; ``faces`` (F, 3) or
(F, 4); ``uv`` (L, 2) of the corners; and ``about``, JSON with fps, frame range, and names.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import bpy
import numpy as np

IMPORTERS = {
    ".abc": lambda path: bpy.ops.wm.alembic_import(filepath=path, as_background_job=False),
    ".fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0),
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".obj": lambda path: bpy.ops.wm.obj_import(filepath=path),
    ".ply": lambda path: bpy.ops.wm.ply_import(filepath=path, forward_axis="NEGATIVE_Z", up_axis="Y"),
    ".usda": lambda path: bpy.ops.wm.usd_import(filepath=path),
    ".usdc": lambda path: bpy.ops.wm.usd_import(filepath=path),
    ".usdz": lambda path: bpy.ops.wm.usd_import(filepath=path),
    ".blend": lambda path: bpy.ops.wm.open_mainfile(filepath=path),
}
EXPORTERS = {
    ".glb": lambda path: bpy.ops.export_scene.gltf(filepath=path, export_format="GLB"),
    ".usdc": lambda path: bpy.ops.wm.usd_export(filepath=path, export_animation=True),
}
Z_UP_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def meshes() -> list[Any]:
    return sorted((o for o in bpy.context.scene.objects if o.type == "MESH"), key=lambda o: o.name)


def add_cache(path: str) -> None:
    """Play a point cache, one sample per frame from frame 0 on."""
    modifier = meshes()[0].modifiers.new("cache", "MESH_CACHE")
    modifier.cache_format = Path(path).suffix[1:].upper()
    modifier.filepath = path
    modifier.frame_start = 0
    modifier.forward_axis, modifier.up_axis = "POS_Y", "POS_Z"


def open_file(order: dict[str, Any]) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if "fps" in order:
        bpy.context.scene.render.fps = order["fps"]
        bpy.context.scene.render.fps_base = 1.0
    IMPORTERS[Path(order["path"]).suffix](order["path"])
    if "cache" in order:
        add_cache(order["cache"])
    if "save" in order:
        EXPORTERS[Path(order["save"]).suffix](order["save"])


def coordinates(mesh: Any) -> np.ndarray:
    values = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", values)
    return values.reshape(-1, 3).astype(np.float64)


def at_frame(frame: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """World positions Y up, local ones, and the first object's matrix."""
    bpy.context.scene.frame_set(int(frame), subframe=frame % 1)
    graph = bpy.context.evaluated_depsgraph_get()
    world, local, matrices = [], [], []
    for item in meshes():
        seen = item.evaluated_get(graph)
        mesh = seen.to_mesh()
        matrices.append(np.array(seen.matrix_world))
        local.append(coordinates(mesh))
        world.append((local[-1] @ matrices[-1][:3, :3].T + matrices[-1][:3, 3]) @ Z_UP_TO_Y_UP.T)
        seen.to_mesh_clear()
    return np.concatenate(world), np.concatenate(local), matrices[0]


def about() -> dict[str, Any]:
    scene, items = bpy.context.scene, meshes()
    keys = [item.data.shape_keys for item in items]
    return {
        "fps": scene.render.fps / scene.render.fps_base,
        "frames": [scene.frame_start, scene.frame_end],
        "objects": [item.name for item in items],
        "all_objects": [item.name for item in scene.objects],
        "shape_keys": [[block.name for block in key.key_blocks] if key else [] for key in keys],
        "materials": [[slot.name for slot in item.material_slots] for item in items],
        "actions": [list(action.frame_range) for action in bpy.data.actions],
        "bones": [bone.name for item in scene.objects if item.type == "ARMATURE" for bone in item.data.bones],
        "starts": np.cumsum([0, *(len(item.data.vertices) for item in items[:-1])]).tolist(),
        "groups": {group.name: group.index for item in items for group in item.vertex_groups},
        "pictures": [[image.name, bool(image.packed_file), *image.size] for image in bpy.data.images],
        "unit": [scene.unit_settings.system, scene.unit_settings.scale_length],
        "sounds": [strip.sound.filepath for strip in getattr(scene.sequence_editor, "strips", ())],
    }


def answer(order: dict[str, Any]) -> None:
    open_file(order)
    world, local, matrices = zip(*(at_frame(frame) for frame in order["frames"]), strict=True)
    mesh = meshes()[0].data
    uv = np.array([corner.uv[:] for corner in mesh.uv_layers[0].data]) if mesh.uv_layers else np.zeros((0, 2))
    np.savez(
        order["answer"],
        vertices=np.stack(world),
        local=np.stack(local),
        matrices=np.stack(matrices),
        faces=np.array([polygon.vertices[:] for polygon in mesh.polygons]),
        uv=uv,
        about=json.dumps(about()),
    )


def main() -> None:
    for line in sys.stdin:
        try:
            answer(json.loads(line))
            print("done", flush=True)
        except Exception as fault:
            traceback.print_exc()
            print(f"failed: {type(fault).__name__}: {' '.join(str(fault).split())}", flush=True)


if __name__ == "__main__":
    main()
