"""What expressions do to a mesh, learned: the other way to a face than ARKit's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape
from meshanim.mesh import Mesh
from meshanim.nn import HasLevels, SpiralDecoder
from meshanim.synthesis.expression_space import ExpressionSpace
from meshanim.synthesis.mesh_model import MeshModel
from meshanim.synthesis.motion_decoders import Blocks, SpiralMotion


class ExpressionMotion(MeshModel):
    r"""Displacements of a mesh by expressions, through a spiral decoder (Potamias et al. 2020, Table 1).

    .. math:: x_t = x_{id} + D(e_t) - D(e_0)

    with :math:`e_0` the expression whose weights are all zero: with it the face is at rest. Unlike
    weights over a basis, the decoder can turn a jaw about its hinge or bend what no unit bends.

    Args:
        template: a mesh whose topology all faces share.
        hierarchy: of that mesh, with as many steps as ``widths`` has entries.
        size: E, of the expressions.
        widths: channels of the decoder, coarsest level first; three more for the displacement follow.
    """

    kind = "ExpressionMotion"

    def __init__(
        self, template: Mesh, hierarchy: HasLevels, size: int, widths: Sequence[int] = (64, 32, 16, 8)
    ) -> None:
        super().__init__(template, hierarchy)
        self.widths = tuple(widths)
        self.space = ExpressionSpace(size)
        self.motion = SpiralMotion(SpiralDecoder(self.levels, size, (*widths, 3)))

    def settings(self) -> dict[str, Any]:
        """Sizes as JSON values."""
        return {"size": self.space.size, "widths": self.widths}

    @torch.no_grad()
    def calibrate(self, space: ExpressionSpace, displacements: Blocks) -> None:
        """Take the space of a speech model, and the scale of displacements, blocks (N, V, 3) in metres."""
        if space.size != self.space.size:
            raise InputError(f"space must have size {self.space.size}, got {space.size}")
        self.space.load_state_dict(space.state_dict())
        self.motion.calibrate(self.mean, displacements)

    def check_space(self, space: ExpressionSpace) -> None:
        """Raise unless expressions of ``space`` mean what they meant in training."""
        same = space.size == self.space.size and torch.equal(space.directions, self.space.directions)
        if not same or not torch.equal(space.mean, self.space.mean):
            raise InputError("motion must be of the speech model's expressions, got one of another space")

    def forward(self, expressions: Tensor) -> Tensor:
        """Displacements (N, V, 3) in metres of expressions (N, E)."""
        check_shape("expressions", expressions, (None, self.space.size))
        rest = self.space.encode(torch.zeros_like(self.space.mean))
        moved = self.motion(torch.cat([expressions, rest[None]]))
        return moved[:-1] - moved[-1]
