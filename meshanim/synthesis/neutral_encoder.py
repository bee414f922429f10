"""What a face at rest tells about how it will move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim.mesh.deformation import deformation_gradients
from meshanim.nn import MeshLevels, MeshUp, SpiralEncoder

LESSONS = 400
_LESSON_SIZE = 12
_LEARNING_RATE = 3e-3
_LARGEST_CODE = 3.0
_AVERAGED_LEVELS = 2


class Condition(NamedTuple):
    """What a decoder may know of S subjects.

    Attributes:
        code: (S, C) of the face as a whole, each entry of about unit variance over people.
        stretch: (S, V, 9) deformation gradient from the mean face, averaged over the neighbourhood of a
            vertex two levels down, less the identity, row by row.
    """

    code: Tensor
    stretch: Tensor


class NeutralEncoder(nn.Module):
    """Spiral encoder of a neutral face, taught once and then fixed.

    With a few hundred subjects to learn from, an encoder trained on their motion would know them by heart
    and nobody else. So :meth:`calibrate` teaches it, before any motion is seen, to name what faces differ in:
    the leading principal components of the training subjects' neutral faces, on faces blended at random from
    all of them. The decoder learns what these mean for motion.

    Args:
        levels: mesh hierarchy with n steps.
        faces: (F, 3).
        widths: n channel counts, finest first.
        code_size: C.

    Buffers:
        mean (V, 3) metres; offset_scale: root mean square distance of coordinates from the mean face.
    """

    mean: Tensor
    faces: Tensor
    offset_scale: Tensor

    def __init__(self, levels: MeshLevels, faces: Tensor, widths: Sequence[int], code_size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(levels.vertex_counts[0], 3))
        self.register_buffer("faces", faces, persistent=False)
        self.register_buffer("offset_scale", torch.ones(()))
        self.code_size = code_size
        steps = list(zip(levels.up_indices, levels.up_weights, strict=True))[:_AVERAGED_LEVELS]
        self._averaged = [MeshUp(indices, weights) for indices, weights in steps]
        self.averaged = nn.ModuleList(self._averaged)  # so that they go where the encoder goes
        self.encoder = SpiralEncoder(levels, code_size, (3, *widths), "elu").requires_grad_(False)

    def calibrate(self, neutrals: Tensor, seed: int = 0) -> float:
        """Teach the encoder on training subjects' neutral faces (S, V, 3), in metres.

        Returns:
            Share of the components' variance that the last lessons left unexplained.
        """
        self.mean.copy_(neutrals.mean(dim=0))
        centred = neutrals - self.mean
        self.offset_scale.copy_(centred.square().mean().sqrt().clamp(min=1e-6))
        scores, strength, _ = torch.linalg.svd(centred.flatten(1), full_matrices=False)
        scores = scores[:, strength > 1e-4 * strength[0].clamp(min=1e-9)][:, : self.code_size]
        scores = functional.pad(scores, (0, self.code_size - scores.shape[1]))
        generator = torch.Generator().manual_seed(seed)
        self.encoder.requires_grad_(True)
        optimizer = torch.optim.Adam(self.encoder.parameters(), _LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, LESSONS)
        recent: list[float] = []
        with torch.enable_grad():
            for _ in range(LESSONS):
                # Gaussian blends have the mean and covariance of the subjects, their scores unit variance
                blend = torch.randn(_LESSON_SIZE, len(neutrals), generator=generator)
                faces = torch.einsum("bs,svc->bvc", blend, centred) / max(1, len(neutrals) - 1) ** 0.5
                loss = functional.mse_loss(self.encoder(faces / self.offset_scale), blend @ scores)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                recent = [*recent[-19:], float(loss.detach())]
        self.encoder.requires_grad_(False)
        return sum(recent) / len(recent)

    def forward(self, neutral: Tensor) -> Condition:
        """Condition of neutral faces (S, V, 3) in metres."""
        code = self.encoder((neutral - self.mean) / self.offset_scale)
        # a triangle's area, in square metres, is nothing in 16 bits
        kind = torch.promote_types(neutral.dtype, torch.float32)
        stretch = deformation_gradients(self.mean.to(kind), neutral.to(kind), self.faces)
        stretch = (stretch - torch.eye(3, dtype=stretch.dtype, device=stretch.device)).to(neutral)
        return Condition(code.clamp(-_LARGEST_CODE, _LARGEST_CODE), self._smooth(stretch.flatten(-2)))

    def _smooth(self, values: Tensor) -> Tensor:
        """Values (S, V, C) averaged down some levels and interpolated up again.

        What single faces do between two people would tear lips that move by centimetres.
        """
        for up in self._averaged:
            indices, weights = up.indices, up.weights
            coarse = values.new_zeros(len(values), int(indices.max()) + 1, values.shape[-1])
            mass = weights.new_zeros(coarse.shape[1]).index_add(0, indices.flatten(), weights.flatten())
            shares = (values[:, :, None] * weights[..., None]).flatten(1, 2)
            values = coarse.index_add(1, indices.flatten(), shares) / mass.clamp(min=1e-9)[:, None]
        for up in reversed(self._averaged):
            values = up(values)
        return values
