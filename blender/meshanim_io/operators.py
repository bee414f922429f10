"""What the menus and the panel call."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from .apply_track import apply_weights, keyed_meshes
from .errors import Refusal
from .import_glb import import_glb
from .import_npz import import_npz
from .properties import RotationTarget
from .scene import Clock, mark, rate_of
from .tracks import PARTS, Track, read_track
from .turning import check_target, turn


def _told(operator: bpy.types.Operator, work: Callable[[], str]) -> set[str]:
    """Do the work; say what was done, or in one sentence why not."""
    try:
        operator.report({"INFO"}, work())
    except Refusal as refusal:
        operator.report({"ERROR"}, str(refusal))
        return {"CANCELLED"}
    except OSError as error:
        operator.report({"ERROR"}, f"{error.filename or 'the file'}: {error.strerror or error}")
        return {"CANCELLED"}
    return {"FINISHED"}


class ImportPerformance(bpy.types.Operator, ImportHelper):
    """Import a face's performance with its motion, sound and frame rate."""

    bl_idname = "import_scene.meshanim"
    bl_label = "Import meshanim Performance"
    bl_options = {"REGISTER", "UNDO", "PRESET"}  # noqa: RUF012

    filter_glob: StringProperty(default="*.npz;*.glb", options={"HIDDEN"})
    motion: EnumProperty(
        name="Motion",
        description="How an NPZ moves; a GLB always has shape keys",
        items=(
            ("AUTO", "Automatic", "Shape keys where they are exact to 0.01 mm, otherwise a Mesh Cache"),
            ("KEYS", "Shape Keys", "The performance's named weights, which can be edited"),
            ("CACHE", "Mesh Cache", "Every vertex of every frame, from a PC2 file"),
        ),
    )
    folder: StringProperty(
        name="Cache Folder",
        description="For the Mesh Cache; empty: beside the .blend, or beside the NPZ where none is saved",
        subtype="DIR_PATH",
    )
    start: IntProperty(name="First Frame", default=1, min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import by the file's suffix."""
        return _told(self, lambda: self._import(context, Path(bpy.path.abspath(self.filepath))))

    def _import(self, context: bpy.types.Context, path: Path) -> str:
        if path.suffix.lower() == ".npz":
            return import_npz(context, path, self.motion, self.folder, self.start)
        if path.suffix.lower() == ".glb":
            return import_glb(context, path, self.start)
        raise Refusal(f"{path.name} is neither an NPZ nor a GLB")


class ApplyWeights(bpy.types.Operator, ImportHelper):
    """Apply a Live Link Face CSV or an NPZ to the shape keys of the selected meshes, by their names."""

    bl_idname = "object.meshanim_apply_weights"
    bl_label = "Apply Weights"
    bl_options = {"REGISTER", "UNDO", "PRESET"}  # noqa: RUF012

    filter_glob: StringProperty(default="*.csv;*.npz", options={"HIDDEN"})
    start: IntProperty(name="First Frame", default=1, min=0)
    set_clock: BoolProperty(
        name="Set Frame Rate and Range",
        description="Give the scene the file's frame rate and length, where no other performance needs the "
        "scene's; else fit the keys to that",
        default=True,
    )
    fps: FloatProperty(
        name="Frame Rate",
        description="What the timecodes of a CSV count in a second; 0: what makes their steps even",
        default=0.0,
        min=0.0,
        max=1000.0,
    )
    turn: BoolProperty(
        name="Turn Head and Eyes",
        description="Apply rotations to the objects or bones chosen in the sidebar",
        default=True,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read, check, and write curves."""
        return _told(self, lambda: self._apply(context, Path(bpy.path.abspath(self.filepath))))

    def _apply(self, context: bpy.types.Context, path: Path) -> str:
        things = keyed_meshes(context.selected_objects)
        if not things:
            raise Refusal("Select a mesh with shape keys to apply weights to")
        track = read_track(path, self.fps)
        clock = Clock.of(context.scene, track.fps, self.start, things)
        rate = clock.rate if self.set_clock else rate_of(context.scene)
        frames = self.start + track.seconds * rate
        targets = self._targets(context.scene, track) if self.turn else {}
        plans = apply_weights(things, track, frames)
        turned = [turn(target, track.turns[part], frames) for part, target in targets.items()]
        if self.set_clock:
            clock.set(float(track.seconds[-1]), things)
        else:
            mark(things, track.fps)
        words = [f"Turned: {', '.join(turned)}"] if turned else []
        if self.set_clock and clock.words:
            words.append(f"The scene keeps its {rate:g} fps, by which other performances go")
        return ". ".join([*map(str, plans), *words])

    def _targets(self, scene: bpy.types.Scene, track: Track) -> dict[str, RotationTarget]:
        chosen = {part: getattr(scene.meshanim, part) for part in PARTS if part in track.turns}
        targets = {part: target for part, target in chosen.items() if target.thing is not None}
        for target in targets.values():
            check_target(target)
        return targets
