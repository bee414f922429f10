"""A skeleton in glTF: a node that the head's motion moves, joints below it, and a skin on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshanim.export.frames import quaternions
from meshanim.export.glb_buffer import VERTEX_DATA, GlbBuffer
from meshanim.export.joints import Rig, Skeleton

CARRIER, HEAD = 1, 2
"""Nodes after the mesh's: what the head's motion moves, and the joint of all that no other joint leads."""


def skin_attributes(buffer: GlbBuffer, skeleton: Skeleton, source: NDArray) -> dict[str, int]:
    """Which joints lead each vertex, and by how much; ``source`` (N,) are the mesh's vertices of glTF's."""
    joints, weights = (each.numpy()[source] for each in skeleton.influences())
    return {
        "JOINTS_0": buffer.array(joints.astype("|u1"), VERTEX_DATA),
        "WEIGHTS_0": buffer.array(weights.astype("<f4"), VERTEX_DATA),
    }


def skin_nodes(skeleton: Skeleton, name: str) -> list[dict[str, Any]]:
    """The nodes after the mesh's; each joint stands at rest where it turns."""
    numbers = range(HEAD + 1, HEAD + 1 + len(skeleton.names))
    joints = [
        {"name": joint, "translation": place}
        for joint, place in zip(skeleton.names, skeleton.positions.tolist(), strict=True)
    ]
    carrier = {"name": f"{name} head motion", "children": [HEAD]}
    return [carrier, {"name": "head", "children": list(numbers)}, *joints]


def skin(buffer: GlbBuffer, skeleton: Skeleton) -> dict[str, Any]:
    """The joints' numbers, and the matrices that take the mesh at rest to each of them."""
    inverse = np.tile(np.eye(4, dtype="<f4"), (1 + len(skeleton.names), 1, 1))
    # By columns: the shift is the last row.
    inverse[1:, 3, :3] = -skeleton.positions.numpy()
    joints = list(range(HEAD, HEAD + len(inverse)))
    return {"joints": joints, "inverseBindMatrices": buffer.array(inverse.reshape(-1, 16)), "skeleton": HEAD}


def joint_tracks(rig: Rig) -> dict[tuple[int, str], NDArray[np.float32]]:
    """Rotation (T, 4) of each joint, by node and path."""
    if rig.turns is None:
        return {}
    turns = enumerate(rig.turns.unbind(dim=1), start=HEAD + 1)
    return {(node, "rotation"): quaternions(turn).astype("<f4") for node, turn in turns}
