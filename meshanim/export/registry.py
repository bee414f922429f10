"""One function for all formats: the path says which."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from meshanim._check import InputError, check_choice
from meshanim._files import check_folder, check_place
from meshanim._progress import Progress
from meshanim.export.beside import check_beside, files_beside
from meshanim.export.blender import require_blender, write_with_blender
from meshanim.export.glb import write_glb
from meshanim.export.live_link import require_arkit_names, write_live_link
from meshanim.export.mdd import write_mdd
from meshanim.export.npz import write_npz
from meshanim.export.obj import write_obj_sequence
from meshanim.export.pc2 import write_pc2
from meshanim.export.picture import has_picture
from meshanim.export.ply import write_ply_sequence
from meshanim.export.preview import write_gif_preview, write_mp4
from meshanim.export.usd import require_usd, write_usd
from meshanim.faces import FaceModel
from meshanim.performance import Performance
from meshanim.talking_heads.appearance import Appearance

FORMATS: dict[str, Callable[..., None]] = {
    ".glb": write_glb,
    ".gltf": write_glb,
    ".npz": write_npz,
    ".pc2": write_pc2,
    ".mdd": write_mdd,
    ".csv": write_live_link,
    ".usda": write_usd,
    ".usdc": write_usd,
    ".usdz": write_usd,
    ".abc": write_with_blender,
    ".fbx": write_with_blender,
    ".blend": write_with_blender,
    ".mp4": write_mp4,
    ".gif": write_gif_preview,
}
"""Writer of each suffix; called with performance, path, ``progress`` and the format's own options."""

PACKAGES: dict[str, Callable[[], None]] = {
    **dict.fromkeys((".usda", ".usdc", ".usdz"), require_usd),
    **dict.fromkeys((".abc", ".fbx", ".blend"), require_blender),
}
"""What raises where the package is not installed that writes a suffix."""

TEXTURED = {".glb", ".gltf", ".usda", ".usdc", ".usdz", ".abc", ".fbx", ".blend"}
"""Suffixes of the formats that hold a texture; their writers take an ``appearance`` as well."""

JOINTED = {".glb", ".gltf", ".usda", ".usdc", ".usdz"}
"""Suffixes of the formats that hold joints; their writers take ``face`` and ``joints`` as well."""

EXACT = {".npz"}
"""Suffixes of the formats that hold other floating types than float32."""

POINTS = {".npz", ".csv", ".usda", ".usdc", ".usdz"}
"""Suffixes of the formats that hold vertices without faces, or no mesh."""

SEQUENCES: dict[str, Callable[..., None]] = {"obj": write_obj_sequence, "ply": write_ply_sequence}
"""Writers of a folder with one file per frame."""


def _is_folder(path: str | Path, others: Iterable[str] = ()) -> bool:
    """Whether a sequence goes there: a trailing slash, or a folder that no suffix of a file claims."""
    slash = str(path).endswith(tuple(filter(None, (os.sep, os.altsep))))
    return slash or (Path(path).is_dir() and Path(path).suffix.lower() not in (*FORMATS, *others))


def _check_target(path: str | Path, others: Iterable[str] = ()) -> Path:
    """The path, if its name and place allow writing there."""
    target, suffixes = Path(path), [*FORMATS, *others]
    if not str(path):
        raise InputError("the output must be a path, got an empty one")
    folder = _is_folder(path, others)
    if folder:
        check_folder(target)
    elif target.suffix.lower() not in suffixes:
        known = ", ".join(suffixes)
        raise InputError(
            f"{target} must end in one of {known}, or in / for a folder with one OBJ per frame, "
            f"got {target.suffix or 'no suffix'}"
        )
    elif target.is_dir():
        raise InputError(f"{target} must be a file to write, but it is a folder")
    # What stands there gives way to another, which is made beside it.
    place = target.resolve() if folder else target
    for written in (target, place.parent) if target.is_dir() else (place.parent,):
        check_place(written, target, f"{target} must lie in a folder")
    return target


