"""Weights over time, from a Live Link Face CSV or from an NPZ of meshanim."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import axes
from .errors import Refusal
from .names import ARKIT_NAMES, plain
from .performance import read_performance

TIMECODE = re.compile(r"(\d+):(\d+):(\d+):(\d+(?:\.\d+)?)")
RATES = (24, 25, 30, 48, 50, 60, 100, 120)
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
    """Read a ``.csv`` or ``.npz``; ``fps``, where not zero, is the rate of a CSV that its timecodes hide.

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
    turns = {}
    for part, begin in PARTS.items():
        angles = [plain(f"{begin}{angle}") for angle in ANGLES]
        if column.keys() >= set(angles):
            turns[part] = axes.from_yaw_pitch_roll(values[:, [column[angle] for angle in angles]])
    weights = values[:, [column[plain(name)] for name in names]]
    return Track(names, seconds, weights, rate, turns)


def _numbers(path: Path, header: list[str], rows: list[list[str]], timecode: int) -> NDArray:
    """(T, columns) values; zero in the column of the timecode."""
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise Refusal(f"{path.name} has {len(row)} instead of {len(header)} values in row {line}")
    try:
        table = [[0.0 if i == timecode else float(cell) for i, cell in enumerate(row)] for row in rows]
    except ValueError as error:
        raise Refusal(f"{path.name} holds something that is not a number: {error}") from error
    values = np.array(table)
    if not np.isfinite(values).all():
        line = int((~np.isfinite(values)).any(1).nonzero()[0][0]) + 2
        raise Refusal(f"{path.name} holds a value that is not finite in row {line}")
    return values


def _clock(path: Path, timecodes: list[str], fps: float) -> tuple[float, NDArray]:
    """Frame rate, and (T,) seconds since the first row.

    A timecode counts frames within its second, so that a take of more than a second shows its rate: the
    lowest usual one that has such frames. A given ``fps`` says how fast these frames really follow: at
    29.97 frames per second, 30 are counted for a second.
    """
    parts = [TIMECODE.fullmatch(code.strip()) for code in timecodes]
    if None in parts:
        raise Refusal(f"{path.name} has a timecode that is not HH:MM:SS:FF in row {parts.index(None) + 2}")
    hours, minutes, seconds, frames = np.array([p.groups() for p in parts if p], dtype=float).T
    whole = (hours * 60 + minutes) * 60 + seconds
    whole += 86400 * np.cumsum(np.concatenate([[0], np.diff(whole) < -43200]))
    if fps == 0 and whole[-1] - whole[0] < 2:
        raise Refusal(f"{path.name} is too short to show its frame rate; set Frame Rate in the options")
    most = math.floor(frames.max()) + 1
    counted = max(round(fps), most) if fps else next((rate for rate in RATES if rate >= most), most)
    count = whole * counted + frames
    if (np.diff(count) <= 0).any():
        line = int((np.diff(count) <= 0).nonzero()[0][0]) + 3
        raise Refusal(f"{path.name} has a timecode that does not follow the one before it in row {line}")
    rate = fps or float(counted)
    return rate, (count - count[0]) / rate
