"""NPZ: everything that a performance has, without loss, and back again."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError
from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.export.frames import local_chunks
from meshanim.mesh import Mesh
from meshanim.performance import Performance

FORMAT_VERSION = 1
TENSORS = (
    "weights",
    "basis",
    "residual",
    "identity",
    "labels",
    "head_motion",
    "gaze",
    "action_units",
    "waveform",
)
"""Tracks of a performance that are stored under their own names, where it has them."""


def _array(tensor: Tensor) -> NDArray:
    """As it is; bfloat16, which NumPy does not know, as the same numbers in float32."""
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()


def _mesh_arrays(mesh: Mesh) -> Iterator[tuple[str, NDArray]]:
    yield "neutral", _array(mesh.vertices)
    yield "faces", mesh.faces.numpy()
    if mesh.uv is not None and mesh.uv_faces is not None:
        yield "uv", _array(mesh.uv)
        yield "uv_faces", mesh.uv_faces.numpy()
    if mesh.landmarks:
        yield "landmark_names", np.array(list(mesh.landmarks))
        yield "landmarks", np.array(list(mesh.landmarks.values()), dtype=np.int64)
    if mesh.groups:
        yield "group_names", np.array(list(mesh.groups))
        yield "group_sizes", np.array([len(indices) for indices in mesh.groups.values()], dtype=np.int64)
        yield "group_vertices", torch.cat(list(mesh.groups.values())).numpy()


def _arrays(performance: Performance) -> Iterator[tuple[str, NDArray]]:
    """All but the moving vertices."""
    yield "format_version", np.array(FORMAT_VERSION)
    yield "unit", np.array("m")
    yield "up_axis", np.array("Y")
    yield "fps", np.array(float(performance.fps))
    yield from _mesh_arrays(performance.neutral)
    for name in TENSORS:
        value = getattr(performance, name)
        if value is not None:
            yield name, _array(value)
    if performance.weight_names:
        yield "weight_names", np.array(performance.weight_names)
    for name in ("face_model", "sample_rate"):
        if getattr(performance, name) is not None:
            yield name, np.array(getattr(performance, name))


def _write_vertices(file: BinaryIO, performance: Performance, chunks: Iterable[Tensor]) -> None:
    """An array (T, V, 3), chunk by chunk."""
    shape = (performance.frame_count, *performance.neutral.vertices.shape)
    npy.write_array_header_2_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    for chunk in chunks:
        file.write(chunk.numpy().astype("<f4").tobytes())


def _beyond_basis(performance: Performance, progress: Progress | None) -> Iterator[Tensor]:
    """What a mover does that the basis does not, in chunks (n, V, 3)."""
    for start, chunk in local_chunks(performance, progress, turn=1, turns=2):
        yield chunk - performance.straight(start, start + len(chunk))


def write_npz(performance: Performance, path: Path, progress: Progress | None = None) -> None:
    """Write the performance for :func:`read_npz` and for ``numpy.load``; no pickle is in it.

    Keys, metres and Y up: ``vertices`` (T, V, 3) float32, head-local; ``neutral`` (V, 3); ``faces`` (F, 3);
    ``fps``; ``unit``, ``up_axis``, ``format_version``; and where the performance has them ``uv``,
    ``uv_faces``, ``landmark_names`` with ``landmarks``, ``group_names`` with ``group_sizes`` and
    ``group_vertices`` (one group after the other), ``weights``, ``weight_names``, ``basis``, ``residual``,
    ``labels``, ``head_motion`` (axis-angle, translation), ``gaze``, ``action_units``, ``identity``,
    ``face_model``, ``waveform``, ``sample_rate``. What a mover does beyond the basis is in ``residual``.

    Args:
        performance: what to write.
        path: the ``.npz`` file.
        progress: told the frames done and in all.
    """
    turns = 1 if performance.mover is None else 2
    positions = (chunk for _, chunk in local_chunks(performance, progress, turns=turns))
    large: dict[str, Iterator[Tensor]] = {"vertices": positions}
    if performance.mover is not None:
        large["residual"] = _beyond_basis(performance, progress)
        performance = replace(performance, residual=None)
    with atomic_path(path) as place, zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as archive:
        for name, chunks in large.items():
            with archive.open(_member(name), "w", force_zip64=True) as member:
                _write_vertices(member, performance, chunks)  # type: ignore[arg-type]
        for name, array in _arrays(performance):
            with archive.open(_member(name), "w", force_zip64=True) as member:
                npy.write_array(member, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)


def _member(name: str) -> zipfile.ZipInfo:
    """An array's place, which does not say when it was written: the same performance gives the same bytes."""
    return zipfile.ZipInfo(f"{name}.npy")


def _load(path: Path) -> dict[str, NDArray]:
    """The arrays of a file, which must be an NPZ with the keys of a performance.

    Positions, gigabytes of a long take, stay in it where weights tell the motion.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, or is not a file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            unread = {"vertices"} & set(archive.files) if "weights" in archive.files else set()
            arrays = {name: archive[name] for name in archive.files if name not in unread}
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise InputError(f"{path} must be an NPZ file of plain arrays, and cannot be read as one") from error
    missing = [name for name in ("vertices", "faces", "neutral", "fps") if name not in {*arrays, *unread}]
    if missing:
        raise InputError(f"{path} must hold a performance, but has no {', '.join(missing)}")
    version = int(arrays.get("format_version", np.array(FORMAT_VERSION)))
    if version > FORMAT_VERSION:
        raise InputError(f"{path} has format version {version}, and this meshanim reads {FORMAT_VERSION}")
    unit, up = (str(arrays.get(name, default)) for name, default in (("unit", "m"), ("up_axis", "Y")))
    if (unit, up) != ("m", "Y"):
        raise InputError(f"{path} must be in m with Y up, and is in {unit} with {up} up")
    return arrays


def _read_mesh(arrays: dict[str, NDArray]) -> Mesh:
    landmarks, groups = {}, {}
    if "landmarks" in arrays:
        pairs = zip(arrays["landmark_names"].tolist(), arrays["landmarks"].tolist(), strict=True)
        landmarks = dict(pairs)
    if "group_names" in arrays:
        parts = torch.from_numpy(arrays["group_vertices"]).split(arrays["group_sizes"].tolist())
        groups = dict(zip(arrays["group_names"].tolist(), parts, strict=True))
    uv, uv_faces = (
        None if arrays.get(n) is None else torch.from_numpy(arrays[n]) for n in ("uv", "uv_faces")
    )
    neutral, faces = torch.from_numpy(arrays["neutral"]), torch.from_numpy(arrays["faces"])
    return Mesh(neutral, faces, uv, uv_faces, landmarks, groups)


def read_npz(path: Path) -> Performance:
    """Read back what :func:`write_npz` wrote: the same tensors, to the last bit.

    Motion, and what was bfloat16, is float32.

    Raises:
        InputError: not an NPZ, not a performance, or from a later meshanim.
        OSError: the file is missing or cannot be read.
    """
    arrays = _load(path)
    known: dict[str, Any] = {name: torch.from_numpy(arrays[name]) for name in TENSORS if name in arrays}
    if "face_model" in arrays:
        known["face_model"] = str(arrays["face_model"])
    if "sample_rate" in arrays:
        known["sample_rate"] = int(arrays["sample_rate"])
    if "weights" in arrays:
        known["weight_names"] = tuple(arrays["weight_names"].tolist())
    else:
        known["motion"] = torch.from_numpy(arrays["vertices"])
    return Performance(neutral=_read_mesh(arrays), fps=float(arrays["fps"]), **known)
