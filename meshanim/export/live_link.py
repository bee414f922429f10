"""Live Link Face CSV: ARKit's 52 weights and the rotations of head and eyes, as Unreal imports them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError
from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.export.timecodes import timecodes
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from meshanim.performance import Performance


def _sides(*names: str) -> list[str]:
    return [f"{name}{side}" for name in names for side in ("Left", "Right")]


def _eye(side: str) -> list[str]:
    names = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
    return [f"Eye{name}{side}" for name in names]


SHAPES: tuple[str, ...] = (
    *_eye("Left"),
    *_eye("Right"),
    *("JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker"),
    *("MouthRight", "MouthLeft"),
    *_sides("MouthSmile", "MouthFrown", "MouthDimple", "MouthStretch"),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper"),
    *_sides("MouthPress", "MouthLowerDown", "MouthUpperUp", "BrowDown"),
    *("BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff"),
    *_sides("CheekSquint", "NoseSneer"),
    "TongueOut",
)
"""The 52 columns in the app's order: right before left for jaw and mouth, left before right elsewhere."""
ROTATIONS: tuple[str, ...] = tuple(
    f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")
)
COLUMNS = (*SHAPES, *ROTATIONS)
DECIMALS = 6
"""Of weights and radians."""


def camel(name: str) -> str:
    """ARKit's own spelling of a column's name."""
    return name[0].lower() + name[1:]


def _euler(matrices: Tensor) -> NDArray[np.float64]:
    """(N, 3) yaw, pitch and roll of rotations (N, 3, 3): turns about Y, then X, then Z of what turns."""
    m = matrices.double().numpy()
    pitch = np.arcsin(np.clip(-m[:, 1, 2], -1, 1))
    return np.stack([np.arctan2(m[:, 0, 2], m[:, 2, 2]), pitch, np.arctan2(m[:, 1, 0], m[:, 1, 1])], axis=1)


def from_euler(angles: Tensor) -> Tensor:
    """(N, 3) axis-angle of what :func:`_euler` gives."""
    zero = torch.zeros(len(angles), dtype=angles.dtype)
    yaw, pitch, roll = (axis_angle_to_matrix(torch.stack(axis, dim=1)) for axis in (
        (zero, angles[:, 0], zero), (angles[:, 1], zero, zero), (zero, zero, angles[:, 2])
    ))  # fmt: skip
    return matrix_to_axis_angle(yaw @ pitch @ roll)


def require_arkit_names(names: Iterable[str]) -> None:
    """Raise where none of a performance's weights has a name of ARKit's, or is a side of such a shape."""
    known = {camel(each) for name in SHAPES for each in (name, *_sides(name))}
    if known.isdisjoint(names):
        raise InputError(
            "a .csv holds ARKit's 52 weights, and the performance has none by these names; "
            "solve for them first: meshanim solve, or meshanim.faces.solve_performance"
        )


def _shape_columns(performance: Performance) -> NDArray[np.float64]:
    """(T, 52) weights by name, the mean of sides that are weights of their own; what lacks stays at rest."""
    require_arkit_names(performance.weight_names)
    named = {name: column for column, name in enumerate(performance.weight_names)}
    assert performance.weights is not None
    weights = performance.weights.detach().to("cpu", torch.float64).numpy()
    columns = np.zeros((performance.frame_count, len(SHAPES)))
    for column, name in enumerate(SHAPES):
        if camel(name) in named:
            columns[:, column] = weights[:, named[camel(name)]]
            continue
        for side in map(camel, _sides(name)):
            if side in named:
                columns[:, column] += weights[:, named[side]] / 2
    return columns.clip(0, 1)


def _rotation_columns(performance: Performance) -> NDArray[np.float64]:
    """(T, 9) radians of head, left and right eye; gaze has no roll."""
    columns = np.zeros((performance.frame_count, len(ROTATIONS)))
    if performance.head_motion is not None:
        turns = performance.head_motion.detach().to("cpu", torch.float64)[:, :3]
        columns[:, :3] = _euler(axis_angle_to_matrix(turns))
    if performance.gaze is not None:
        gaze = performance.gaze.detach().to("cpu", torch.float64).numpy()
        gaze = gaze / np.linalg.norm(gaze, axis=2, keepdims=True).clip(1e-12)
        columns[:, [3, 6]] = np.arctan2(gaze[..., 0], gaze[..., 2])
        columns[:, [4, 7]] = -np.arcsin(gaze[..., 1].clip(-1, 1))
    return columns


def write_live_link(performance: Performance, path: Path, progress: Progress | None = None) -> None:
    """Write the curves, not the mesh, in the format of the Live Link Face app.

    Columns go by name, never by order; weights are clamped to [0, 1]. Rotations are in radians about
    meshanim's axes, those of ARKit's face: yaw is positive to the person's left, pitch downwards, roll
    towards the person's right shoulder, and they are applied in this order. The head's translation has no
    place. Timecodes start at zero and count as Unreal's importer will read them, at any frame rate.

    Names and order of the columns are those of the app's recordings, in which other readers of them agree.
    The signs of the angles are not: Epic documents none, no recording was at hand to check them, and users
    report that the app itself turns yaw and pitch round when the phone lies on its side.

    Args:
        performance: what to write; its weights must have ARKit's names, or be sides of its shapes, whose mean
            is written.
        path: the ``.csv`` file.
        progress: told the frames done and in all.

    Raises:
        InputError: no weight with a name of ARKit's.
    """
    values = np.concatenate([_shape_columns(performance), _rotation_columns(performance)], axis=1)
    values = values.round(DECIMALS) + 0.0  # which takes the sign from zeros
    with atomic_path(path) as place, open(place, "w", encoding="ascii", newline="\n") as file:
        file.write(",".join(("Timecode", "BlendShapeCount", *COLUMNS)) + "\n")
        for timecode, row in zip(timecodes(len(values), performance.fps), values.tolist(), strict=True):
            cells = (f"{value:.{DECIMALS}f}" for value in row)
            file.write(",".join((timecode, str(len(COLUMNS)), *cells)) + "\n")
    if progress is not None:
        progress(performance.frame_count, performance.frame_count)
