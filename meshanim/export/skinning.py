"""What joints of a file do to its vertices: linear blend skinning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError
from meshanim.export.parts import Floats, Part

STILL = 1e-6
"""How much the transforms of joints may change, in metres and parts of one, to count as still."""


def joint_shares(joints: NDArray, weights: NDArray, count: int) -> NDArray[np.float32]:
    """(V, J) share of each joint in each vertex, of sum 1, from joints (V, N) and weights (V, N) of each.

    Raises:
        InputError: a joint beyond ``count``, weights that are negative or add up to nothing.
    """
    joints, weights = joints.astype(np.int64), weights.astype(np.float64)
    if joints.shape != weights.shape or (joints.size and not 0 <= joints.min() <= joints.max() < count):
        raise InputError(f"its skin names joints that are not among its {count}")
    total = weights.sum(axis=1, keepdims=True)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (total > 0).all()):
        raise InputError("its skin has vertices that no joint leads")
    shares = np.zeros((len(joints), count))
    np.add.at(shares, (np.arange(len(joints))[:, None], joints), weights / total)
    return shares.astype(np.float32)


def _blend(points: NDArray, shares: NDArray, matrices: Floats) -> NDArray[np.float32]:
    """Points (V, 3), each moved by the mean of (J, 4, 4), its shares (V, J) the weights."""
    mixed = shares @ matrices[:, :3].reshape(len(matrices), 12).astype(np.float32)
    mixed = mixed.reshape(-1, 3, 4)
    return (mixed[:, :, :3] @ points[:, :, None])[:, :, 0] + mixed[:, :, 3]


def skinned(part: Part, shares: NDArray[np.float32], rest: Floats, matrices: Floats) -> Part:
    """The part as its joints move it; its targets are those of the mesh at rest.

    Args:
        part: with the vertices that the joints are bound to, local to what carries the skeleton.
        shares: (V, J).
        rest: (J, 4, 4) transforms of the joints while nothing is animated, and
        matrices: (T, J, 4, 4) in each frame.
    """
    bound = (shares @ rest[:, :3].reshape(len(rest), 12)).reshape(-1, 3, 4)
    turn, shift = bound[:, :, :3], bound[:, :, 3]
    placed = replace(
        part,
        vertices=(turn @ part.vertices[:, :, None])[:, :, 0] + shift,
        targets=(turn @ part.targets[..., None])[..., 0].astype(np.float32),
    )
    if part.motion is None and np.abs(matrices - rest).max() <= STILL:
        return placed
    motion = np.empty((len(matrices), *part.vertices.shape), np.float32)
    for frame, transforms in enumerate(matrices):
        if part.motion is not None:
            points = part.motion[frame]
        else:
            moved = np.tensordot(part.weights[frame].astype(np.float32), part.targets, 1)
            points = part.vertices.astype(np.float32) + moved
        motion[frame] = _blend(points, shares, transforms)
    return replace(placed, motion=motion)
