"""What a performance asks of the scene: frame rate, frame range, and its sound in the sequencer."""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path

import bpy
from numpy.typing import NDArray


def set_rate(scene: bpy.types.Scene, fps: float) -> None:
    """Set any frame rate: Blender's is a whole number over a base, 30 / 1.001 for 29.97."""
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps


def set_range(scene: bpy.types.Scene, start: int, count: int) -> None:
    """Play ``count`` frames from ``start`` on."""
    scene.frame_start, scene.frame_end = start, start + count - 1
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
