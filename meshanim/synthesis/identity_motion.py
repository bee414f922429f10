"""A decoder of motion that sees the face which it moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError
from meshanim.nn import FeatureModulation, MeshLevels, PrincipalComponents, SpiralDecoder
from meshanim.synthesis.motion_decoders import Blocks, root_mean_square
from meshanim.synthesis.neutral_encoder import Condition, NeutralEncoder

_HIDDEN = 256
# Adam moves every weight by the learning rate in each step, whatever the few faces of a batch have to say of
# a gain; at a tenth of its weights' size the noise of these steps stays under the gains themselves.
_GAIN_STEP = 0.1


def _for_frames(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """Rows of S subjects (S, ...) for all their frames (N, ...)."""
    return values.repeat_interleave(torch.tensor(lengths, device=values.device), dim=0)


class IdentityMotion(nn.Module):
    r"""Spiral decoder and blendshape basis, both modulated by the face's code and carried to its shape.

    .. math::
        D(z, x_{id}) = \bigl(I + L(J(x_{id}) - I)\bigr)\,\bigl[B\,a(z, c) + S(z, c) - S(0, c)\bigr]

    S is the paper's spiral decoder, whose coarsest features the code c modulates; B a fixed basis of the
    training motion's principal components, whose weights a are linear in z, plus those of a hidden layer
    with gains linear in c; L a linear map, the same at all vertices, of the local deformation gradient J
    from the mean face. Gains, L and S begin as nothing, so that the network learns first what holds for
    everyone. At z = 0 nothing moves, to the bit.

    Training begins without S, which costs nearly all of the time: timing, gains and L are learned on the
    basis alone, and S then learns what the basis leaves.

    Args:
        levels: mesh hierarchy with n steps.
        latent_size: Z, of codes z and of the basis.
        widths: n channel counts of the spiral decoder, coarsest first.
        neutral_encoder: gives c and J.
        dropout: share of c that is dropped while training.
        warm_up: training steps before the spiral decoder takes part.

    Buffers:
        steps: training steps so far, up to ``warm_up``.
    """

    scale: Tensor
    steps: Tensor

    def __init__(
        self,
        levels: MeshLevels,
        latent_size: int,
        widths: Sequence[int],
        neutral_encoder: NeutralEncoder,
        dropout: float,
        warm_up: int = 0,
    ) -> None:
        super().__init__()
        code_size = neutral_encoder.code_size
        self.neutral_encoder = neutral_encoder
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.warm_up = warm_up
        self.spiral = SpiralDecoder(levels, latent_size, (*widths, 3))
        self._coarse_shape = (levels.vertex_counts[-1], widths[0])
        self.coarse = FeatureModulation(code_size, levels.vertex_counts[-1] * widths[0])
        self.common = nn.Linear(latent_size, latent_size, bias=False)
        self.hidden = nn.Linear(latent_size, _HIDDEN, bias=False)
        self.gain = nn.Linear(code_size, _HIDDEN, bias=False)
        self.weights = nn.Linear(_HIDDEN, latent_size, bias=False)
        self.basis = PrincipalComponents(levels.vertex_counts[0], latent_size)
        self.carry = nn.Linear(9, 9, bias=False)
        self.dropout = nn.Dropout(dropout)
        for begins_as_nothing in (self.gain, self.carry, self.spiral.convolutions[-1]):
            for parameter in begins_as_nothing.parameters():
                nn.init.zeros_(parameter)

    def calibrate(self, neutrals: Tensor, displacements: Blocks) -> None:
        """Fit scale and basis to displacements, blocks (N, V, 3) in metres; teach the neutral encoder."""
        self.scale.fill_(root_mean_square(displacements()))
        self.basis.fit(lambda: (block / self.scale for block in displacements()))
        self.neutral_encoder.calibrate(neutrals)

    def condition(self, neutral: Tensor) -> Condition:
        """What is known of faces (S, V, 3), in metres."""
        return self.neutral_encoder(neutral)

    def forward(
        self, code: Tensor, condition: Condition | None = None, lengths: Sequence[int] | None = None
    ) -> Tensor:
        """Displacements (N, V, 3) in metres of codes (N, Z).

        Args:
            code: frames in order of their subjects.
            condition: of the subjects, from :meth:`condition`.
            lengths: frames of each subject; by default all are the only subject's.
        """
        if condition is None:
            raise InputError("condition must be of the faces that move, from condition(neutral), got None")
        counts = [len(code)] if lengths is None else list(lengths)
        face = self.dropout(condition.code)
        moved = self._by_basis(code, _for_frames(face, counts))
        if int(self.steps) >= self.warm_up:
            moved = moved + self._by_spirals(code, face, counts)
        elif self.training:
            self.steps += 1
        linear = self.carry(condition.stretch).unflatten(-1, (3, 3))
        linear = linear + torch.eye(3, dtype=linear.dtype, device=linear.device)
        parts = zip(moved.split(counts), linear, strict=True)
        carried = [torch.einsum("vij,fvj->fvi", carry, part) for part, carry in parts]
        return self.scale * torch.cat(carried)

    def _by_spirals(self, code: Tensor, face: Tensor, counts: Sequence[int]) -> Tensor:
        shape = (len(face), *self._coarse_shape)
        coarse = self.coarse(_GAIN_STEP * face)
        coarse = coarse._replace(scale=coarse.scale.view(shape), shift=coarse.shift.view(shape))
        still = self.spiral(code.new_zeros(len(face), code.shape[1]), coarse)
        moved = self.spiral(code, coarse.repeated(counts))
        return torch.cat([part - rest for part, rest in zip(moved.split(counts), still, strict=True)])

    def _by_basis(self, code: Tensor, face: Tensor) -> Tensor:
        personal = self.weights(functional.elu(self.hidden(code)) * self.gain(_GAIN_STEP * face))
        weights = (self.common(code) + personal) * self.basis.deviation
        return (weights @ self.basis.components.flatten(1)).unflatten(-1, (-1, 3))
