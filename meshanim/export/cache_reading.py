"""Performances from point caches and from folders with one mesh per frame."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from meshanim._check import InputError, check_numbering
from meshanim.export import mdd, pc2
from meshanim.export.beside import base_path
from meshanim.export.rates import nominal_rate
from meshanim.mesh import Mesh, read_mesh
from meshanim.performance import Performance

TIME_ERROR = 2**-23
"""Largest relative error of a time in float32, twice over."""
UNEVEN = 0.1
"""Share of a step by which steps between times may differ, as rounding late in a long file makes them."""
_NUMBERED = re.compile(r"(?!\.)(.*?)(\d+)\.(obj|ply)", re.IGNORECASE)
"""Of files that are no system's own: macOS puts ``._NAME`` beside each that it copies to another's drive."""


def base_file(path: Path) -> Path | None:
    """The file with the mesh beside a cache, None where there is none."""
    places = (path.with_suffix(suffix) for suffix in (".obj", ".ply", ".glb"))
    return next((place for place in places if place.is_file()), None)


def _base(path: Path, count: int) -> Mesh:
    """The mesh beside a cache, which must have as many vertices."""
    place = base_file(path)
    if place is None:
        raise InputError(f"it needs its base mesh beside it, {base_path(path).name}, and there is none")
    mesh = read_mesh(place)
    if len(mesh.vertices) != count:
        raise InputError(f"it moves {count} vertices, and {place.name} has {len(mesh.vertices)}")
    return mesh


def _samples(path: Path, kind: str, offset: int, frames: int, count: int) -> NDArray[np.float32]:
    """(T, V, 3) positions, mapped from the file and read when they are looked at."""
    size = offset + 12 * frames * count
    if frames < 1 or count < 1:
        raise InputError(f"it states {frames} frames of {count} vertices")
    if path.stat().st_size < size:
        raise InputError(f"it is cut short: {frames} frames of {count} vertices take {size} bytes")
    mapped = np.memmap(path, kind, "c", offset, (frames, count, 3))
    return mapped if kind == "<f4" else mapped.astype("<f4")


def _stated_fps(fps: float | None) -> float:
    if fps is None:
        raise InputError("it does not state its frame rate: give it as fps (--fps)")
    return fps


def read_pc2(path: Path, fps: float | None) -> Performance:
    """Read a PC2 cache and the base mesh beside it; head motion stays in the positions.

    Args:
        path: the ``.pc2`` file.
        fps: frames per second, which the file does not state.

    Raises:
        InputError: no PC2, cut short, no base mesh, no ``fps``.
    """
    with open(path, "rb") as file:
        header = file.read(pc2.HEADER.size)
    if len(header) < pc2.HEADER.size or not header.startswith(pc2.SIGN):
        raise InputError("it is no PC2: it does not begin with POINTCACHE2")
    _, _, count, _, rate, frames = pc2.HEADER.unpack(header)
    positions = _samples(path, "<f4", pc2.HEADER.size, frames, count)
    mesh = _base(path, count)
    if not rate > 0:
        raise InputError(f"its samples must be some frames apart, got {rate:g}")
    motion = torch.from_numpy(positions)
    return Performance(neutral=mesh, fps=_stated_fps(fps) / rate, motion=motion)


def read_mdd(path: Path, fps: float | None) -> Performance:
    """Read an MDD cache and the base mesh beside it; head motion stays in the positions.

    Args:
        path: the ``.mdd`` file.
        fps: frames per second: what the motion is resampled to, or where the file's times stand still what
            they mean; by default those of the times.

    Raises:
        InputError: no MDD, cut short, no base mesh, times at uneven steps, or that stand still and no
            ``fps``.
    """
    with open(path, "rb") as file:
        header = file.read(mdd.HEADER.size)
        if len(header) < mdd.HEADER.size:
            raise InputError("it is no MDD: it has no header")
        frames, count = mdd.HEADER.unpack(header)
        if frames < 1 or path.stat().st_size < mdd.HEADER.size + 4 * frames:
            raise InputError(f"it is no MDD, or cut short: it states {frames} frames")
        times = np.frombuffer(file.read(4 * frames), ">f4").astype(np.float64)
    positions = _samples(path, ">f4", mdd.HEADER.size + 4 * frames, frames, count)
    rate = _rate_of_times(times)
    motion, mesh = torch.from_numpy(positions), _base(path, count)
    found = Performance(neutral=mesh, fps=rate or _stated_fps(fps), motion=motion)
    return found if fps in (None, found.fps) else found.resample(fps)


def _rate_of_times(times: NDArray[np.float64]) -> float | None:
    """Frames per second of times (T,) in seconds; None where they stand still."""
    steps = np.diff(times)
    if not len(steps) or not np.isfinite(times).all() or (steps == 0).all():
        return None
    if np.abs(steps - steps.mean()).max() > UNEVEN * steps.mean():
        raise InputError(
            f"its times must be at even steps, got some from {steps.min():g} to {steps.max():g} s"
        )
    rate = 1 / float(steps.mean())
    # the later the times, the more of their digits are before the first step
    span = float(times[-1] - times[0])
    return nominal_rate(rate, TIME_ERROR * rate * float(np.abs(times).max()) / span)


def _numbered(folder: Path) -> list[Path]:
    """The files of the one sequence in a folder, in the order of their numbers, which leave out none."""
    found: dict[tuple[str, str], dict[int, Path]] = {}
    for name in os.listdir(folder):
        match = _NUMBERED.fullmatch(name)
        if match:
            numbered = found.setdefault((match[1], match[3].lower()), {})
            other = numbered.setdefault(int(match[2]), folder / name)
            if other.name != name:
                twice = " and ".join(sorted((other.name, name)))
                raise InputError(f"it must hold one file of each number, got {twice}")
    if len(found) != 1:
        names = ", ".join(sorted(f"{stem}*.{suffix}" for stem, suffix in found)) or "none"
        raise InputError(f"it must hold one sequence of numbered OBJ or PLY files, got {names}")
    numbers, files = zip(*sorted(next(iter(found.values())).items()), strict=True)
    check_numbering(files, numbers)
    return list(files)


def read_sequence(folder: Path, fps: float | None) -> Performance:
    """Read numbered OBJ or PLY files, one per frame; the first is the neutral, since no other is known.

    Args:
        folder: with the files of one sequence.
        fps: frames per second, which the files do not state.

    Raises:
        InputError: no sequence or several, a gap in it, a file with other vertices than the first, no
            ``fps``.
    """
    paths = _numbered(folder)
    rate = _stated_fps(fps)
    neutral = read_mesh(paths[0])
    motion = torch.empty(len(paths), *neutral.vertices.shape)
    for index, path in enumerate(paths):
        mesh = neutral if index == 0 else read_mesh(path)
        if mesh.vertices.shape != neutral.vertices.shape:
            count = len(neutral.vertices)
            raise InputError(f"{path.name} must have {count} vertices, got {len(mesh.vertices)}")
        motion[index] = mesh.vertices
    return Performance(neutral=neutral, fps=rate, motion=motion)