def check_targets(
    paths: Iterable[str | Path],
    others: Iterable[str] = (),
    weight_names: Iterable[str] | None = None,
    texture: bool = False,
    sound: bool = False,
) -> list[Path]:
    """See to it, before any work is done, that each path can be written and its format can hold the motion.

    Args:
        paths: what is to be written.
        others: suffixes of files, besides :data:`FORMATS`, that the caller writes itself.
        weight_names: those that the performance will have, as soon as they are known.
        texture: whether a captured texture may go with it, and
        sound: a voice.

    Raises:
        InputError: an unknown suffix, a folder where a file should go or the reverse, a path given twice or
            inside a file, a format for ARKit's weights where the performance has none, a file of somebody
            else's where one goes that a format writes beside its own.
        MissingExtra: a format whose writer is not installed.
        OSError: no permission, or a folder that takes no files.
    """
    paths = list(paths)
    targets = [_check_target(path, others) for path in paths]
    for index, target in enumerate(targets):
        if target.absolute() in [other.absolute() for other in targets[:index]]:
            raise InputError(f"{target} is given twice as a file to write")
    files = [target for target, path in zip(targets, paths, strict=True) if not _is_folder(path, others)]
    for target in targets:
        if above := next((file for file in files if file.absolute() in target.absolute().parents), None):
            raise InputError(f"{target} must lie in a folder, but {above} is a file to write")
    for file in files:
        beside = files_beside(file, texture, sound)
        check_beside(file, beside)
        if twice := next(
            (place for place in targets if place.absolute() in map(Path.absolute, beside)), None
        ):
            raise InputError(f"{twice} is given as a file to write, but it is written beside {file.name}")
    for suffix in {file.suffix.lower() for file in files}:
        PACKAGES.get(suffix, lambda: None)()
        if suffix == ".csv" and weight_names is not None:
            require_arkit_names(weight_names)
    return targets


def written_files(
    performance: Performance, path: str | Path, appearance: Appearance | None = None
) -> list[Path]:
    """What :func:`export` makes of the same: the path, and the files that go beside it."""
    if _is_folder(path):
        return [Path(path)]
    texture, sound = has_picture(performance.neutral, appearance), performance.waveform is not None
    return [Path(path), *files_beside(Path(path), texture, sound)]


def export(
    performance: Performance,
    path: str | Path,
    progress: Progress | None = None,
    appearance: Appearance | None = None,
    face: FaceModel | None = None,
    joints: bool = True,
    **options: Any,
) -> Path:
    """Write a performance; the suffix names the format, a trailing slash a folder with one file per frame.

    Args:
        performance: what to write; gradients end here.
        path: ``x.glb``, ``x.gltf``, ``x.usda``, ``x.usdc``, ``x.usdz``, ``x.abc``, ``x.fbx``, ``x.blend``,
            ``x.npz``, ``x.pc2``, ``x.mdd``, ``x.csv`` (Live Link Face), ``x.mp4``, ``x.gif``, or a
            ``folder/``. Beside a PC2 or MDD goes ``x.obj``, beside a ``.usda`` or ``.usdc`` a sound as
            ``x_sound.wav`` and a texture as ``x.png``, beside an ``.abc`` the texture.
        progress: called with the number of frames done and in all.
        appearance: whom the face looks like; its texture goes into the formats that hold one (GLB, USD,
            Alembic, FBX, .blend, OBJ).
        face: the model that moves; its joints go into the formats that hold some (GLB, USD). Without it the
            built-in one, where the performance says that it is of that.
        joints: False for shapes alone in these formats too, whole at weight 1: for those who drive the
            weights by themselves.
        **options: those of the format's writer, such as ``size`` and ``yaw`` for pictures or ``max_error``
            for GLB and USD; for a folder ``format="obj"`` or ``"ply"``.

    Returns:
        The path.

    Raises:
        InputError: an unknown suffix, a folder where a file should go, a frame that is not finite, a mesh
            without faces where the format needs some, a file of somebody else's where one goes beside the
            path.
        OSError: the file cannot be written. Nothing is left behind, and an older file stays as it was.
    """
    target = _check_target(path)
    if _is_folder(path):
        kind = options.pop("format", "obj")
        check_choice("format", kind, SEQUENCES)
        writer = SEQUENCES[kind]
        if appearance is not None and kind == "obj":
            options["appearance"] = appearance
    else:
        writer = FORMATS[target.suffix.lower()]
        if appearance is not None and target.suffix.lower() in TEXTURED:
            options["appearance"] = appearance
        if target.suffix.lower() in JOINTED:
            options |= {"face": face, "joints": joints}
    if not len(performance.neutral.faces) and (_is_folder(path) or target.suffix.lower() not in POINTS):
        raise InputError(f"{target} must be of a mesh with faces, got none; for points alone there is .npz")
    written = performance.detach()
    if target.suffix.lower() not in EXACT:
        written = written.to(torch.float32)
    try:
        # What a mover of its own holds may ask for gradients too.
        with torch.no_grad():
            writer(written, target, progress=progress, **options)
    except OSError as error:
        raise OSError(f"{target} cannot be written: {error.strerror or error}") from error
    return target
