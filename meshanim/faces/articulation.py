"""Motion along arcs: the same weights, but the jaw turns, lids slide on the eyeball and eyes roll.

Blendshapes move every point on a straight line. At weight 1 of a single unit the arcs end where its shape
does, but for lids that it would lead into the eyeball; in between, and in combination, they go where bone and
ball lead them.
"""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.faces.face_model import FaceModel, Joint
from meshanim.faces.joint_fitting import fit_turn
from meshanim.faces.lid_clearing import clear_lids, lid_limits
from meshanim.faces.looks import LID_UNITS, LOOK_UNITS
from meshanim.mesh.rotations import axis_angle_to_matrix

CHUNK = 64


def _columns(face: FaceModel, stems: tuple[str, ...], side: str) -> list[int]:
    wanted = {f"{stem}{side}" for stem in stems}
    return [column for column, name in enumerate(face.weight_names) if name in wanted]


class _Jaw:
    """jawOpen as a turn about the hinge: every vertex by its own share of the angle, plus what is left."""

    def __init__(self, face: FaceModel, joint: Joint, rest: Tensor, shape: Tensor) -> None:
        self.column = face.weight_names.index("jawOpen")
        self.axis, self.position = joint.axis, joint.position
        arm = rest - self.position
        arm = arm - (arm @ self.axis)[:, None] * self.axis
        around = torch.linalg.cross(self.axis.expand_as(arm), arm)
        reach = arm.square().sum(dim=1).clamp(min=1e-12)
        # the angle at which each vertex stands, seen along the axis, after the full unit
        end = arm + shape - (shape @ self.axis)[:, None] * self.axis
        turned = torch.atan2((end * around).sum(dim=1), (end * arm).sum(dim=1))
        led = joint.weights > 0.9
        full = (turned * reach)[led].sum() / reach[led].sum()
        share = (turned / full).clamp(0, 1) if float(full.detach().abs()) > 1e-6 else torch.zeros_like(turned)
        self.angle = full * share
        self.residual = shape - self._swing(self.angle, rest)

    def of(self, kept: Tensor, place: Tensor) -> _Jaw:
        """The same for the vertices ``kept`` (N,) alone; ``place`` (V,) says where each went, or -1."""
        part = copy(self)
        part.angle, part.residual = self.angle[kept], self.residual[kept]
        return part

    def _swing(self, angle: Tensor, points: Tensor) -> Tensor:
        """Displacements of points (..., V, 3) that turn about the hinge by angles (..., V) (Rodrigues)."""
        arm = points - self.position
        arm = arm - (arm @ self.axis)[..., None] * self.axis
        across = torch.linalg.cross(self.axis.expand_as(arm), arm)
        return (angle.cos() - 1)[..., None] * arm + angle.sin()[..., None] * across

    def apply(self, points: Tensor, weights: Tensor) -> Tensor:
        """Open the jaw of points (T, V, 3) by weights (T, K)."""
        opening = weights[:, self.column]
        swung = self._swing(opening[:, None] * self.angle, points)
        return points + swung + opening[:, None, None] * self.residual


class _Lids:
    """Lids of one eye: the direction from the eye's centre follows the units, the distance keeps clear."""

    def __init__(
        self, face: FaceModel, side: str, eye: Joint, ball: Tensor, rest: Tensor, basis: Tensor
    ) -> None:
        self.columns = _columns(face, LID_UNITS, side)
        self.centre = eye.position
        self.vertices, self.least = lid_limits(rest, face.neutral.groups["lids"], ball, self.centre)
        self.shapes = basis[self.columns][:, self.vertices]
        arm = rest[self.vertices] - self.centre
        self.change = (arm + self.shapes).norm(dim=-1) - arm.norm(dim=1)

    def of(self, kept: Tensor, place: Tensor) -> _Lids:
        """As :meth:`_Jaw.of`."""
        part, own = copy(self), place[self.vertices] >= 0
        part.vertices, part.least = place[self.vertices[own]], self.least[own]
        part.shapes, part.change = self.shapes[:, own], self.change[:, own]
        return part

    def apply(self, points: Tensor, weights: Tensor) -> Tensor:
        """Move the lids in points (T, V, 3), in which these units have not moved yet."""
        level = weights[:, self.columns]
        arm = points[:, self.vertices] - self.centre
        start = arm.norm(dim=-1)
        toward = arm + torch.einsum("tk,kvc->tvc", level, self.shapes)
        distance = torch.maximum(start + level @ self.change, torch.minimum(start, self.least))
        placed = (
            self.centre + toward / toward.norm(dim=-1, keepdim=True).clamp(min=1e-9) * distance[..., None]
        )
        touched = (level.abs().sum(dim=1) > 0)[:, None, None]
        moved = points.clone()
        moved[:, self.vertices] = torch.where(touched, placed, points[:, self.vertices])
        return moved


