"""Live Link Face CSV, of the app or of ours, over a face model."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError
from meshanim.export.live_link import ROTATIONS, SHAPES, camel, from_euler
from meshanim.export.rates import nominal_rate
from meshanim.export.timecodes import seconds_of
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.faces.articulation import ArticulatedMover
from meshanim.performance import Performance


class LiveLinkTake(NamedTuple):
    """Curves at a steady rate: weights (T, 52) in the order of ARKIT_NAMES; head (T, 3) as axis-angle, and
    gaze (T, 2, 3) as unit directions of left and right eye, both in radians and head-local."""

    fps: float
    weights: Tensor
    head: Tensor
    gaze: Tensor


def _cells(path: Path) -> list[list[str]]:
    """Rows of cells, of the app or as a spreadsheet saves them: parted by semicolons or tabs with a decimal
    comma, filled up with empty cells, in UTF-16."""
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if wide else "utf-8-sig")
    mark = re.match(r'\s*"?timecode"?\s*([;\t])', text, re.IGNORECASE)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark[1] if mark else ",")
    cells = [[cell.strip().replace(",", ".") if mark else cell.strip() for cell in row] for row in rows]
    for row in cells:
        while row and not row[-1]:
            row.pop()
    return [row for row in cells if row]


def _rows(path: Path) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Column names, timecodes, and values (T, C).

    A row without a face keeps the values before it; the first face that is seen holds for the rows before.
    """
    lines = _cells(path)
    header = lines[0] if lines else []
    if [name.lower() for name in header[:2]] != ["timecode", "blendshapecount"]:
        raise InputError("it is no Live Link Face CSV: it does not begin with Timecode,BlendShapeCount")
    faces: list[list[float]] = []
    for number, line in enumerate(lines[1:], 2):
        if len(line) == len(header):
            faces.append([float(cell) for cell in line[2:]])
        elif len(line) > 3:
            raise InputError(f"line {number} must have {len(header)} cells, got {len(line)}")
    if not faces:
        raise InputError("it has no frame with a face")
    if not np.isfinite(faces).all():
        raise InputError("it has a value that is not finite")
    latest = np.cumsum([len(line) == len(header) for line in lines[1:]]) - 1
    return header[2:], [line[0] for line in lines[1:]], np.array(faces)[latest.clip(min=0)]


def _rate(times: NDArray[np.float64]) -> float:
    """Frames per second: a whole number, or one over 1.001, where the timecodes' thousandths allow it."""
    steps = np.diff(times)
    if not len(steps):
        return 60.0
    rate, span = 1 / float(np.median(steps)), float(times[-1] - times[0])
    mean = len(steps) / span
    rate = mean if abs(mean - rate) < 0.01 * rate else rate
    slack = 1e-4 * rate * max(rate / 30, 1) / span
    return nominal_rate(rate, slack)


def read_live_link(path: Path, fps: float | None = None) -> LiveLinkTake:
    """Read the curves of a CSV file, interpolated onto steady frames where the recording dropped some.

    Of rows with one timecode the first counts.

    Args:
        path: the ``.csv`` file.
        fps: frames per second; by default those of the timecodes, or 60 for a single row, which tells none.

    Raises:
        InputError: another kind of CSV, a timecode or a number that is none.
    """
    names, timecodes, values = _rows(path)
    known = {camel(name) for name in SHAPES}
    columns = {name[:1].lower() + name[1:]: column for column, name in enumerate(names)}
    if not columns.keys() & known:
        raise InputError("it has none of ARKit's 52 shapes among its columns")
    times = seconds_of(timecodes)
    kept = np.diff(times, prepend=-np.inf) > 0
    times, values = times[kept], values[kept]
    rate = fps or _rate(times)
    moments = np.arange(round((times[-1] - times[0]) * rate) + 1) / rate + times[0]

    def track(name: str) -> NDArray[np.float64]:
        if name not in columns:
            return np.zeros(len(moments))
        return np.interp(moments, times, values[:, columns[name]])

    weights = np.stack([track(name) for name in ARKIT_NAMES], axis=1)
    angles = np.stack([track(camel(name)) for name in ROTATIONS], axis=1)
    yaw, pitch = angles[:, [3, 6]], angles[:, [4, 7]]
    gaze = np.stack([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=2)
    head = from_euler(torch.from_numpy(angles[:, :3]))
    return LiveLinkTake(rate, torch.from_numpy(weights).float(), head.float(), torch.from_numpy(gaze).float())


def perform_live_link(take: LiveLinkTake, face: FaceModel) -> Performance:
    """A model's mean face, moved by a take along arcs, as speech moves it; weights keep ARKit's names."""
    mapping = face.arkit_mapping
    basis = torch.einsum("ak,kvc->avc", mapping, face.basis())
    head = torch.cat([take.head, take.head.new_zeros(len(take.head), 3)], dim=1)
    return Performance(
        neutral=face.neutral,
        fps=take.fps,
        weights=take.weights,
        basis=basis,
        weight_names=ARKIT_NAMES,
        mover=ArticulatedMover(face, mapping=mapping),
        face_model=face.name,
        head_motion=head,
        gaze=take.gaze,
    )
