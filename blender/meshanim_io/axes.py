"""From metres with Y up, the face looking along +Z, to Blender: Z up, the face looking along -Y.

Rotations are (T, 4) unit quaternions, WXYZ as Blender has them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_z_up(points: NDArray) -> NDArray[np.float32]:
    """(..., 3) points or axes, Y up, as Blender wants them."""
    x, y, z = np.moveaxis(np.asarray(points, np.float32), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def multiply(first: NDArray, second: NDArray) -> NDArray:
    """The rotation ``second``, then ``first``; (..., 4) each."""
    turn = first[..., :1] * second[..., 1:] + second[..., :1] * first[..., 1:]
    vector = turn + np.cross(first[..., 1:], second[..., 1:])
    scalar = first[..., :1] * second[..., :1] - (first[..., 1:] * second[..., 1:]).sum(-1, keepdims=True)
    return np.concatenate([scalar, vector], axis=-1)


def without_flips(turns: NDArray) -> NDArray:
    """The same rotations; a curve between any two neighbours goes the short way."""
    flips = np.where((turns[1:] * turns[:-1]).sum(-1) < 0, -1.0, 1.0)
    return turns * np.cumprod(np.concatenate([[1.0], flips]))[:, None]


def from_axis_angle(rotations: NDArray) -> NDArray:
    """Quaternions, Z up, of (T, 3) axis-angle rotations in radians, Y up."""
    axis = to_z_up(rotations).astype(np.float64)
    angle = np.linalg.norm(axis, axis=1, keepdims=True)
    vector = axis * np.sinc(angle / (2 * np.pi)) / 2
    return without_flips(np.concatenate([np.cos(angle / 2), vector], axis=1))


def from_yaw_pitch_roll(angles: NDArray) -> NDArray:
    """Quaternions, Z up, of (T, 3) angles in radians: yaw about Y up, pitch about X, roll about Z ahead.

    Right-handed, the roll applied first: yaw turns to the character's left, pitch looks down, roll tips
    the head towards its right shoulder.
    """
    axes = np.eye(3)[[1, 0, 2]]
    yaw, pitch, roll = (from_axis_angle(angles[:, [i]] * axes[i]) for i in range(3))
    return without_flips(multiply(multiply(yaw, pitch), roll))


def from_directions(directions: NDArray) -> NDArray:
    """Quaternions, Z up, of the shortest turns from straight ahead to (T, 3) directions, Y up."""
    x, y, z = np.asarray(directions, np.float64).T
    across = np.hypot(x, y)
    angle = np.arctan2(across, z) / np.maximum(across, 1e-12)
    return from_axis_angle(np.stack([-y * angle, x * angle, np.zeros_like(x)], axis=1))
