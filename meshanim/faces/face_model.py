"""What every face model gives, whoever drew it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape, check_tensor
from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.faces.lid_carrying import LidCarrier
from meshanim.mesh import Mesh
from meshanim.mesh.deformation import deformation_gradients


class Joint(NamedTuple):
    """A hinge: position (3,) in metres, unit axis (3,), share (V,) in [0, 1] by which vertices follow."""

    position: Tensor
    axis: Tensor
    weights: Tensor


class FaceModel(ABC):
    """A family of faces of one topology: who it is (identity) and what it does (weights).

    Units, the displacements that weights scale, are drawn on the mean face. Linear maps, one for each vertex,
    carry them to an identity, so that a smile fits the face that smiles: :meth:`carry` gives the gradients of
    the deformation from the mean face to the other (Sumner and Popovic 2004), which models smooth over the
    skin and make one for each rigid part (:class:`meshanim.faces.carrying.Carrier`). Blinks end where lids
    meet (:class:`meshanim.faces.lid_carrying.LidCarrier`). For a given identity vertices are linear in the
    weights; for motion along arcs see :func:`meshanim.faces.articulate`.

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
        return self.units.new_zeros(len(self.identity_names))

    @property
    def weight_bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest weight (K,) of each unit in a performance: 0 and 1, as ARKit's."""
        count = len(self.weight_names)
        return self.units.new_zeros(count), self.units.new_ones(count)

    @property
    def identity_ranges(self) -> tuple[tuple[float, float], ...]:
        """Least and largest sensible value of each identity coefficient; three standard deviations here."""
        return ((-3.0, 3.0),) * len(self.identity_names)

    def identity(self, **named: float | Tensor) -> Tensor:
        """Identity coefficients (I,) from some by name, differentiable; the others are the mean face's.

        Raises:
            InputError: a name that the model does not have, a value that is not one finite number.
        """
        values = self.default_identity.clone()
        for name, value in named.items():
            if name not in self.identity_names:
                raise InputError(
                    f"identity of {self.name} must be named among {self._like(name)}, got {name!r}"
                )
            given = torch.as_tensor(value)
            check_shape(name, given, ())
            values[self.identity_names.index(name)] = given
        check_finite("identity", values)
        return values

    def _like(self, name: str) -> str:
        """Identity coefficients that may be meant, for a message."""
        names = self.identity_names
        if not names:
            return "nothing, it is fixed"
        holding = [known for known in names if name.lower() in known]
        near = (get_close_matches(name, names, n=3) or holding or names)[:12]
        return f"{', '.join(near)} and {len(names) - len(near)} more, which meshanim inspect lists"

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def _lids(self) -> LidCarrier:
        return LidCarrier(self.neutral, self.units, self.weight_names)

    def carry(self, identity: Tensor | None = None) -> Tensor:
        """Linear maps (..., V, 3, 3) that carry the mean face's units to identities (..., I)."""
        return self.carry_to(self.rest(identity))

    def carry_to(self, vertices: Tensor) -> Tensor:
        """Linear maps (..., V, 3, 3) that carry the mean face's units to faces at rest (..., V, 3).

        Here the deformation gradients as they are, for models that have nothing better.
        """
        faces = self.neutral.faces.to(vertices.device)
        return deformation_gradients(self.neutral.vertices.to(vertices), vertices, faces)

    def basis(self, identity: Tensor | None = None) -> Tensor:
        """Displacements (K, V, 3) in metres of all units on one identity (I,)."""
        if identity is None:
            return self.units
        identity = self._checked(identity)
        maps = self.carry(identity)
        carried = torch.einsum("vij,kvj->kvi", maps, self.units.to(maps))
        if self._lids.columns:
            closing = self._lids.corrections(self.rest(identity), maps)
            columns = torch.tensor(self._lids.columns, device=closing.device)
            carried = carried.index_add(0, columns, closing)
        return carried

    def vertices(self, identity: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) in metres, linear in the weights and differentiable; of their wider type.

        Args:
            identity: (..., I) coefficients; the mean face without them.
            weights: (..., K) weights; the face at rest without them. Leading dimensions broadcast.

        Raises:
            InputError: a wrong number of coefficients or weights, a coefficient that is not finite.
        """
        if identity is not None:
            identity = self._checked(identity, batched=True)
        if weights is None:
            return self.rest(identity)
        check_tensor("weights", weights)
        check_shape("weights", weights, (len(self.weight_names),), batched=True)
        kind = torch.promote_types(self.units.dtype, weights.dtype)
        if identity is not None:
            kind = torch.promote_types(kind, identity.dtype)
            identity = identity.to(kind)
        weights = weights.to(kind)
        rest = self.rest(identity).to(weights.device)
        moved = torch.einsum("...k,kvc->...vc", weights, self.units.to(weights))
        if identity is not None:
            maps = self.carry(identity)
            moved = (maps @ moved[..., None])[..., 0]
            if self._lids.columns:
                closing = self._lids.corrections(rest, maps)
                moved = moved + torch.einsum("...b,...bvc->...vc", weights[..., self._lids.columns], closing)
        return rest + moved

    def _checked(self, identity: Tensor, batched: bool = False) -> Tensor:
        """Identity coefficients (I,), or (..., I) where ``batched``, of the model's type or a wider one."""
        check_tensor("identity", identity)
        check_shape("identity", identity, (len(self.identity_names),), batched)
        check_finite("identity", identity)
        return identity.to(torch.promote_types(self.units.dtype, identity.dtype))

    def weights_from_arkit(self, weights: Tensor) -> Tensor:
        """Weights (..., K) of this model from ARKit's (..., 52), in the order of ARKIT_NAMES."""
        check_tensor("weights", weights)
        check_shape("weights", weights, (len(ARKIT_NAMES),), batched=True)
        return weights @ self.arkit_mapping.to(weights)

    @property
    def arkit_mapping(self) -> Tensor:
        """(52, K) matrix that takes ARKit weights to this model's: by name, 0 for shapes it lacks."""
        wanted = {name: row for row, name in enumerate(ARKIT_NAMES)}
        mapping = self.units.new_zeros(len(ARKIT_NAMES), len(self.weight_names))
        for column, name in enumerate(self.weight_names):
            if name in wanted:
                mapping[wanted[name], column] = 1.0
        return mapping
