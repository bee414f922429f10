"""The same motion by somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.faces.articulation import Articulation
from meshanim.faces.face_model import FaceModel
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh
from meshanim.performance import Performance


def retarget(performance: Performance, face: FaceModel, identity: Tensor | None = None) -> Performance:
    """A performance as another person gives it; the head's motion, gaze, sound and labels stay.

    Weights of shapes that the face has move the other's shapes: the jaw turns, lids slide, and what the first
    face moved beyond its shapes is left out. Any other displacements are carried from face to face as the
    model's own shapes are (:meth:`FaceModel.carry_to`).

    Args:
        performance: on any mesh, by weights that the face has, such as ARKit's; others may be there that stay
            zero. Or on the face's topology, however it is moved.
        face: the other's model.
        identity: (I,) identity coefficients; the mean face where absent.

    Raises:
        InputError: neither weights that the face has nor its number of vertices.
    """
    neutral = face.neutral.with_vertices(face.rest(identity))
    foreign = _foreign(performance, face)
    if performance.weights is not None and not foreign:
        moved = _by_weights(performance, performance.weights, face, identity)
    elif len(performance.neutral.vertices) == len(neutral.vertices):
        moved = _carried(performance, face, neutral)
    else:
        came = " and ".join([f"{len(performance.neutral.vertices)} vertices", *foreign[:1]])
        raise InputError(
            f"a performance must move the {len(neutral.vertices)} vertices of face {face.name}, "
            f"or be by weights that it has, got {came}"
        )
    return replace(performance, neutral=neutral, face_model=face.name, identity=identity, **moved)


def _foreign(performance: Performance, face: FaceModel) -> list[str]:
    """Names of the weights that move something and that the face has not."""
    if performance.weights is None:
        return []
    used = performance.weights.any(dim=0).tolist()
    named = zip(performance.weight_names, used, strict=True)
    return [name for name, moves in named if moves and name not in face.weight_names]


def _by_weights(
    performance: Performance, weights: Tensor, face: FaceModel, identity: Tensor | None
) -> dict[str, Any]:
    own = weights.new_zeros(len(weights), len(face.weight_names))
    for column, name in enumerate(performance.weight_names):
        if name in face.weight_names:
            own[:, face.weight_names.index(name)] = weights[:, column]
    return {
        "weights": own,
        "weight_names": tuple(face.weight_names),
        "basis": face.basis(identity),
        "residual": None,
        "mover": Articulation(face, identity),
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
