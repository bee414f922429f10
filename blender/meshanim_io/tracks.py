"""Weights over time, from a Live Link Face CSV or from an NPZ of meshanim."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import axes
from .errors import Refusal
from .names import ARKIT_NAMES, plain
from .performance import read_performance

TIMECODE = re.compile(r"(\d+):(\d+):(\d+)([:;])(\d+(?:\.\d+)?)")
COUNTED = (24, 25, 30, 48, 50, 60, 120)
"""Frames a second that timecodes count."""
DROPPED = {30: 2, 60: 4}
"""Frame numbers that drop-frame timecodes leave out at each minute but every tenth, by what they count."""
FEWEST_CELLS = 4
"""A row with fewer is one without a face."""
ANGLES = ("Yaw", "Pitch", "Roll")
PARTS = {"head": "Head", "left_eye": "LeftEye", "right_eye": "RightEye"}
"""Parts that turn, and how the columns of their angles begin."""


@dataclass(frozen=True)
class Track:
    """T moments of K weights.

    Args:
        names: K names.
        seconds: (T,) from the first moment on.
        weights: (T, K).
        fps: frames per second.
        turns: part to (T, 4) quaternions, Z up, where the file has them.
    """

    names: list[str]
    seconds: NDArray
    weights: NDArray
    fps: float
    turns: dict[str, NDArray] = field(default_factory=dict)


def read_track(path: Path, fps: float = 0.0) -> Track:
    """Read a ``.csv`` or ``.npz``; ``fps``, where not zero, is what the timecodes of a CSV count.

    Raises:
        Refusal: the file is neither, or has no weights.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path, fps)
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    raise Refusal(f"{path.name} is neither a Live Link Face CSV nor an NPZ of meshanim")


def _read_npz(path: Path) -> Track:
    found = read_performance(path)
    if not found.weight_names:
        raise Refusal(f"{path.name} moves vertices and has no named weights to apply")
    turns = {}
    if "head_motion" in found:
        turns["head"] = axes.from_axis_angle(found["head_motion"][:, :3])
    if "gaze" in found:
        for eye, part in enumerate(("left_eye", "right_eye")):
            turns[part] = axes.from_directions(found["gaze"][:, eye])
    seconds = np.arange(found.frame_count) / found.fps
    return Track(found.weight_names, seconds, found["weights"], found.fps, turns)


