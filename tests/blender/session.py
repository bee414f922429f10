"""Runs inside Blender: installs the extension, calls its operators, and writes down what came of it.

Arguments: the extension's ZIP, and a folder that holds the files to import; ``facts.json`` and ``arrays.npz``
are written there. The tests beside this file judge them.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import bpy
import numpy as np

EXTENSION, FOLDER = (Path(argument) for argument in sys.argv[-2:])
MODULE = "bl_ext.user_default.meshanim_io"
KEYS = ("jawOpen", "MouthSmileLeft", "ARKit_browDownLeft", "eyeBlink_L", "smirk", "tongueOut.001")

facts: dict[str, Any] = {}
arrays: dict[str, np.ndarray] = {}


def traces() -> list[bool]:
    """Whether Blender knows each of the things that the extension registers."""
    names = [name for name in dir(bpy.types) if "meshanim" in name.lower() or name == "RotationTarget"]
    draws = getattr(bpy.types.TOPBAR_MT_file_import.draw, "_draw_funcs", ())
    menus = [draw for draw in draws if draw.__module__.startswith(MODULE)]
    return [bool(names), hasattr(bpy.types.Scene, "meshanim"), len(menus) == 1]


def install() -> None:
    before = traces()
    bpy.ops.extensions.package_install_files(
        filepath=str(EXTENSION), repo="user_default", enable_on_install=True
    )
    states = [before, traces()]
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=MODULE)
        states.append(traces())
        bpy.ops.preferences.addon_enable(module=MODULE)
        states.append(traces())
    facts["states"] = states
    facts["has_sound"] = bpy.app.build_options.audaspace


def fresh() -> None:
    """An empty file; factory settings would switch the extension off again."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)


def attempt(operator: Callable[..., Any], file: str, **options: Any) -> str:
    """What an operator complains about; empty where it does not."""
    try:
        operator(filepath=str(FOLDER / file), **options)
    except RuntimeError as error:
        return str(error)
    return ""


def vertices(thing: Any, frame: int, subframe: float = 0.0) -> np.ndarray:
    """(V, 3) evaluated vertices in the world."""
    bpy.context.scene.frame_set(frame, subframe=subframe)
    seen = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    found = np.empty(3 * len(seen.data.vertices), np.float32)
    seen.data.vertices.foreach_get("co", found)
    matrix = np.array(seen.matrix_world)
    return found.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def channels(owner: Any) -> list[Any]:
    action = owner.animation_data.action
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    return [curve for bag in action.layers[0].strips[0].channelbags for curve in bag.fcurves]


def strips(scene: Any) -> list[Any]:
    editor = scene.sequence_editor
    return list(editor.strips if hasattr(editor, "strips") else editor.sequences) if editor else []


