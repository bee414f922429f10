"""What every face model gives, whoever drew it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape
from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.mesh import Mesh
from meshanim.mesh.deformation import deformation_gradients


class Joint(NamedTuple):
    """A hinge: position (3,) in metres, unit axis (3,), share (V,) in [0, 1] by which vertices follow."""

    position: Tensor
    axis: Tensor
    weights: Tensor


class FaceModel(ABC):
    """A family of faces of one topology: who it is (identity) and what it does (weights).

    Units, the displacements that weights scale, are carried to each identity by its local deformation
    gradient against the mean face (Sumner and Popovic 2004), so that a smile fits the face that smiles. For
    a given identity vertices are linear in the weights; for motion along arcs see
    :func:`meshanim.faces.articulate`.

    Args:
        name: of the model.
        neutral: (V) the mean face at rest, with landmarks and vertex groups.
        units: (K, V, 3) displacements of the mean face in metres.
        weight_names: K names, ARKit's where the shape is ARKit's.
        identity_names: I names of the identity coefficients.
    """

    def __init__(
        self,
        name: str,
        neutral: Mesh,
        units: Tensor,
        weight_names: tuple[str, ...],
        identity_names: tuple[str, ...],
    ) -> None:
        check_shape("units", units, (len(weight_names), len(neutral.vertices), 3))
        self.name, self.neutral, self.units = name, neutral, units
        self.weight_names, self.identity_names = weight_names, identity_names

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.neutral.vertices)} vertices, "
            f"{len(self.identity_names)} identity coefficients, {len(self.weight_names)} weights)"
        )

    @abstractmethod
    def rest(self, identity: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) at rest of identities (..., I); the mean face's (V, 3) without one."""

    @abstractmethod
    def sample_identity(self, generator: torch.Generator, count: int) -> Tensor:
        """Identity coefficients (count, I) of people drawn at random."""

    def sample_population(self, generator: torch.Generator, count: int) -> Tensor:
        """Identity coefficients (count, I) of a corpus' subjects, balanced where sex and age are known."""
        return self.sample_identity(generator, count)

    def joints(self, identity: Tensor | None = None) -> Mapping[str, Joint]:
        """Joints ``jaw``, ``eye_left``, ``eye_right`` of one identity (I,), where the model has them."""
        return {}

    @property
    def default_identity(self) -> Tensor:
        """Coefficients (I,) of the mean face."""
        return torch.zeros(len(self.identity_names))

    def identity(self, **named: float) -> Tensor:
        """Identity coefficients (I,) from some by name; the others are the mean face's.

        Raises:
            InputError: a name that the model does not have.
        """
        values = self.default_identity.clone()
        for name, value in named.items():
            if name not in self.identity_names:
                known = ", ".join(self.identity_names) or "nothing, it is fixed"
                raise InputError(f"identity of {self.name} must be named among {known}, got {name!r}")
            values[self.identity_names.index(name)] = float(value)
        check_finite("identity", values)
        return values

    def carry(self, identity: Tensor | None = None) -> Tensor:
        """Deformation gradients (..., V, 3, 3) that carry the mean face's units to identities (..., I)."""
        return deformation_gradients(self.neutral.vertices, self.rest(identity), self.neutral.faces)

    def basis(self, identity: Tensor | None = None) -> Tensor:
        """Displacements (K, V, 3) in metres of all units on one identity (I,)."""
        if identity is None:
            return self.units
        self._check_identity(identity)
        return torch.einsum("vij,kvj->kvi", self.carry(identity), self.units)

    def vertices(self, identity: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) in metres, linear in the weights and differentiable.

        Args:
            identity: (..., I) coefficients; the mean face without them.
            weights: (..., K) weights; the face at rest without them. Leading dimensions broadcast.

        Raises:
            InputError: a wrong number of coefficients or weights.
        """
        self._check_identity(identity)
        rest = self.rest(identity)
        if weights is None:
            return rest
        check_shape("weights", weights, (len(self.weight_names),), batched=True)
        moved = torch.einsum("...k,kvc->...vc", weights, self.units)
        if identity is not None:
            moved = (self.carry(identity) @ moved[..., None])[..., 0]
        return rest + moved

    def _check_identity(self, identity: Tensor | None) -> None:
        if identity is not None:
            check_shape("identity", identity, (len(self.identity_names),), batched=True)

    def weights_from_arkit(self, weights: Tensor) -> Tensor:
        """Weights (..., K) of this model from ARKit's (..., 52), in the order of ARKIT_NAMES."""
        check_shape("weights", weights, (len(ARKIT_NAMES),), batched=True)
        return weights @ self.arkit_mapping

    @property
    def arkit_mapping(self) -> Tensor:
        """(52, K) matrix that takes ARKit weights to this model's: by name, 0 for shapes it lacks."""
        wanted = {name: row for row, name in enumerate(ARKIT_NAMES)}
        mapping = torch.zeros(len(ARKIT_NAMES), len(self.weight_names))
        for column, name in enumerate(self.weight_names):
            if name in wanted:
                mapping[wanted[name], column] = 1.0
        return mapping
