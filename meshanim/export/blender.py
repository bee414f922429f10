"""Alembic, FBX and .blend, written by Blender: there is no other well-kept writer."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from meshanim._check import InputError, MissingExtra, check_choice, check_range
from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.export.beside import picture_path, writing_beside
from meshanim.export.frames import head_tracks, local_chunks
from meshanim.export.pc2 import HEADER, SIGN
from meshanim.export.picture import put_on
from meshanim.export.targets import Targets, fitting_targets, within_unit
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.rendering import vertex_colours
from meshanim.talking_heads.appearance import Appearance

SCRIPT = Path(__file__).with_name("inside_blender.py")


def blender_command(script: Path) -> list[str]:
    """How to run a script inside Blender, in a process of its own: Blender has but one, global, state.

    The environment variable ``MESHANIM_BLENDER`` names the Blender program (5.0 or newer), or a Python that
    has ``bpy``; else ``bpy`` must be installed here, which it can be on Python 3.11.

    Raises:
        MissingExtra: no Blender.
        InputError: ``MESHANIM_BLENDER`` names no program.
    """
    named = os.environ.get("MESHANIM_BLENDER")
    if named and shutil.which(named) is None:
        raise InputError(
            f"MESHANIM_BLENDER must name a Blender or a Python, got {named}, which is no program"
        )
    if named and not Path(named).name.startswith("python"):
        flags = (
            "--background",
            "--factory-startup",
            "--python-exit-code",
            "1",
            "--python",
            str(script),
            "--",
        )
        return [named, *flags]
    if named or importlib.util.find_spec("bpy"):
        return [named or sys.executable, str(script)]
    raise MissingExtra("bpy (or name a Blender in MESHANIM_BLENDER)", "blender")


def require_blender() -> None:
    """Raise where there is no Blender."""
    blender_command(SCRIPT)


def _scene(performance: Performance, mesh: Mesh, name: str, targets: Targets | None) -> dict[str, Any]:
    """What the script asks for: everything but positions over time; ``mesh`` is how the neutral looks."""
    none, groups = np.zeros((0, 3)), mesh.groups
    sound = performance.waveform if performance.waveform is not None else np.zeros(0)
    rotation, translation = np.zeros((0, 4)), none
    if performance.head_motion is not None:
        rotation, translation = head_tracks(performance.head_motion)
    scene = {
        "name": name,
        "fps": float(performance.fps),
        "frames": performance.frame_count,
        "vertices": mesh.vertices.numpy(),
        "faces": mesh.faces.numpy(),
        "uv": none[:, :2] if mesh.uv is None else mesh.uv.numpy(),
        "uv_faces": none.astype(int) if mesh.uv_faces is None else mesh.uv_faces.numpy(),
        "colours": vertex_colours(mesh).numpy(),
        "group_names": np.array(list(groups), dtype=str),
        "group_sizes": np.array([len(group) for group in groups.values()], dtype=int),
        "group_vertices": np.concatenate(
            [none[:, 0].astype(int), *(group.numpy() for group in groups.values())]
        ),
        "waveform": np.asarray(sound, dtype=np.float32),
        "sample_rate": performance.sample_rate or 0,
        "rotation": rotation,
        "translation": translation,
    }
    if targets is None:
        return scene
    shapes = {"names": np.array(targets.names), "basis": targets.basis.numpy()}
    return scene | shapes | {"weights": targets.weights.numpy()}


def _write_local_cache(performance: Performance, place: Path, progress: Progress | None) -> None:
    """A PC2 of head-local positions, in Blender's axes."""
    frames, count = performance.frame_count, len(performance.neutral.vertices)
    with open(place, "wb") as file:
        file.write(HEADER.pack(SIGN, 1, count, 0.0, 1.0, frames))
        for _, chunk in local_chunks(performance, progress):
            x, y, z = chunk.numpy().transpose(2, 0, 1)
            file.write(np.stack([x, -z, y], axis=2).astype("<f4").tobytes())


def _run(order: dict[str, Any]) -> None:
    command = [*blender_command(SCRIPT), json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode or not Path(order["path"]).is_file():
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise OSError(f"Blender failed: {said[-1].strip() if said else f'exit code {done.returncode}'}")


def write_with_blender(
    performance: Performance,
    path: Path,
    progress: Progress | None = None,
    targets: str = "auto",
    max_error: float = 1e-4,
    appearance: Appearance | None = None,
) -> None:
    """Write an object whose own animation is the head's motion, frame t at t, metres, the unit of Blender.

    ``.blend`` and ``.fbx`` have shape keys with curves, as GLB has morph targets; ``.abc`` has the positions
    of every frame, exact. Vertex groups and, in the sequencer, the sound are in a ``.blend``. Blender's own
    importer of FBX moves everything by one frame, unless its offset is set to 0, and takes the frame rate for
    a whole number.

    Args:
        performance: what to write.
        path: the ``.blend``, ``.fbx`` or ``.abc`` file.
        progress: told the frames done and in all, before Blender begins.
        targets: "auto" or "components" (principal ones in any case); not for ``.abc``.
        max_error: metres; not for ``.abc``.
        appearance: whose texture to put on: inside a ``.blend`` or ``.fbx``, beside an ``.abc``, which has no
            materials, as ``.png``.

    Raises:
        MissingExtra: no Blender.
        InputError: more than 1,024 components for ``max_error``.
    """
    check_choice("targets", targets, ("auto", "components"))
    check_range("max_error", max_error, 0, open_low=True)
    require_blender()
    sampled = path.suffix.lower() == ".abc"
    found = None if sampled else within_unit(
        fitting_targets(performance, targets == "auto", max_error, progress)
    )  # fmt: skip
    mesh, picture = put_on(performance.neutral, appearance)
    with ExitStack() as stack:
        place = stack.enter_context(atomic_path(path))
        if picture is not None and sampled:
            stack.enter_context(writing_beside(path, picture_path(path), picture))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place.parent, prefix=".")))
        data, cache, image = folder / "scene.npz", folder / "motion.pc2", folder / f"{path.stem}.png"
        if picture is not None:
            image.write_bytes(picture)
        np.savez(data, **_scene(performance, mesh, path.stem, found))
        if sampled:
            _write_local_cache(performance, cache, progress)
        order = {"data": str(data), "path": str(place.absolute()), "cache": str(cache) if sampled else None}
        _run(order | {"picture": None if picture is None else str(image)})
