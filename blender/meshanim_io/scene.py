"""What a performance asks of the scene: frame rate, frame range, and its sound in the sequencer."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from .curves import curves_in

OF_PERFORMANCE = "meshanim_fps"
"""Property of a mesh that a performance moves: the frame rate of that."""
_PLACED = ("location", "rotation_quaternion", "rotation_euler")


@dataclass(frozen=True)
class Clock:
    """Where a performance lies in a scene, which has one frame rate for all that moves in it.

    Args:
        scene: to be played in.
        start: first frame.
        fps: of the performance.
        rate: of the scene, by which it is placed.
        shared: whether other performances go by that rate.
    """

    scene: bpy.types.Scene
    start: int
    fps: float
    rate: float
    shared: bool

    @classmethod
    def of(
        cls, scene: bpy.types.Scene, fps: float, start: int, things: Iterable[bpy.types.Object] = ()
    ) -> Clock:
        """The performance's own rate, or the scene's where others than that of ``things`` go by it."""
        shared, rate = _has_others(scene, {thing.data for thing in things}), rate_of(scene)
        return cls(scene, start, fps, rate if shared and abs(rate - fps) > 1e-6 * fps else fps, shared)

    @property
    def step(self) -> float:
        """Frames of the scene from one frame of the performance to the next."""
        return self.rate / self.fps

    @property
    def words(self) -> str:
        """For whoever has imported it; nothing where the rates are one."""
        return "" if self.rate == self.fps else f", fitted to the scene's {self.rate:g} fps"

    def frames(self, count: int) -> NDArray:
        """(T,) frames of the scene."""
        return self.start + np.arange(count) * self.step

    def set(self, seconds: float, things: Iterable[bpy.types.Object]) -> None:
        """Play in the scene what moves ``things`` for so long, and all that it was to play before."""
        end = self.start + round(seconds * self.rate)
        if self.shared:
            set_range(self.scene, min(self.start, self.scene.frame_start), max(end, self.scene.frame_end))
        else:
            set_rate(self.scene, self.rate)
            set_range(self.scene, self.start, end)
        mark(things, self.fps)


def mark(things: Iterable[bpy.types.Object], fps: float) -> None:
    """Remember that performances move these, so that the scene's rate stays as they need it."""
    for thing in things:
        thing.data[OF_PERFORMANCE] = fps


def _has_others(scene: bpy.types.Scene, meshes: set[bpy.types.ID]) -> bool:
    """Whether the scene has performances of other meshes than these, or one of these moves as a whole."""
    moved = [thing for thing in scene.objects if thing.type == "MESH" and OF_PERFORMANCE in thing.data]
    return any(thing.data not in meshes or _changes_place(thing) for thing in moved)


def _changes_place(thing: bpy.types.Object | None) -> bool:
    """Whether curves move an object, or what it hangs on."""
    if thing is None:
        return False
    action = thing.animation_data.action if thing.animation_data else None
    placed = action is not None and any(curve.data_path in _PLACED for curve in curves_in(action))
    return placed or _changes_place(thing.parent)


def set_rate(scene: bpy.types.Scene, fps: float) -> None:
    """Set any frame rate: Blender's is a whole number over a base, 30 / 1.001 for 29.97."""
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps


def set_range(scene: bpy.types.Scene, start: int, end: int) -> None:
    """Play the frames from ``start`` to ``end``."""
    scene.frame_start, scene.frame_end = start, end
    scene.frame_set(start)


def rate_of(scene: bpy.types.Scene) -> float:
    """Frames per second."""
    return scene.render.fps / scene.render.fps_base


def add_sound(scene: bpy.types.Scene, name: str, waveform: NDArray, sample_rate: int, start: int) -> None:
    """Put (N,) samples in [-1, 1] into the sequencer, on a channel of their own, where Blender has sound.

    The sound is packed into the .blend, so that no file beside it can be lost.
    """
    if not bpy.app.build_options.audaspace:
        return
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    channel = max((strip.channel for strip in strips), default=0) + 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"{name}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, sample_rate, 0, "NONE", ""))
            steps = (waveform * 2**15).round().clip(-(2**15), 2**15 - 1)
            file.writeframes(steps.astype("<i2").tobytes())
        strip = strips.new_sound(name, str(path), channel, start)
        strip.sound.pack()
    scene.sync_mode = "AUDIO_SYNC"