def _read_csv(path: Path, fps: float) -> Track:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except FileNotFoundError as error:
        raise Refusal(f"{path} is not there, or is not a file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(f"{path.name} is not a text of comma-separated values") from error
    column = {plain(name): index for index, name in enumerate(header)}
    names = [name for name in ARKIT_NAMES if plain(name) in column]
    if "timecode" not in column or not names:
        raise Refusal(f"{path.name} is not a Live Link Face CSV: it has no Timecode, or no ARKit columns")
    if not rows:
        raise Refusal(f"{path.name} has no frames")
    values = _numbers(path, header, rows, column["timecode"])
    rate, seconds = _clock(path, [row[column["timecode"]] for row in rows], fps)
    first = np.diff(seconds, prepend=-1) > 0  # of rows with one timecode
    values, seconds = values[first], seconds[first]
    turns = {}
    for part, begin in PARTS.items():
        angles = [plain(f"{begin}{angle}") for angle in ANGLES]
        if column.keys() >= set(angles):
            turns[part] = axes.from_yaw_pitch_roll(values[:, [column[angle] for angle in angles]])
    weights = values[:, [column[plain(name)] for name in names]]
    return Track(names, seconds, weights, rate, turns)


def _numbers(path: Path, header: list[str], rows: list[list[str]], timecode: int) -> NDArray:
    """(T, columns) values, zero in the column of the timecode.

    A row without a face keeps those before it; the first face that is seen holds for the rows before.
    """
    faces = np.array([len(row) >= FEWEST_CELLS for row in rows])
    if not faces.any():
        raise Refusal(f"{path.name} has no frame with a face")
    values = np.zeros((len(rows), len(header)))
    for index in faces.nonzero()[0]:
        row = rows[index]
        try:
            cells = [0.0 if place == timecode else float(cell) for place, cell in enumerate(row)]
        except ValueError as error:
            raise Refusal(f"{path.name} holds something that is not a number: {error}") from error
        if len(cells) != len(header) or not np.isfinite(cells).all():
            raise Refusal(f"{path.name} must have {len(header)} finite values in row {index + 2}")
        values[index] = cells
    seen = np.where(faces, np.arange(len(rows)), faces.argmax())
    return values[np.maximum.accumulate(seen)]


def _clock(path: Path, timecodes: list[str], fps: float) -> tuple[float, NDArray]:
    """Frame rate, and (T,) seconds since the first row.

    A given ``fps`` says that the timecodes count that many: where it is 29.97, 30 for a little more than a
    second. So do drop-frame timecodes, with a semicolon before the frames.
    """
    parts = [TIMECODE.fullmatch(code.strip()) for code in timecodes]
    if None in parts:
        raise Refusal(f"{path.name} has a timecode that is not HH:MM:SS:FF in row {parts.index(None) + 2}")
    hours, minutes, seconds, frames = np.array([p.group(1, 2, 3, 5) for p in parts if p], dtype=float).T
    dropping = any(p[4] == ";" for p in parts if p)
    whole = (hours * 60 + minutes) * 60 + seconds
    whole += 86400 * np.cumsum(np.concatenate([[0], np.diff(whole) < -43200]))
    rates = tuple(DROPPED) if dropping else COUNTED
    counted = max(round(fps), math.floor(frames.max()) + 1) if fps else _counted(whole, frames, rates)
    count = whole * counted + frames
    if dropping:
        count -= DROPPED.get(counted, 0) * (whole // 60 - whole // 600)
    if (np.diff(count) < 0).any():
        row = int((np.diff(count) < 0).nonzero()[0][0]) + 3
        raise Refusal(f"{path.name} has a timecode that does not follow the one before it in row {row}")
    moments = (count - count[0]) / (fps or (counted / 1.001 if dropping else counted))
    rate = fps or _rate(np.unique(moments), counted)
    places = moments * rate
    # Off a whole frame by no more than the thousandths of a timecode.
    whole_frames = np.abs(places - places.round()) < 0.01
    return rate, np.where(whole_frames, places.round(), places) / rate


def _counted(whole: NDArray, frames: NDArray, rates: Sequence[int]) -> int:
    """Frames a second that timecodes of whole seconds (T,) and frame numbers (T,) count; no file says it.

    Of the rates above every frame number, that by which the steps from a second into the next are as long as
    those within one. Where there are not both it is Unreal's guess, 60 with a frame number above 30, else 30.
    """
    steps, seconds = np.diff(frames), np.diff(whole)
    within, across = steps[(seconds == 0) & (steps > 0)], steps[seconds == 1]
    above = [rate for rate in rates if rate > frames.max()]
    if not (len(within) and len(across) and above):
        return 60 if frames.max() > 30 else 30
    meant = np.median(within) - np.median(across)
    return min(above, key=lambda rate: abs(rate - meant))


def _rate(moments: NDArray, counted: int) -> float:
    """Frames per second of (T,) seconds: whole, or that over 1.001, where thousandths of frames allow it."""
    if len(moments) < 2:
        return float(counted)
    steps = np.diff(moments)
    step, span = float(np.median(steps)), float(steps.mean())
    # Where frames were dropped the mean is too long.
    length, steps_in_it = (moments[-1], len(steps)) if abs(span - step) < 0.01 * step else (step, 1)
    found = steps_in_it / length
    near = (float(round(found)), round(found * 1.001) / 1.001)
    slack = found * 0.002 / (counted * length)
    return next((rate for rate in near if rate > 0 and abs(rate - found) < slack), found)
