"""A named basis of blendshapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape, check_tensor


class Blendshapes:
    """A mesh at rest and displacements by name: vertices are ``rest + weights @ shapes``.

    Args:
        names: K names, ARKit's camelCase where the shape is ARKit's.
        rest: (V, 3) positions in metres at weight zero.
        shapes: (K, V, 3) displacements in metres at weight one.

    Raises:
        InputError: no shape, a name too many, too few or twice, a number of vertices that differs, arrays
            that are no tensors, a value that is not finite.
    """

    def __init__(self, names: Sequence[str], rest: Tensor, shapes: Tensor) -> None:
        check_tensor("rest", rest)
        check_tensor("shapes", shapes)
        check_shape("rest", rest, (None, 3))
        check_shape("shapes", shapes, (None, len(rest), 3))
        check_finite("rest", rest)
        check_finite("shapes", shapes)
        if len(shapes) == 0:
            raise InputError("shapes must hold at least one blendshape, got none")
        if len(names) != len(shapes) or len(set(names)) != len(names):
            raise InputError(
                f"names must be {len(shapes)} different ones, one for each shape, "
                f"got {len(names)} with {len(set(names))} different ones"
            )
        self.names, self.rest, self.shapes = tuple(names), rest, shapes

    def __repr__(self) -> str:
        return f"Blendshapes({len(self.names)} shapes of {len(self.rest)} vertices)"

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def gram(self) -> Tensor:
        """(K, K) float64 inner products of the shapes, square metres summed over all vertices."""
        return self._flat @ self._flat.mT

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def _flat(self) -> Tensor:
        return self.shapes.detach().flatten(1).double()

    def vertices(self, weights: Tensor) -> Tensor:
        """Positions (..., V, 3) in metres of weights (..., K)."""
        check_shape("weights", weights, (len(self.names),), batched=True)
        return self.rest + (weights.to(self.shapes) @ self.shapes.flatten(1)).unflatten(-1, (-1, 3))

    def project(self, vertices: Tensor) -> Tensor:
        """(T, K) float64 inner products of what moved in vertices (T, V, 3) with each shape.

        Raises:
            InputError: another number of vertices than the basis has.
        """
        if vertices.ndim != 3 or vertices.shape[1:] != self.rest.shape:
            raise InputError(
                f"vertices must have the {len(self.rest)} vertices of the basis, as (frames, "
                f"{len(self.rest)}, 3), got {tuple(vertices.shape)}"
            )
        return (vertices.detach().double() - self.rest.double()).flatten(1) @ self._flat.mT