def describe(name: str, thing: Any) -> None:
    """Write down vertices of the first, a middle and the last frame, and what else was set."""
    scene = bpy.context.scene
    start, end = scene.frame_start, scene.frame_end
    arrays[name] = np.stack([vertices(thing, frame) for frame in (start, (start + end) // 2, end)])
    between = [vertices(thing, frame, half) for frame in range(start, end) for half in (0.0, 0.5)]
    arrays[f"{name}_between"] = np.stack([*between, vertices(thing, end)])
    keys = thing.data.shape_keys
    owners = [owner for owner in (thing, keys) if owner and owner.animation_data]
    facts[name] = {
        "fps": scene.render.fps / scene.render.fps_base,
        "range": [start, end],
        "keys": [key.name for key in keys.key_blocks] if keys else [],
        "cache_modes": [
            os.stat(bpy.path.abspath(found.filepath)).st_mode & 0o777
            for found in thing.modifiers
            if found.type == "MESH_CACHE"
        ],
        "modifiers": [found.filepath for found in thing.modifiers if found.type == "MESH_CACHE"],
        "groups": {group.name: 0 for group in thing.vertex_groups},
        "materials": [material.name for material in thing.data.materials],
        "curve_keys": [[p.co.x for p in curve.keyframe_points] for o in owners for curve in channels(o)],
        "tracks": sum(len(owner.animation_data.nla_tracks) for owner in owners),
        "selected": bpy.context.object == thing,
        "things": {found.name: found.type for found in bpy.data.objects},
        "sounds": [
            [strip.frame_final_start, strip.frame_final_duration, bool(strip.sound.packed_file)]
            for strip in strips(scene)
        ],
    }
    for vertex in thing.data.vertices:
        for place in vertex.groups:
            facts[name]["groups"][thing.vertex_groups[place.group].name] += 1


def import_file(name: str, file: str, **options: Any) -> Any:
    fresh()
    bpy.ops.import_scene.meshanim(filepath=str(FOLDER / file), **options)
    thing = next(thing for thing in bpy.context.scene.objects if thing.type == "MESH")
    describe(name, thing)
    return thing


def import_all() -> None:
    thing = import_file("keyed", "keyed.npz")
    mesh = thing.data
    arrays["uv"] = np.array([corner.vector[:] for corner in mesh.uv_layers[0].uv])
    arrays["faces"] = np.array([polygon.vertices[:] for polygon in mesh.polygons])
    arrays["slots"] = np.array([polygon.material_index for polygon in mesh.polygons])
    import_file("keyed_as_cache", "keyed.npz", motion="CACHE", start=101)
    import_file("twisted", "twisted.npz", folder=str(FOLDER / "resources"))
    import_file("residual", "residual.npz")
    import_file("residual_as_keys", "residual.npz", motion="KEYS")
    import_file("keyed_glb", "keyed.glb")
    import_file("named_basis", "named_basis.npz")
    import_file("named_basis_glb", "named_basis.glb")
    import_file("twisted_glb", "twisted.glb", start=50)
    import_file("jointed_glb", "jointed.glb")


def import_while_editing() -> None:
    """Another object is being edited: it must not stay so beside the one that comes."""
    facts["modes"] = {}
    for file in ("keyed.npz", "keyed.glb"):
        fresh()
        edited = keyed_mesh("Edited")
        bpy.context.view_layer.objects.active = edited
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.import_scene.meshanim(filepath=str(FOLDER / file))
        facts["modes"][file] = [edited.mode, bpy.context.object.name, bpy.context.object.mode]


def import_saved() -> None:
    """With the .blend saved the cache lies beside it, and is found again when both have moved."""
    fresh()
    place, moved = FOLDER / "saved", FOLDER / "moved"
    place.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "scene.blend"))
    bpy.ops.import_scene.meshanim(filepath=str(FOLDER / "twisted.npz"))
    bpy.ops.import_scene.meshanim(filepath=str(FOLDER / "keyed.npz"))
    bpy.ops.wm.save_mainfile()
    place.rename(moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "scene.blend"))
    describe("saved", bpy.data.objects["twisted"])


def import_several() -> None:
    """Performances of several rates in one scene, each of which is then seen frame by frame of its own."""
    fresh()
    scene = bpy.context.scene
    told: dict[str, Any] = {}
    found: dict[str, Any] = {}
    bring, apply = bpy.ops.import_scene.meshanim, bpy.ops.object.meshanim_apply_weights
    rates = {"residual.npz": 24, "keyed.npz": 29.97, "jointed.glb": 25, "twisted.npz": 2.5}
    for number, file in enumerate(rates):
        before = set(scene.objects)
        bring(filepath=str(FOLDER / file), start=1 + 10 * number)
        (found[file],) = (thing for thing in set(scene.objects) - before if thing.type == "MESH")
    told["range"] = [scene.frame_start, scene.frame_end]
    told["sounds"] = [strip.frame_final_duration for strip in strips(scene)]
    for thing in scene.objects:
        thing.select_set(False)
    thing = keyed_mesh("Face")
    apply(filepath=str(FOLDER / "take.csv"), start=10)
    told["fps"] = scene.render.fps / scene.render.fps_base
    curve = next(c for c in channels(thing.data.shape_keys) if "jawOpen" in c.data_path)
    told["applied"] = [p.co.x for p in curve.keyframe_points]
    for number, (file, fps) in enumerate(rates.items()):
        places = [1 + 10 * number + frame * 24 / fps for frame in (0, 5, 11)]
        seen = [vertices(found[file], int(place), place - int(place)) for place in places]
        arrays[f"several {file}"] = np.stack(seen)
    fresh()
    bring(filepath=str(FOLDER / "slow.npz"))
    told["too fast"] = attempt(bring, "fast.npz")
    told["left"] = len(bpy.context.scene.objects)
    for file in ("keyed.npz", "still.npz"):
        import_file("turning", file)
        apply(filepath=str(FOLDER / "take.csv"))
        told[file] = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    facts["several"] = told


