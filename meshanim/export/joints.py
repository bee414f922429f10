"""Eyes and jaw as joints: how far they turn in each frame, and what morph targets have still to do.

A reader moves the vertices by the targets first and then by the joints, each vertex by the mean of the
joints' transforms, weighted with its shares (linear blend skinning). Here this is undone, so that the targets
explain what is left. A mean of turns shortens and never stretches: what the targets are off before the
joints, they are off at most behind them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim._progress import Progress
from meshanim.export.frames import local_chunks
from meshanim.export.targets import Targets, fitting_targets, scaled, within_unit
from meshanim.faces import FaceModel, Joint, fitting_face, load_face
from meshanim.faces.joint_fitting import fit_turn
from meshanim.mesh.principal import principal_shapes
from meshanim.mesh.rotations import axis_angle_to_matrix
from meshanim.performance import Performance

LED = 0.9
"""Share from which on a vertex tells how far the jaw has turned."""
LEAST_TURN = 1e-4
"""Radians at weight 1 that are no work of a joint: 0.01 mm at the chin."""


class Skeleton:
    """Joints of a head at rest: balls that turn as rigid bodies, and a jaw on its hinge.

    Args:
        rest: (V, 3) in metres.
        joints: name to joint; ``eye_left`` and ``eye_right`` lead the vertices of ``balls`` alone.
        balls: name to vertices (N,).
    """

    def __init__(self, rest: Tensor, joints: dict[str, Joint], balls: dict[str, Tensor]) -> None:
        self.names, self._joints, self._balls = tuple(joints), joints, balls
        self.positions = torch.stack([joint.position for joint in joints.values()])
        self.shares = torch.stack([joint.weights for joint in joints.values()], dim=1)
        for name, ball in balls.items():
            self.shares[ball] = 0
            self.shares[:, self.names.index(name)] = 0
            self.shares[ball, self.names.index(name)] = 1
        self._rest, self._led = rest, self.shares.any(dim=1).nonzero()[:, 0]

    def turns(self, points: Tensor) -> Tensor:
        """Rotation vectors (n, J, 3) that come nearest to what points (n, V, 3) do to the led vertices."""
        return torch.stack([self._turn(name, points) for name in self.names], dim=1)

    def _turn(self, name: str, points: Tensor) -> Tensor:
        joint = self._joints[name]
        if name in self._balls:
            ball = self._balls[name]
            return fit_turn(self._rest[ball] - joint.position, points[:, ball] - joint.position)
        led = joint.weights > LED
        arm, moved = self._rest[led] - joint.position, points[:, led] - joint.position
        arm = arm - (arm @ joint.axis)[:, None] * joint.axis
        around = torch.linalg.cross(joint.axis.expand_as(arm), arm)
        angle = torch.atan2((moved * around).sum(dim=(1, 2)), (moved * arm).sum(dim=(1, 2)))
        return angle[:, None] * joint.axis

    def _transforms(self, turns: Tensor) -> tuple[Tensor, Tensor]:
        """Linear parts (n, L, 3, 3) and shifts (n, L, 3) of the led vertices."""
        extra = axis_angle_to_matrix(turns) - torch.eye(3).to(turns)
        shift = -(extra @ self.positions[:, :, None])[..., 0]
        shares = self.shares[self._led]
        linear = torch.einsum("vj,njab->nvab", shares, extra) + torch.eye(3).to(extra)
        return linear, torch.einsum("vj,nja->nva", shares, shift)

    def straightened(self, points: Tensor, turns: Tensor) -> Tensor:
        """Points (n, V, 3) as they are before the joints turn them by (n, J, 3)."""
        linear, shift = self._transforms(turns)
        x, y, z = linear.unbind(dim=-2)
        # Rows of the adjugate's transpose: much quicker than a solver for so many matrices so small.
        inverse = torch.stack([torch.linalg.cross(*pair) for pair in ((y, z), (z, x), (x, y))], dim=-1)
        volume = (x * inverse[..., 0]).sum(dim=-1, keepdim=True)
        before = (inverse @ (points[:, self._led] - shift)[..., None])[..., 0] / volume
        return points.index_copy(1, self._led, before)

    def influences(self) -> tuple[Tensor, Tensor]:
        """Joints (V, 4) that lead each vertex and by how much (V, 4); joint 0 is the head, then these."""
        shares = torch.cat([1 - self.shares.sum(dim=1, keepdim=True), self.shares], dim=1)
        weights, joints = shares.sort(dim=1, descending=True, stable=True)
        missing = max(0, 4 - shares.shape[1])
        weights, joints = (torch.nn.functional.pad(each, (0, missing))[:, :4] for each in (weights, joints))
        return torch.where(weights > 0, joints, 0), weights


def skeleton_of(performance: Performance, face: FaceModel | None) -> Skeleton | None:
    """The joints of a face model on the performance's own neutral; None where it has no joints.

    Args:
        performance: of the model's mesh.
        face: the model; without one, the built-in face where the performance says that it is that.

    Raises:
        InputError: the performance moves another mesh than the face's.
    """
    if face is None:
        if performance.face_model != "anny":
            return None
        face = load_face("anny")
        try:
            mover, who = fitting_face(performance, face)
        except InputError:
            return None
    else:
        mover, who = fitting_face(performance, face)
    joints, groups = dict(mover.joints(who)), mover.neutral.groups
    balls = {name: groups[name] for name in joints if name in groups}
    return Skeleton(performance.neutral.vertices, joints, balls) if joints else None


def _straight_basis(performance: Performance, skeleton: Skeleton) -> tuple[Tensor, Tensor] | None:
    """The performance's basis (K, V, 3), less what the joints do at weight 1 of each shape: (K, J, 3)."""
    if performance.basis is None:
        return None
    rest = performance.neutral.vertices
    parts, turns = [], []
    for shapes in performance.basis.detach().split(16):
        moved = rest + shapes
        turns.append(skeleton.turns(moved))
        parts.append(skeleton.straightened(moved, turns[-1]) - rest)
    return torch.cat(parts), torch.cat(turns)


