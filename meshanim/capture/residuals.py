"""How far a posed, moving face is from the landmarks seen, and how that changes with each unknown."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim.capture.landmark_points import LandmarkPoints, Outline
from meshanim.mesh import axis_angle_to_matrix

LID_PAIRS = ((37, 41), (38, 40), (43, 47), (44, 46))
LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
"""Landmarks that face each other across the slits of eyes and mouth."""
_PAIRS = LID_PAIRS + LIP_PAIRS
_TAIL = 3.0
"""Deviations from which a landmark counts as an outlier (Cauchy's loss)."""
_OPENING_DEVIATION = 0.006
_NAMED_DEVIATIONS = (
    ((0, 17), 0.045),
    ((17, 27), 0.03),
    ((27, 36), 0.02),
    ((36, 48), 0.014),
    ((48, 68), 0.014),
)
"""Standard deviations of dlib's landmarks from places on a face, in inter-ocular distances, by range."""
POSE = 6
"""Axis-angle and translation."""


@dataclass(frozen=True)
class Pinhole:
    """The camera that looks along -Z from the origin, Y up, with its principal point amid the picture."""

    size: tuple[int, int]

    def project(self, world: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (..., 2) of points (..., 3) in metres, and their derivative (..., 2, 3) by the points."""
        across, up, depth = world[..., 0], world[..., 1], -world[..., 2]
        depth = depth.clamp(min=1e-3)
        scale = focal / depth
        pixels = torch.stack([self.size[1] / 2 + scale * across, self.size[0] / 2 - scale * up], dim=-1)
        zero = torch.zeros_like(scale)
        columns = torch.stack([scale, zero, scale * across / depth], dim=-1)
        rows = torch.stack([zero, -scale, -scale * up / depth], dim=-1)
        return pixels, torch.stack([columns, rows], dim=-2)

    @property
    def middle(self) -> Tensor:
        """(2,) the principal point in pixels."""
        return torch.tensor([self.size[1] / 2, self.size[0] / 2], dtype=torch.float64)


def interocular(landmarks: Tensor) -> Tensor:
    """(...,) distance of the outer corners of the eyes, of landmarks (..., 68, 2)."""
    return (landmarks[..., 45, :] - landmarks[..., 36, :]).norm(dim=-1)


def _deviations() -> Tensor:
    values = torch.empty(68, dtype=torch.float64)
    for (first, end), deviation in _NAMED_DEVIATIONS:
        values[first:end] = deviation
    return values


@dataclass(frozen=True)
class Shape:
    """A face's points at rest (N, 3), by units (U, N, 3), and the rest's derivative (N, 3, I) by identity."""

    rest: Tensor
    basis: Tensor
    by_identity: Tensor | None = None


@dataclass(frozen=True)
class State:
    """What is sought frame by frame: pose (T, 6), axis-angle and translation, and weights (T, U)."""

    pose: Tensor
    weights: Tensor

    def moved(self, step: Tensor) -> State:
        """After a step (T, 6 + U), weights held in [0, 1]."""
        weights = (self.weights + step[:, POSE:]).clamp(0, 1)
        return State(self.pose + step[:, :POSE], weights)

    def part(self, start: int, end: int | None) -> State:
        """The frames from ``start`` up to, without, ``end``."""
        return State(self.pose[start:end], self.weights[start:end])


@dataclass(frozen=True)
class Linear:
    """Weighted residuals (T, R), and derivatives by the frame (T, R, 6 + U) and the clip (T, R, I + 1)."""

    residual: Tensor
    by_frame: Tensor
    by_clip: Tensor | None = None

    def scaled(self, factor: float) -> Linear:
        """As if all standard deviations were larger by 1 / factor."""
        by_clip = None if self.by_clip is None else factor * self.by_clip
        return Linear(factor * self.residual, factor * self.by_frame, by_clip)


class Residuals:
    """Distances of seen landmarks from a face's, in standard deviations.

    Args:
        points: where landmarks are on the face.
        landmarks: (T, 68, 2) in pixels, NaN where there is none.
        camera: of the clip.
        used: (68,) which landmarks count; all of them by default.
    """

    def __init__(
        self, points: LandmarkPoints, landmarks: Tensor, camera: Pinhole, used: Tensor | None = None
    ) -> None:
        self.points, self.camera = points, camera
        seen = ~landmarks.isnan().any(dim=-1)
        self._landmarks = landmarks.nan_to_num(0.0)
        size = interocular(landmarks).nanmedian()
        used = torch.ones(68, dtype=torch.bool) if used is None else used
        self._weight = (seen & used) / (size * _deviations())
        first, second = torch.tensor(_PAIRS).T
        both = seen[:, first] & seen[:, second] & used[first] & used[second]
        self._pair = both / (size * _OPENING_DEVIATION)

    def _rows(self, values: Tensor) -> Tensor:
        """(T, 68 + 7, 2, ...) weighted landmarks and openings, of values (T, 68, 2, ...)."""
        first, second = torch.tensor(_PAIRS).T
        openings = values[:, first] - values[:, second]
        extra = (1,) * (values.ndim - 2)
        return torch.cat(
            [
                self._weight.reshape(*self._weight.shape, *extra) * values,
                self._pair.reshape(*self._pair.shape, *extra) * openings,
            ],
            dim=1,
        )

    def _seen(self, state: State, shape: Shape) -> tuple[Tensor, Outline, Tensor]:
        """Head-local landmarks (T, 68, 3), the outline that they come from, rotations (T, 3, 3)."""
        local = shape.rest + torch.einsum("tu,unc->tnc", state.weights, shape.basis)
        rotation = axis_angle_to_matrix(state.pose[:, :3])
        outline = self.points.outline(local, rotation)
        return outline.landmarks(local), outline, rotation

    def project(self, state: State, shape: Shape, focal: Tensor) -> Tensor:
        """(T, 68, 2) pixels at which the face's landmarks are seen."""
        landmarks, _, rotation = self._seen(state, shape)
        world = landmarks @ rotation.mT + state.pose[:, None, 3:]
        return self.camera.project(world, focal)[0]

    def cost(self, state: State, shape: Shape, focal: Tensor) -> Tensor:
        """(T,) Cauchy's loss of each frame's landmarks and openings."""
        rows = self._rows(self.project(state, shape, focal) - self._landmarks)
        return _TAIL**2 * torch.log1p(rows.square().sum(-1) / _TAIL**2).sum(-1)

    def linearise(self, state: State, shape: Shape, focal: Tensor) -> Linear:
        """Residuals and derivatives; outliers weighted down as their loss asks (iterated least squares)."""
        landmarks, outline, rotation = self._seen(state, shape)
        turned = landmarks @ rotation.mT
        pixels, by_world = self.camera.project(turned + state.pose[:, None, 3:], focal)
        turns = torch.func.vmap(torch.func.jacfwd(axis_angle_to_matrix))(state.pose[:, :3])
        by_turn = by_world @ torch.einsum("tijk,tnj->tnik", turns, landmarks)
        by_local = by_world @ rotation[:, None]
        units = outline.landmarks(shape.basis.permute(1, 2, 0).flatten(1))
        by_weight = by_local @ units.unflatten(-1, (3, -1))
        rows = self._rows(pixels - self._landmarks)
        weight = (1 + rows.square().sum(-1) / _TAIL**2).rsqrt()[..., None]
        by_frame = self._rows(torch.cat([by_turn, by_world, by_weight], dim=-1)) * weight[..., None]
        by_clip = None
        if shape.by_identity is not None:
            identity = outline.landmarks(shape.by_identity.flatten(1)).unflatten(-1, (3, -1))
            by_focal = (pixels - self.camera.middle)[..., None]
            by_clip = self._rows(torch.cat([by_local @ identity, by_focal], dim=-1)) * weight[..., None]
            by_clip = by_clip.flatten(1, 2)
        return Linear((rows * weight).flatten(1), by_frame.flatten(1, 2), by_clip)