def keyed_mesh(name: str, keys: tuple[str, ...] = KEYS) -> Any:
    """A selected triangle with shape keys."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    thing.shape_key_add(name="Basis")
    for key in keys:
        thing.shape_key_add(name=key).value = 0.0
    thing.select_set(True)
    return thing


def values(thing: Any, frame: int) -> dict[str, float]:
    bpy.context.scene.frame_set(frame)
    seen = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {key.name: key.value for key in seen.data.shape_keys.key_blocks}


def apply_all() -> None:
    fresh()
    first, second = keyed_mesh("First"), keyed_mesh("Second", ("jaw Open", "eyeBlinkLeft"))
    second.data.shape_keys.key_blocks["eyeBlinkLeft"].driver_add("value")
    targets, rig = bpy.context.scene.meshanim, rigged()
    targets.head.thing, targets.head.bone = rig, "head"
    eye = bpy.data.objects.new("Eye", None)
    eye.rotation_euler = (0.5, 0.2, -1.0)
    bpy.context.collection.objects.link(eye)
    bpy.context.view_layer.update()
    arrays["eye_before"] = np.array(eye.matrix_world)[:3, :3]
    targets.left_eye.thing = eye
    bpy.ops.object.meshanim_apply_weights(filepath=str(FOLDER / "take.csv"), start=10)
    tracks, apply_track = (importlib.import_module(f"{MODULE}.{name}") for name in ("tracks", "apply_track"))
    track = tracks.read_track(FOLDER / "take.csv")
    plans = apply_track.apply_weights([first, second], track, 10 + 60 * track.seconds)
    scene = bpy.context.scene
    facts["applied"] = {
        "values": [values(first, frame) for frame in (10, 85, 159)],
        "second": values(second, 159),
        "plans": [vars(plan) for plan in plans],
        "words": [str(plan) for plan in plans],
        "fps": scene.render.fps / scene.render.fps_base,
        "range": [scene.frame_start, scene.frame_end],
    }
    bone = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["head"]
    arrays["head_turn"] = np.array(bone.matrix @ bone.bone.matrix_local.inverted())[:3, :3]
    arrays["eye_after"] = np.array(eye.matrix_world)[:3, :3]


def rigged() -> Any:
    """An armature with a bone that lies askew."""
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("head")
    bone.head, bone.tail, bone.roll = (0, 0, 0), (0.1, 0.3, 1), 0.7
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def apply_beyond_reach() -> None:
    """Targets that cannot be turned, and shape keys that weights do not move, or not where it is seen."""
    told: dict[str, str] = {}
    apply = bpy.ops.object.meshanim_apply_weights
    fresh()
    thing, target = keyed_mesh("First"), bpy.context.scene.meshanim.head
    target.thing, target.bone = rigged(), "gone"
    told["bone gone"] = attempt(apply, "take.csv")
    untouched = [thing.data.shape_keys.animation_data is None]
    target.thing = bpy.data.objects.new("Empty", None)
    told["bone of an object before"] = attempt(apply, "take.csv")
    facts["turned_instead"] = [curve.data_path for curve in channels(target.thing)]
    fresh()
    absolute = keyed_mesh("Absolute")
    absolute.data.shape_keys.use_relative = False
    told["absolute"] = attempt(apply, "take.csv")
    untouched.append(absolute.data.shape_keys.animation_data is None)
    facts["out_of_reach"], facts["unmoved"] = told, untouched


def apply_to_linked() -> None:
    """A mesh of another file, beside one of this file that has its name; then overridden, and saved."""
    fresh()
    keyed_mesh("Face")
    library, scene = str(FOLDER / "library.blend"), str(FOLDER / "linking.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    fresh()
    bpy.ops.wm.save_as_mainfile(filepath=scene)
    own = keyed_mesh("Face")
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = ["Face"]
    linked = wanted.objects[0]
    bpy.context.collection.objects.link(linked)
    linked.select_set(True)
    apply = bpy.ops.object.meshanim_apply_weights
    told = [attempt(apply, "take.csv")]
    untouched = [thing.data.shape_keys.animation_data is None for thing in (own, linked)]
    twin = linked.override_create()
    twin.data.override_create(remap_local_usages=True)
    bpy.context.collection.objects.link(twin)
    linked.select_set(False)
    twin.select_set(True)
    told.append(attempt(apply, "take.csv"))
    kept = [thing.data.shape_keys.animation_data is not None for thing in (own, twin)]
    facts["linked"] = {"told": told, "untouched": untouched, "moved": kept}


def apply_npz_again() -> None:
    """An NPZ over an earlier CSV, in a scene that keeps its own frame rate."""
    fresh()
    thing = keyed_mesh("Again")
    bpy.ops.object.meshanim_apply_weights(filepath=str(FOLDER / "take.csv"))
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 60, 1.0
    target = bpy.data.objects.new("Target", None)
    bpy.context.collection.objects.link(target)
    scene.meshanim.left_eye.thing = target
    bpy.ops.object.meshanim_apply_weights(filepath=str(FOLDER / "keyed.npz"), set_clock=False)
    keys = thing.data.shape_keys
    curve = next(c for c in channels(keys) if "jawOpen" in c.data_path)
    facts["again"] = {
        "curves": len(channels(keys)),
        "places": [p.co.x for p in curve.keyframe_points],
        "sliders": [[k.slider_min, k.slider_max] for k in keys.key_blocks],
        "fps": scene.render.fps / scene.render.fps_base,
        "range": [scene.frame_start, scene.frame_end],
    }
    bpy.context.view_layer.update()
    arrays["gaze_turn"] = np.array(target.matrix_world)[:3, :3]


def apply_to_joints() -> None:
    """Another take onto a face that came with bones, from either file."""
    for file in ("retake.csv", "retake.npz"):
        thing = import_file("jointed", "jointed.glb")
        bpy.ops.object.meshanim_apply_weights(filepath=str(FOLDER / file))
        describe(file, thing)
    facts["bones"] = [curve.data_path for curve in channels(thing.parent) if "bones" in curve.data_path]
    tracks, apply_track = (importlib.import_module(f"{MODULE}.{name}") for name in ("tracks", "apply_track"))
    track = tracks.read_track(FOLDER / "retake.npz")
    (plan,) = apply_track.apply_weights([thing], track, 1 + 25 * track.seconds)
    facts["retaken"] = {"plans": [vars(plan)], "words": str(plan), "values": values(thing, 6)}
    thing.parent.data.bones["jaw"].name = "Kiefer"
    thing.data.shape_keys.key_blocks["mouthFunnel"].mute = True
    facts["unseen"] = str(apply_track.apply_weights([thing], track, 1 + 25 * track.seconds)[0])


def apply_clocks() -> None:
    """Takes whose timecodes count otherwise than their frames follow."""
    clocks: dict[str, Any] = {}
    for file, options in (
        ("brief.csv", {}),
        ("brief.csv", {"fps": 59.94}),
        ("film.csv", {}),
        ("cinema.csv", {}),
        ("gaps.csv", {}),
        ("late.csv", {}),
        ("twice.csv", {}),
    ):
        fresh()
        thing = keyed_mesh("Clock")
        bpy.ops.object.meshanim_apply_weights(filepath=str(FOLDER / file), **options)
        scene = bpy.context.scene
        curve = next(c for c in channels(thing.data.shape_keys) if "jawOpen" in c.data_path)
        clocks[f"{file} {options.get('fps', '')}".strip()] = {
            "places": [p.co.x for p in curve.keyframe_points],
            "values": [p.co.y for p in curve.keyframe_points],
            "fps": scene.render.fps / scene.render.fps_base,
        }
    facts["clocks"] = clocks


def apply_long() -> None:
    fresh()
    names = sys.modules[f"{MODULE}.names"].ARKIT_NAMES
    thing = keyed_mesh("Long", names)
    begun = time.perf_counter()
    bpy.ops.object.meshanim_apply_weights(filepath=str(FOLDER / "long.csv"))
    facts["long"] = {
        "seconds": time.perf_counter() - begun,
        "points": sum(len(curve.keyframe_points) for curve in channels(thing.data.shape_keys)),
    }


def refuse_all() -> None:
    """Wrong files and selections: what the operators say, and that nothing was made."""
    fresh()
    bpy.context.scene.render.fps = 31
    told: dict[str, str] = {}
    imported = ["gone.npz", "gone.glb", "take.csv", "noise.npz", "noise.glb", "foreign.glb", "no_faces.npz"]
    imported += ["broken.glb", "late_break.glb", "rate.glb", "meshes.glb", "list.glb"]
    imported += ["outside.npz", "short.npz", "later.npz", "inches.npz", "pickled.npz", "nan.npz"]
    bring = bpy.ops.import_scene.meshanim
    told |= {file: attempt(bring, file) for file in imported}
    told["keys wanted"] = attempt(bring, "twisted.npz", motion="KEYS")
    told["large keys"] = attempt(bring, "large.npz", motion="KEYS")
    told["no folder"] = attempt(bring, "twisted.npz", folder=str(FOLDER / "nowhere"))
    facts["left"] = [len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.actions)]
    facts["rate_left"] = bpy.context.scene.render.fps
    apply = bpy.ops.object.meshanim_apply_weights
    told["nothing selected"] = attempt(apply, "take.csv")
    thing = keyed_mesh("Wrong", ("smirk",))
    texts = ("noise.csv", "empty.csv", "columns.csv", "faceless.csv", "torn.csv", "words.csv")
    told |= {file: attempt(apply, file) for file in texts}
    others = ("backwards.csv", "gone.csv", "twisted.npz", "keyed.glb", "take.csv")
    told |= {f"apply {file}": attempt(apply, file) for file in others}
    apart = keyed_mesh("Apart")
    told["apply large.npz"] = attempt(apply, "large.npz")
    facts["untouched"] = all(each.data.shape_keys.animation_data is None for each in (thing, apart))
    facts["told"] = told


def import_damaged() -> None:
    """Every array of a whole file left out, replaced by text, cut, and given one more dimension."""
    with np.load(FOLDER / "keyed.npz") as archive:
        whole = dict(archive)
    told: dict[str, str] = {}
    for name, array in whole.items():
        rest = {key: value for key, value in whole.items() if key != name}
        changes = {
            "missing": {},
            "text": {name: np.array("so")},
            "cut": {name: array[:-1] if array.ndim else array},
            "deeper": {name: array[None]},
        }
        fresh()
        for damage, change in changes.items():
            np.savez(FOLDER / "damaged.npz", **rest | change)
            told[f"{name} {damage}"] = attempt(bpy.ops.import_scene.meshanim, "damaged.npz", motion="CACHE")
    facts["damaged"] = told


def draw_panel() -> None:
    """The panel has no screen here; it draws on a stand-in."""
    fresh()
    bpy.context.scene.meshanim.head.thing = rigged()
    layout = MagicMock()
    bpy.types.VIEW3D_PT_meshanim.draw(SimpleNamespace(layout=layout), bpy.context)
    facts["buttons"] = [call.args[0] for call in layout.operator.call_args_list]
    facts["searches"] = layout.column.return_value.prop_search.call_count


for step in (install, import_all, import_while_editing, import_saved, import_several):
    step()
for step in (
    apply_all,
    apply_npz_again,
    apply_beyond_reach,
    apply_to_linked,
    apply_to_joints,
    apply_clocks,
    apply_long,
    refuse_all,
    import_damaged,
    draw_panel,
):
    step()
(FOLDER / "facts.json").write_text(json.dumps(facts))
np.savez(FOLDER / "arrays.npz", **arrays)  # type: ignore[arg-type]
# Blender 4.2's module crashes while it shuts down, whatever was done with it; all is written by now.
os._exit(0)