class Rig(NamedTuple):
    """Targets with weights in [0, 1], and joints, where there are some, with rotation vectors (T, J, 3).

    ``shares`` (K, J, 3) are those of the first K targets at weight 1, where these are named ones.
    """

    targets: Targets
    skeleton: Skeleton | None = None
    turns: Tensor | None = None
    shares: Tensor | None = None

    def shared_turns(self) -> dict[str, dict[str, list[float]]]:
        """Joint to the targets whose work it shares, and how far it turns at weight 1 of each, in radians.

        Who drives the weights anew turns each joint by the sum of its rotation vectors times the weights.
        """
        if self.skeleton is None or self.shares is None:
            return {}
        found: dict[str, dict[str, list[float]]] = {}
        for joint, turns in zip(self.skeleton.names, self.shares.unbind(dim=1), strict=True):
            pairs = zip(self.targets.names, turns, strict=False)
            found[joint] = {name: turn.tolist() for name, turn in pairs if turn.norm() > LEAST_TURN}
        return found


def fitting_rig(
    performance: Performance,
    skeleton: Skeleton | None,
    own: bool,
    max_error: float,
    progress: Progress | None = None,
) -> Rig:
    """Targets that, with the joints, keep every vertex within ``max_error`` metres.

    With ``own``, the performance's basis goes first, where it has one, and principal components follow where
    that and the joints do not explain enough. Without joints as :func:`fitting_targets` has it.
    """
    if skeleton is None:
        return Rig(within_unit(fitting_targets(performance, own, max_error, progress)))
    rest = performance.neutral.vertices.to(torch.float32)
    straight = _straight_basis(performance, skeleton) if own else None
    basis, shares = straight or (None, None)
    turns: list[Tensor] = []

    def walk(turn: int) -> Iterator[Tensor]:
        turns.clear()
        for start, chunk in local_chunks(performance, progress, turn, 2):
            turns.append(skeleton.turns(chunk))
            left = skeleton.straightened(chunk, turns[-1])
            if basis is not None and performance.weights is not None:
                weights = performance.weights[start : start + len(chunk)].detach()
                left = left - torch.einsum("tk,kvc->tvc", weights, basis)
            yield left

    found = principal_shapes(rest, walk, max_error)
    names = tuple(f"component_{index + 1:03d}" for index in range(len(found.basis)))
    targets = scaled(Targets(names, *found, "principal components"))
    if basis is not None:
        targets = _after_own(performance, basis, targets)
    return Rig(within_unit(targets), skeleton, torch.cat(turns), shares)


def _after_own(performance: Performance, basis: Tensor, more: Targets) -> Targets:
    """The performance's names and weights with a ``basis`` (K, V, 3), then those of ``more`` that move."""
    assert performance.weights is not None
    needed = more.weights.any(dim=0) & more.basis.flatten(1).any(dim=1)
    return Targets(
        performance.weight_names + _unused(performance.weight_names, int(needed.sum())),
        torch.cat([basis, more.basis[needed]]),
        torch.cat([performance.weights.detach(), more.weights[:, needed]], dim=1),
        more.error,
        "basis of the performance and principal components",
    )


def _unused(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """So many names of components that are not among ``names``: a file that is read may have some already."""
    numbered = (f"component_{index:03d}" for index in itertools.count(1))
    return tuple(itertools.islice((name for name in numbered if name not in names), count))
