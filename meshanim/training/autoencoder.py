"""Training of mesh autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import InputError, check_range, check_shape
from meshanim.mesh import Mesh
from meshanim.metrics.vertex_error import MILLIMETRES
from meshanim.nn import HasLevels
from meshanim.synthesis.autoencoder import SpiralAutoencoder
from meshanim.synthesis.topology import topology_digest
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe


@dataclass(frozen=True)
class AutoencoderRecipe(Recipe):
    """Recipe of a spiral autoencoder.

    Attributes:
        latent_size: size of the code.
        widths: channels of the encoder, finest level first; the decoder mirrors them.
    """

    epochs: int = 300
    batch_size: int = 16
    latent_size: int = 16
    widths: tuple[int, ...] = (16, 16, 16, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("latent_size", self.latent_size, 1)


class AutoencoderTask:
    """Meshes that a :class:`SpiralAutoencoder` learns to reproduce, by their L1 distance.

    Args:
        model: the model; calibrate it first.
        vertices: (N, V, 3) metres to train on.
        validation: (M, V, 3) metres that are scored after every epoch.
    """

    def __init__(self, model: SpiralAutoencoder, vertices: Tensor, validation: Tensor | None = None) -> None:
        check_shape("vertices", vertices, (None, *model.mean.shape))
        if validation is not None:
            check_shape("validation", validation, (None, *model.mean.shape))
        self.model, self.vertices, self.validation = model, vertices, validation

    def __len__(self) -> int:
        return len(self.vertices)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Mean L1 norm of the vertices' error, in millimetres."""
        truth = self.vertices[torch.tensor(items)]
        error = self.model(truth) - truth
        return {"reconstruction": error.abs().sum() * (MILLIMETRES / error[..., 0].numel())}

    def validate(self) -> dict[str, float]:
        """Mean per-vertex distance on the validation meshes, in millimetres."""
        if self.validation is None or not len(self.validation):
            return {}
        distances = [
            torch.linalg.vector_norm(self.model(part) - part, dim=-1).flatten()
            for part in self.validation.split(64)
        ]
        return {"validation_error_mm": float(torch.cat(distances).mean()) * MILLIMETRES}


def train_autoencoder(
    vertices: Tensor,
    template: Mesh,
    hierarchy: HasLevels,
    recipe: AutoencoderRecipe,
    folder: str | Path,
    validation: Tensor | None = None,
    progress: bool = True,
) -> tuple[SpiralAutoencoder, TrainingReport]:
    """Train an autoencoder on meshes (N, V, 3) and save it in ``folder``; a stopped run goes on where it was.

    Args:
        vertices: training meshes in metres.
        template: a mesh with their topology.
        hierarchy: :class:`meshanim.mesh.MeshHierarchy` of the template.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        validation: (M, V, 3) meshes that are scored after every epoch.
        progress: show a bar.
    """
    check_shape("vertices", vertices, (None, None, 3))
    if not len(vertices):
        raise InputError("vertices must hold at least one mesh, got none")
    with recipe.seeded():
        model = SpiralAutoencoder(template, hierarchy, recipe.latent_size, recipe.widths)
    model.calibrate(vertices)
    task, mesh = AutoencoderTask(model, vertices, validation), topology_digest(model.template)
    return train_and_save(model, task, recipe, folder, progress, mesh=mesh)
