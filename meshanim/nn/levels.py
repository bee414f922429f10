"""What layers need of a mesh hierarchy, as plain tensors that travel with a model's weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from meshanim._check import InputError, check_indices, check_shape


class HasLevels(Protocol):
    """A mesh hierarchy, finest level first: :class:`meshanim.mesh.MeshHierarchy` or :class:`MeshLevels`."""

    @property
    def spirals(self) -> tuple[Tensor, ...]: ...  # noqa: D102
    @property
    def down(self) -> tuple[Tensor, ...]: ...  # noqa: D102
    @property
    def up_indices(self) -> tuple[Tensor, ...]: ...  # noqa: D102
    @property
    def up_weights(self) -> tuple[Tensor, ...]: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class MeshLevels:
    """Spirals and sampling matrices of a mesh hierarchy with n + 1 levels, finest first.

    Attributes:
        spirals: n + 1 tensors (V_i, L_i) int64, -1 where a spiral ends early.
        down: n tensors (V_{i+1},) int64, the fine vertex that each coarse vertex is.
        up_indices: n tensors (V_i, K) int64 into the vertices of level i + 1.
        up_weights: n tensors (V_i, K), rows sum to one.

    Raises:
        InputError: levels whose sizes do not fit together, or an index out of range.
    """

    spirals: tuple[Tensor, ...]
    down: tuple[Tensor, ...]
    up_indices: tuple[Tensor, ...]
    up_weights: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        steps = len(self.spirals) - 1
        counts = {len(self.down), len(self.up_indices), len(self.up_weights)}
        if steps < 0 or counts != {steps}:
            raise InputError(
                f"a hierarchy with {len(self.spirals)} sets of spirals needs {steps} of down, up_indices "
                f"and up_weights, got {len(self.down)}, {len(self.up_indices)} and {len(self.up_weights)}"
            )
        for level, spirals in enumerate(self.spirals):
            check_shape(f"spirals of level {level}", spirals, (None, None))
            check_indices(f"spirals of level {level}", spirals, spirals.shape[0], lowest=-1)
        for level, (fine, coarse) in enumerate(zip(self.vertex_counts, self.vertex_counts[1:], strict=False)):
            down, indices, weights = self.down[level], self.up_indices[level], self.up_weights[level]
            check_shape(f"down of level {level}", down, (coarse,))
            check_indices(f"down of level {level}", down, fine)
            check_shape(f"up_indices of level {level}", indices, (fine, None))
            check_indices(f"up_indices of level {level}", indices, coarse)
            check_shape(f"up_weights of level {level}", weights, tuple(indices.shape))

    @classmethod
    def of(cls, hierarchy: HasLevels) -> MeshLevels:
        """The tensors of a :class:`meshanim.mesh.MeshHierarchy`."""
        if isinstance(hierarchy, cls):
            return hierarchy
        return cls(hierarchy.spirals, hierarchy.down, hierarchy.up_indices, hierarchy.up_weights)

    @property
    def vertex_counts(self) -> tuple[int, ...]:
        """Vertices V_i of every level, finest first."""
        return tuple(int(spirals.shape[0]) for spirals in self.spirals)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, for a file; indices as int32, half the size."""
        named: dict[str, Tensor] = {}
        for kind in ("spirals", "down", "up_indices"):
            for level, tensor in enumerate(getattr(self, kind)):
                named[f"{kind}.{level}"] = tensor.to(torch.int32)
        for level, tensor in enumerate(self.up_weights):
            named[f"up_weights.{level}"] = tensor.to(torch.float32)
        return named

    @classmethod
    def from_tensors(cls, named: Mapping[str, Tensor]) -> MeshLevels:
        """Undo :meth:`tensors`; other names are passed over."""

        def read(kind: str) -> tuple[Tensor, ...]:
            count = sum(name.startswith(f"{kind}.") for name in named)
            if any(f"{kind}.{level}" not in named for level in range(count)):
                raise InputError(f"the levels of {kind} must be numbered from 0 on, got a gap")
            return tuple(named[f"{kind}.{level}"] for level in range(count))

        spirals, down, up_indices = (
            tuple(tensor.to(torch.int64) for tensor in read(kind))
            for kind in ("spirals", "down", "up_indices")
        )
        return cls(spirals, down, up_indices, read("up_weights"))
