"""Reads ICT-FaceKit: the folder of OBJ files as published, or all of it packed into one NPZ."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape
from meshanim.faces._ict_layout import EXPRESSIONS, IDENTITY_COUNT, VERTEX_COUNT, arkit_style

NEUTRAL_FILE = "generic_neutral_mesh.obj"
_KEYS = (
    *("mean", "faces", "uv", "uv_faces", "identity", "identity_scale"),
    *("expression", "expression_scale", "expression_names"),
)
_VERTEX = re.compile(rb"^v[ \t]+(.+)$", re.MULTILINE)
_TEXTURE = re.compile(rb"^vt[ \t]+(.+)$", re.MULTILINE)
_FACE = re.compile(rb"^f[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*(\S*)[ \t]*\r?$", re.MULTILINE)


class IctShapes(NamedTuple):
    """What the files hold, lengths in metres, names in ARKit's manner.

    ``mean`` (V, 3), ``faces`` (F, 4), ``uv`` (U, 2), ``uv_faces`` (F, 4), ``modes`` (I, V, 3),
    ``units`` (K, V, 3), ``unit_names``, ``identity_names``.
    """

    mean: Tensor
    faces: Tensor
    uv: Tensor
    uv_faces: Tensor
    modes: Tensor
    units: Tensor
    unit_names: tuple[str, ...]
    identity_names: tuple[str, ...]


def read_ict(path: str | Path) -> IctShapes:
    """Shapes from a folder of OBJ files or a packed NPZ.

    Raises:
        InputError: nothing is there, a part is missing, or the topology is another.
    """
    place = Path(path)
    if place.is_dir():
        return _read_folder(place)
    if not place.is_file():
        raise InputError(
            f"ict={place} must be ICT-FaceKit's folder of OBJ files or a packed NPZ, got nothing there"
        )
    return _read_packed(place)


def _metres(centimetres: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(centimetres, dtype=np.float32)) / 100


def _scaled(stored: NDArray[np.integer], scale: NDArray[np.floating]) -> Tensor:
    """Displacements (N, V, 3) in metres of 16-bit steps with a scale (N,) in centimetres."""
    return torch.from_numpy(stored).float().mul_(torch.from_numpy(scale)[:, None, None] / 100)


def _check_count(what: str, found: int) -> None:
    if found != VERTEX_COUNT:
        raise InputError(f"{what} must hold the {VERTEX_COUNT} vertices of ICT-FaceKit, got {found}")


def _read_packed(path: Path) -> IctShapes:
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [key for key in _KEYS if key not in stored]
            if missing:
                raise InputError(
                    f"{path} must be a packed ICT-FaceKit, got an NPZ without {', '.join(missing)}"
                )
            arrays = {key: stored[key] for key in _KEYS}
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, ValueError, TypeError, AttributeError) as fault:
        raise InputError(
            f"{path} must be a packed ICT-FaceKit (NPZ), got a file that does not read as one"
        ) from fault
    _check_count(str(path), len(arrays["mean"]))
    for key in ("mean", "identity_scale", "expression_scale"):
        check_finite(f"{key} in {path}", torch.from_numpy(arrays[key]))
    for key in ("identity", "expression"):
        count = len(arrays[f"{key}_scale"])
        check_shape(f"{key} in {path}", torch.from_numpy(arrays[key]), (count, VERTEX_COUNT, 3))
    names = tuple(arkit_style(str(name)) for name in arrays["expression_names"])
    return IctShapes(
        _metres(arrays["mean"]),
        torch.from_numpy(arrays["faces"].astype(np.int64)),
        torch.from_numpy(arrays["uv"].astype(np.float32)),
        torch.from_numpy(arrays["uv_faces"].astype(np.int64)),
        _scaled(arrays["identity"], arrays["identity_scale"]),
        _scaled(arrays["expression"], arrays["expression_scale"]),
        names,
        tuple(f"id{index:03d}" for index in range(len(arrays["identity"]))),
    )


def _numbers(lines: list[bytes], columns: int, path: Path) -> NDArray[np.float64]:
    try:
        return np.array(b"\n".join(lines).split(), dtype=np.float64).reshape(len(lines), -1)[:, :columns]
    except ValueError as fault:
        raise InputError(
            f"{path} must hold lines of numbers as an OBJ file does, got something else"
        ) from fault


def _read_vertices(path: Path) -> Tensor:
    """(V, 3) vertices in metres of one OBJ file."""
    lines = _VERTEX.findall(path.read_bytes())
    _check_count(str(path), len(lines))
    vertices = _metres(_numbers(lines, 3, path))
    check_finite(f"vertices in {path}", vertices)
    return vertices


def _read_topology(path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Faces (F, 4), texture coordinates (U, 2) and their faces (F, 4) of one OBJ file."""
    text = path.read_bytes()
    corners = np.array(_FACE.findall(text), dtype=np.bytes_).reshape(-1, 4)
    parts = np.char.partition(corners, b"/")
    index, texture = parts[..., 0], np.char.partition(parts[..., 2], b"/")[..., 0]
    if len(corners) == 0 or (texture[:, :3] == b"").any():
        raise InputError(
            f"{path} must hold faces with texture coordinates, got {len(corners)} faces, not all with them"
        )
    uv = torch.from_numpy(_numbers(_TEXTURE.findall(text), 2, path).astype(np.float32))
    # An OBJ file counts from one, so that the missing corner of a triangle, read as 0, becomes -1.
    faces, uv_faces = (
        torch.from_numpy(np.where(part == b"", b"0", part).astype(np.int64)) - 1 for part in (index, texture)
    )
    return faces, uv, uv_faces


def _read_folder(folder: Path) -> IctShapes:
    neutral = folder / NEUTRAL_FILE
    if not neutral.is_file():
        packed = [f"; ict={file} may be meant" for file in sorted(folder.glob("*.npz"))[:1]]
        raise InputError(f"ict={folder} must hold {NEUTRAL_FILE}, got a folder without it" + "".join(packed))
    shapes = sorted(file for file in folder.glob("*.obj") if arkit_style(file.stem) in EXPRESSIONS)
    people = [folder / f"identity{index:03d}.obj" for index in range(IDENTITY_COUNT)]
    people = [file for file in people if file.is_file()]
    if not shapes:
        raise InputError(f"ict={folder} must hold expression shapes (jawOpen.obj, ...), got none")
    mean = _read_vertices(neutral)
    faces, uv, uv_faces = _read_topology(neutral)
    return IctShapes(
        mean,
        faces,
        uv,
        uv_faces,
        _differences(people, mean),
        _differences(shapes, mean),
        tuple(arkit_style(file.stem) for file in shapes),
        tuple(f"id{file.stem.removeprefix('identity')}" for file in people),
    )


def _differences(files: list[Path], mean: Tensor) -> Tensor:
    """(N, V, 3) displacements of each file's vertices against the mean face."""
    found = torch.empty(len(files), *mean.shape)
    for row, file in enumerate(files):
        found[row] = _read_vertices(file) - mean
    return found
