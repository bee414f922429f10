"""Any motion of a face's mesh as curves of the face's own units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim._progress import Progress, Steps, silent, unheard
from meshanim.faces.articulated_solving import ArticulatedSolver
from meshanim.faces.articulation import ArticulatedMover
from meshanim.faces.face_model import FaceModel
from meshanim.faces.from_mesh import face_from_mesh
from meshanim.mesh import Blendshapes, fit_similarity
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from meshanim.mesh.weight_solver import SMOOTHNESS, SPARSITY, WeightSolver, check_frames, distances_mm
from meshanim.performance import Performance

_STILL = 1e-4
"""Metres by which a vertex may move under the units of a face and still tell how the head moves."""
_SAME = 1e-5
"""Metres within which two neutral faces are one."""


class SolvedPerformance(NamedTuple):
    """A performance by weights; each frame's mean and largest distance (T,) in mm from what was given."""

    performance: Performance
    mean_mm: Tensor
    largest_mm: Tensor


def solve_performance(
    performance: Performance,
    face: FaceModel,
    smoothness: float = SMOOTHNESS,
    sparsity: float = SPARSITY,
    articulated: bool = False,
    moving_head: bool = False,
    residual: bool = False,
    progress: Steps = silent,
) -> SolvedPerformance:
    """The weights of a face model's units that explain a performance of its mesh, within their bounds.

    The units are carried to the performance's own neutral, whoever that is. Frames are read in chunks; with
    ``residual`` alone something of the size of all vertices is kept.

    Args:
        performance: any motion of the face's V vertices.
        face: the model.
        smoothness: of neighbouring frames; see :class:`meshanim.mesh.WeightSolver`.
        sparsity: how much a weight costs; see there.
        articulated: find the weights with which the jaw turns, lids slide and eyes roll
            (:class:`meshanim.faces.Articulation`), and not those of straight lines; so does the performance.
        moving_head: the vertices hold the head's rigid motion, which becomes ``head_motion``; what a neck
            does that no unit knows is taken for the face's.
        residual: keep what the units leave, so that the vertices come back as they were.
        progress: called with the name of each step, gives the callback that is told done and total.

    Raises:
        InputError: another number of vertices or topology, a face without units, a frame or an identity that
            is not finite.
    """
    fitting, who = fitting_face(performance, face)
    basis = Blendshapes(fitting.weight_names, performance.neutral.vertices, fitting.basis(who))
    solver = WeightSolver(basis, fitting.weight_bounds, smoothness, sparsity)
    motion = _rigid_motion(performance, basis, progress("finding the head")) if moving_head else None

    def walk(step: Progress = unheard) -> Iterator[Tensor]:
        return _head_local(performance, motion, step)

    weights = solver.weights(walk(progress("finding weights")))
    arcs = ArticulatedMover(fitting, who) if articulated else None
    if arcs is not None:
        weights = ArticulatedSolver(arcs, solver).refine(weights, walk, progress("bending"))
    weights = weights.float()
    moved = basis.vertices if arcs is None else arcs.vertices
    errors, left, start = [], [], 0
    for chunk in walk(progress("measuring")):
        part = weights[start : start + len(chunk)]
        found = moved(part)
        errors.append(distances_mm(found, chunk))
        if residual:
            left.append(chunk - found)
        start += len(chunk)
    mean_mm, largest_mm = (torch.cat(part) for part in zip(*errors, strict=True))
    solved = replace(
        performance,
        motion=None,
        weights=weights,
        basis=basis.shapes,
        weight_names=basis.names,
        residual=torch.cat(left) if residual else None,
        mover=arcs,
        face_model=face.name,
        identity=who,
        head_motion=performance.head_motion if motion is None else _joined(performance.head_motion, motion),
    )
    return SolvedPerformance(solved, mean_mm, largest_mm)


def fitting_face(performance: Performance, face: FaceModel) -> tuple[FaceModel, Tensor | None]:
    """A face that moves as ``face``, and an identity of it, whose rest is the performance's neutral.

    Raises:
        InputError: another number of vertices or topology.
    """
    count, wanted = len(performance.neutral.vertices), len(face.neutral.vertices)
    if count != wanted:
        raise InputError(f"the performance must move the {wanted} vertices of {face.name}, got {count}")
    known, who = performance.neutral.vertices, performance.identity
    if performance.face_model != face.name or who is None or len(who) != len(face.identity_names):
        who = None
    if float((face.rest(who) - known).abs().max()) <= _SAME:
        return face, who
    return face_from_mesh(performance.neutral, face), None


def _head_local(performance: Performance, motion: Tensor | None, step: Progress) -> Iterator[Tensor]:
    """Positions in chunks (n, V, 3), finite, with the rigid ``motion`` (T, 6) taken away."""
    for start, chunk in performance.chunks():
        check_frames(chunk, start)
        if motion is not None:
            pose = motion[start : start + len(chunk)]
            chunk = (chunk - pose[:, None, 3:]) @ axis_angle_to_matrix(pose[:, :3])
        yield chunk
        step(start + len(chunk), performance.frame_count)


def _rigid_motion(performance: Performance, basis: Blendshapes, step: Progress) -> Tensor:
    """(T, 6) how the vertices move that no unit moves, or in faces without such those moved least."""
    reach = basis.shapes.norm(dim=2).amax(dim=0)
    shares = 1 / (1 + (reach.double() / _STILL) ** 4)
    poses = []
    for chunk in _head_local(performance, None, step):
        found = fit_similarity(basis.rest, chunk.double(), scaled=False, shares=shares)
        shift = found.target - found.linear @ found.source.double()
        poses.append(torch.cat([matrix_to_axis_angle(found.linear), shift], dim=1))
    return torch.cat(poses).to(basis.rest)


def _joined(first: Tensor | None, then: Tensor) -> Tensor:
    """Head motion (T, 6) that is ``then`` in the head that already moves by ``first``."""
    if first is None:
        return then
    outer, inner = axis_angle_to_matrix(first[:, :3]), axis_angle_to_matrix(then[:, :3])
    shift = (outer @ then[:, 3:, None])[..., 0] + first[:, 3:]
    return torch.cat([matrix_to_axis_angle(outer @ inner), shift], dim=1)