class _Eye:
    """One eyeball, rolled as a rigid body by its eyeLook units."""

    def __init__(
        self, face: FaceModel, side: str, eye: Joint, ball: Tensor, rest: Tensor, basis: Tensor
    ) -> None:
        self.columns = _columns(face, LOOK_UNITS, side)
        self.vertices, self.centre = ball, eye.position
        arm = rest[ball] - self.centre
        self.turns = torch.stack([fit_turn(arm, arm + basis[column, ball]) for column in self.columns])

    def of(self, kept: Tensor, place: Tensor) -> _Eye:
        """As :meth:`_Jaw.of`."""
        part = copy(self)
        part.vertices = place[self.vertices][place[self.vertices] >= 0]
        return part

    def apply(self, points: Tensor, weights: Tensor) -> Tensor:
        """Roll the eyeball in points (T, V, 3), in which these units have not moved yet."""
        rotation = axis_angle_to_matrix(weights[:, self.columns] @ self.turns)
        arm = points[:, self.vertices] - self.centre
        moved = points.clone()
        moved[:, self.vertices] += arm @ (rotation - torch.eye(3).to(rotation)).mT
        return moved


class Articulation:
    """A face of one identity, ready to be moved along arcs.

    Args:
        face: a model; what it lacks (a jaw, eyes, lids) moves in straight lines.
        identity: (I,) coefficients; the mean face without them.
    """

    def __init__(self, face: FaceModel, identity: Tensor | None = None) -> None:
        self.weight_count = len(face.weight_names)
        self.rest, basis = face.rest(identity), face.basis(identity)
        joints, groups = face.joints(identity), face.neutral.groups
        self.straight = basis.clone()
        self._parts: list[_Lids | _Eye | _Jaw] = []
        for side, eye, ball in (("Left", "eye_left", "eye_left"), ("Right", "eye_right", "eye_right")):
            if eye not in joints or ball not in groups:
                continue
            if "lids" in groups and _columns(face, LID_UNITS, side):
                lids = _Lids(face, side, joints[eye], groups[ball], self.rest, basis)
                places = torch.tensor(lids.columns)[:, None], lids.vertices
                self.straight[places] = 0
                self._parts.append(lids)
            if _columns(face, LOOK_UNITS, side):
                roll = _Eye(face, side, joints[eye], groups[ball], self.rest, basis)
                self.straight[torch.tensor(roll.columns)[:, None], roll.vertices] = 0
                self._parts.append(roll)
        if "jaw" in joints and "jawOpen" in face.weight_names:
            column = face.weight_names.index("jawOpen")
            self._parts.append(_Jaw(face, joints["jaw"], self.rest, basis[column]))
            self.straight[column] = 0

    def of(self, kept: Tensor) -> Articulation:
        """The same motion of the vertices ``kept`` (N,) alone, for what need not see them all."""
        place = torch.full((len(self.rest),), -1)
        place[kept] = torch.arange(len(kept))
        part = copy(self)
        part.rest, part.straight = self.rest[kept], self.straight[:, kept]
        parts = (moved.of(kept, place) for moved in self._parts)
        part._parts = [moved for moved in parts if isinstance(moved, _Jaw) or len(moved.vertices)]
        return part

    def vertices(self, weights: Tensor) -> Tensor:
        """Vertices (T, V, 3) in metres of weights (T, K), of the identity's type."""
        check_shape("weights", weights, (None, self.weight_count))
        weights = weights.to(self.rest)
        return torch.cat([self._moved(part) for part in weights.split(CHUNK)])

    def _moved(self, weights: Tensor) -> Tensor:
        points = self.rest + torch.einsum("tk,kvc->tvc", weights, self.straight)
        for part in self._parts:
            points = part.apply(points, weights)
        return points


class ArticulatedMover:
    """Moves performances along arcs, with lids in front of the eyeballs.

    Alone, the units of the lids keep clear of the ball; those of brows and nose push lids into it.

    Args:
        face: a model.
        identity: (I,) coefficients; the mean face without them.
        mapping: (A, K) what each weight of the performance is in the face's own; by default it is these.
    """

    def __init__(
        self, face: FaceModel, identity: Tensor | None = None, mapping: Tensor | None = None
    ) -> None:
        self.articulation = Articulation(face, identity)
        self._neutral = face.neutral.with_vertices(self.articulation.rest)
        self._mapping = mapping

    def vertices(self, weights: Tensor) -> Tensor:
        """Positions (n, V, 3) in metres of weights (n, A)."""
        own = weights if self._mapping is None else weights.to(self._mapping) @ self._mapping
        return clear_lids(self._neutral, self.articulation.vertices(own))


def articulate(face: FaceModel, weights: Tensor, identity: Tensor | None = None) -> Tensor:
    """Vertices (T, V, 3) in metres of weights (T, K) on one identity (I,), along arcs; differentiable.

    Raises:
        InputError: weights or identity of another shape, an identity that is not finite.
    """
    return Articulation(face, identity).vertices(weights)
