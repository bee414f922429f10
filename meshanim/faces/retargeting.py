"""The same motion by somebody else."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape
from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.faces.articulation import ArticulatedMover
from meshanim.faces.face_model import FaceModel
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh
from meshanim.mesh.precision import as_given, widened
from meshanim.performance import Performance

_BEYOND = re.compile(r"component_\d{3,}( below 0| above 1)?")
"""What GLB and USD files of a performance call the principal components of what no shape has moved."""


def retarget(performance: Performance, face: FaceModel, identity: Tensor | None = None) -> Performance:
    """A performance as another person gives it; the head's motion, gaze, sound and labels stay.

    Weights of shapes that the face has move the other's shapes: the jaw turns, lids slide, and what the first
    face moved beyond its shapes, by a residual or by principal components as files name them, is left out.
    Any other displacements are carried from face to face as the model's own shapes are
    (:meth:`FaceModel.carry_to`).

    Args:
        performance: on any mesh, by weights that the face has or ARKit's, which either may divide into sides:
            a face with the whole gives their mean; others may be there that stay zero. Or on the face's
            topology, however it is moved. Of ARKit's shapes those that the face lacks are left out, with a
            warning that names them.
        face: the other's model.
        identity: (I,) identity coefficients; the mean face where absent.

    Raises:
        InputError: neither weights that the face has nor its number of vertices; not one identity of the
            face's, or one that is not finite.
    """
    if identity is not None:
        check_shape("identity", identity, (len(face.identity_names),))
    neutral = face.neutral.with_vertices(face.rest(identity))
    mapping = _mapping(performance, face)
    lacking, foreign = _strange(performance, mapping)
    if performance.weights is not None and not foreign:
        if lacking:
            warnings.warn(f"face {face.name} has no {', '.join(lacking)}: left out", stacklevel=2)
        moved = _by_weights(_taken_over(performance.weights, mapping), face, identity)
    elif len(performance.neutral.vertices) == len(neutral.vertices):
        moved = _carried(performance, face, neutral)
    else:
        came = " and ".join([f"{len(performance.neutral.vertices)} vertices", *foreign[:1]])
        raise InputError(
            f"a performance must move the {len(neutral.vertices)} vertices of face {face.name}, "
            f"or be by weights that it has, got {came}"
        )
    return replace(performance, neutral=neutral, face_model=face.name, identity=identity, **moved)


def _mapping(performance: Performance, face: FaceModel) -> Tensor:
    """What each weight of the performance is in the face's, by name, as ARKit's or a side; else zero."""
    own = dict(zip(face.weight_names, torch.eye(len(face.weight_names)), strict=True))
    whole = dict(zip(ARKIT_NAMES, face.arkit_mapping.cpu(), strict=True))
    sides = {f"{name}{side}": row / 2 for name, row in whole.items() for side in ("Left", "Right")}
    known = sides | whole | own
    rows = [known.get(name, torch.zeros(len(own))) for name in performance.weight_names]
    return torch.stack(rows) if rows else torch.zeros(0, len(own))


def _strange(performance: Performance, mapping: Tensor) -> tuple[list[str], list[str]]:
    """What moves something and is no weight of the face: ARKit's, where it has others of these; the rest.

    What files say of motion beyond shapes, such as a jaw's arcs, counts for neither where there are others.
    """
    if performance.weights is None:
        return [], []
    used = performance.weights.any(dim=0).cpu()
    has = mapping.any(dim=1)
    strange = [name for name, lost in zip(performance.weight_names, used & ~has, strict=True) if lost]
    others = bool((used & has).any())
    lacking = [name for name in strange if name in ARKIT_NAMES and others]
    beyond = [name for name in strange if _BEYOND.fullmatch(name) and others]
    return lacking, [name for name in strange if name not in (*lacking, *beyond)]


def _taken_over(weights: Tensor, mapping: Tensor) -> Tensor:
    """The face's own weights of (T, K); whole numbers may come to halves."""
    wide = widened(weights)
    return as_given(wide @ mapping.to(wide), weights)


def _by_weights(weights: Tensor, face: FaceModel, identity: Tensor | None) -> dict[str, Any]:
    return {
        "weights": weights,
        "weight_names": tuple(face.weight_names),
        "basis": face.basis(identity),
        "residual": None,
        "mover": ArticulatedMover(face, identity),
    }


def _carried(performance: Performance, face: FaceModel, neutral: Mesh) -> dict[str, Any]:
    rest = performance.neutral.vertices
    maps = face.carry_to(neutral.vertices.to(rest)) @ torch.linalg.inv(face.carry_to(rest))

    def carry(displacements: Tensor) -> Tensor:
        return torch.einsum("vij,...vj->...vi", maps.to(displacements), displacements)

    if performance.motion is not None:
        placed = neutral.vertices.to(rest) + carry(performance.motion - rest)
        return {"motion": clear_lids(neutral, placed)}
    tracks = {"basis": performance.basis, "residual": performance.residual}
    return {"mover": None} | {name: None if track is None else carry(track) for name, track in tracks.items()}
