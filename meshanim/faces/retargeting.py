"""The same motion by somebody else."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from meshanim._check import InputError
from meshanim.faces.articulation import Articulation
from meshanim.faces.face_model import FaceModel
from meshanim.performance import Performance


def retarget(performance: Performance, face: FaceModel, identity: Tensor | None = None) -> Performance:
    """A performance by weights as another person gives it, with that person's own shapes.

    Weights, head, sound and labels stay; the rest face and what the weights do to it are the other's, whose
    jaw turns and whose lids slide. What the first face moved beyond its shapes is left out.

    Args:
        performance: by weights that the face has, such as ARKit's.
        face: the other's model.
        identity: (I,) identity coefficients; the mean face where absent.

    Raises:
        InputError: no weights, or some that the face has not.
    """
    if performance.weights is None:
        raise InputError("a performance must have weights to be given by another face, got one without")
    foreign = [name for name in performance.weight_names if name not in face.weight_names]
    if foreign:
        raise InputError(f"weights must be of shapes that face {face.name} has, got {', '.join(foreign)}")
    columns = [face.weight_names.index(name) for name in performance.weight_names]
    weights = performance.weights.new_zeros(performance.frame_count, len(face.weight_names))
    weights[:, columns] = performance.weights
    return replace(
        performance,
        neutral=face.neutral.with_vertices(face.rest(identity)),
        weights=weights,
        basis=face.basis(identity),
        weight_names=tuple(face.weight_names),
        residual=None,
        mover=Articulation(face, identity),
        face_model=face.name,
        identity=identity,
    )
