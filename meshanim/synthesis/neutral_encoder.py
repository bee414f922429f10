"""What a face at rest tells about how it will move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from meshanim.mesh.deformation import deformation_gradients
from meshanim.nn import FeatureModulation, MeshLevels, Modulation, SpiralEncoder

_OFFSETS, _STRETCHES = 3, 9


class Condition(NamedTuple):
    """How S subjects' faces bend the decoder: features level by level, and the final displacement.

    Attributes:
        modulations: coarsest first, one per decoder level but the finest.
        carry: (S, V, 3, 3) local linear map of the displacement.
    """

    modulations: tuple[Modulation, ...]
    carry: Tensor

    def repeated(self, lengths: Sequence[int]) -> Condition:
        """The same condition for a number of frames per subject."""
        return self._replace(modulations=tuple(part.repeated(lengths) for part in self.modulations))

    def carried(self, displacements: Tensor) -> Tensor:
        """Apply the local linear map to displacements (B, V, 3) whose frames stand in order of subjects."""
        parts = displacements.split(list(self.modulations[0].lengths))
        moved = []
        for part, carry in zip(parts, self.carry, strict=True):
            columns = carry.unbind(-1)
            result = part[..., :1] * columns[0]
            for axis in (1, 2):
                result = torch.addcmul(result, part[..., axis : axis + 1], columns[axis])
            moved.append(result)
        return torch.cat(moved)


class NeutralEncoder(nn.Module):
    """Spiral encoder of a neutral face, whose features modulate a decoder level by level.

    It sees, per vertex, how far the face lies from the mean face and how its surface is stretched and turned
    there against the mean face's (deformation gradient). A small code, subject to dropout, speaks for the
    face as a whole; it modulates the decoder's coarsest features. Local features, shared filters over all
    vertices, modulate the finer ones and, last, the displacement itself. Everything begins as the identity.
    All of it is computed once per subject, however many frames follow.

    Args:
        levels: mesh hierarchy with n steps.
        faces: (F, 3).
        decoder_widths: n channel counts of the decoder's hidden features, coarsest first.
        widths: n channel counts of the encoder, finest first.
        code_size: of the code.
        dropout: share of the code that is dropped while training.

    Buffers:
        mean (V, 3) metres; offset_scale and stretch_scale: standard deviations of what is seen.
    """

    mean: Tensor
    faces: Tensor
    offset_scale: Tensor
    stretch_scale: Tensor

    def __init__(
        self,
        levels: MeshLevels,
        faces: Tensor,
        decoder_widths: Sequence[int],
        widths: Sequence[int],
        code_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        counts = levels.vertex_counts
        self.register_buffer("mean", torch.zeros(counts[0], 3))
        self.register_buffer("faces", faces, persistent=False)
        self.register_buffer("offset_scale", torch.ones(()))
        self.register_buffer("stretch_scale", torch.ones(()))
        self.encoder = SpiralEncoder(levels, code_size, (_OFFSETS + _STRETCHES, *widths), "elu")
        self.dropout = nn.Dropout(dropout)
        self.coarsest = FeatureModulation(code_size, counts[-1] * decoder_widths[0])
        self.levels = nn.ModuleList(
            FeatureModulation(seen, moved)
            for seen, moved in zip(reversed(widths[1:]), decoder_widths[1:], strict=True)
        )
        self.carry = nn.Linear(widths[0], 9)
        nn.init.zeros_(self.carry.weight)
        nn.init.zeros_(self.carry.bias)

    def _measure(self, neutral: Tensor) -> tuple[Tensor, Tensor]:
        stretch = deformation_gradients(self.mean, neutral, self.faces)
        return neutral - self.mean, (stretch - torch.eye(3).to(stretch)).flatten(-2)

    @torch.no_grad()
    def calibrate(self, neutrals: Tensor) -> None:
        """Set mean and scales from training subjects' neutral faces (S, V, 3)."""
        self.mean.copy_(neutrals.mean(dim=0))
        offset, stretch = self._measure(neutrals)
        self.offset_scale.copy_(offset.square().mean().sqrt().clamp(min=1e-6))
        self.stretch_scale.copy_(stretch.square().mean().sqrt().clamp(min=1e-6))

    def forward(self, neutral: Tensor) -> Condition:
        """Condition of neutral faces (S, V, 3) in metres, for one frame each."""
        offset, stretch = self._measure(neutral)
        seen = torch.cat([offset / self.offset_scale, stretch / self.stretch_scale], dim=-1)
        *features, coarsest = self.encoder.features(seen)
        code = self.dropout(self.encoder.fully_connected(coarsest.flatten(1)))
        whole = self.coarsest(code)
        shape = (len(neutral), coarsest.shape[1], -1)
        modulations = [whole._replace(scale=whole.scale.view(shape), shift=whole.shift.view(shape))]
        modulations += [layer(seen) for layer, seen in zip(self.levels, reversed(features[1:]), strict=True)]
        carry = self.carry(features[0]).unflatten(-1, (3, 3))
        return Condition(tuple(modulations), carry + torch.eye(3).to(carry))
