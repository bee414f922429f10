"""Faces through a bottleneck: the task that most mesh autoencoders are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.mesh import Mesh
from meshanim.nn import HasLevels, SpiralDecoder, SpiralEncoder
from meshanim.synthesis.mesh_model import MeshModel


class SpiralAutoencoder(MeshModel):
    """Spiral encoder and decoder around a small code (Ranjan et al. 2018; Bouritsas et al. 2019).

    Meshes are seen as offsets from a mean mesh, scaled to unit variance; :meth:`calibrate` measures both.

    Args:
        template: a mesh whose topology all share.
        hierarchy: of that mesh, with as many steps as ``widths`` has entries.
        latent_size: size Z of the code.
        widths: channels of the encoder, finest level first; the decoder mirrors them. By default 16, and 32
            at the coarsest level.
    """

    kind = "SpiralAutoencoder"

    scale: Tensor

    def __init__(
        self,
        template: Mesh,
        hierarchy: HasLevels,
        latent_size: int = 16,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__(template, hierarchy)
        steps = len(self.levels.down)
        self.latent_size = latent_size
        self.widths = (16,) * (steps - 1) + (32,) if widths is None else tuple(widths)
        self.register_buffer("scale", torch.ones(()))
        self.encoder = SpiralEncoder(self.levels, latent_size, (3, *self.widths), "elu")
        self.decoder = SpiralDecoder(self.levels, latent_size, (*reversed(self.widths), 3), "elu")

    def settings(self) -> dict[str, Any]:
        """Sizes as JSON values."""
        return {"latent_size": self.latent_size, "widths": self.widths}

    @torch.no_grad()
    def calibrate(self, vertices: Tensor) -> None:
        """Set mean and scale from training meshes (N, V, 3)."""
        self.mean.copy_(vertices.mean(dim=0))
        self.scale.fill_(float((vertices - self.mean).square().mean().sqrt().clamp(min=1e-9)))

    def latent(self, vertices: Tensor) -> Tensor:
        """Codes (..., Z) of meshes (..., V, 3) in metres."""
        check_shape("vertices", vertices, tuple(self.mean.shape), batched=True)
        return self.encoder((vertices - self.mean) / self.scale)

    def decode(self, code: Tensor) -> Tensor:
        """Meshes (..., V, 3) in metres of codes (..., Z)."""
        return self.mean + self.scale * self.decoder(code)

    def reconstruct(self, vertices: Tensor) -> Tensor:
        """Meshes (..., V, 3) through the bottleneck and back."""
        return self.decode(self.latent(vertices))

    def forward(self, vertices: Tensor) -> Tensor:
        """The same as :meth:`reconstruct`."""
        return self.reconstruct(vertices)
