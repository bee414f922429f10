"""Training of position maps on faces drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import InputError, check_range
from meshanim.datasets import RenderedFace, RenderedFaces
from meshanim.mesh import Mesh, axis_angle_to_matrix, landmark_vertices, repacked
from meshanim.mesh.symmetry import mirrored_vertices
from meshanim.metrics.vertex_error import MILLIMETRES
from meshanim.nn.position_map_net import HALVINGS
from meshanim.rendering import PositionMapModel, UvLayout, picture_positions, picture_scale
from meshanim.synthesis.topology import topology_digest
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.picture_changes import varied
from meshanim.training.recipe import Recipe

LANDMARK, FEATURES, FACE, REST = 16.0, 4.0, 3.0, 1.0
"""Weights of the loss at landmarks; eyes, nose and mouth; the rest of the face; and everything else.
The first three are PRNet's (Feng et al. 2018, section 3.2), which gives necks none; here the whole head
counts a little, so that its back has a place."""
HEAT = 30.0
"""Weight of the landmarks' heat."""
_AT_LANDMARK, _BY_FEATURE = 0.003, 0.012
"""Metres around landmarks that count as theirs, and as eyes, nose and mouth."""
_LOOKED_AT = 500
"""Pictures whose faces give the directions."""
_FIRST_FEATURE = 27
"""Of the 68 landmarks: jaw and brows come before it; nose, eyes and mouth from there on."""


@dataclass(frozen=True)
class UnprojectionRecipe(Recipe):
    """Recipe of a position-map model.

    Attributes:
        samples: pictures in an epoch, taken at random and varied each time.
        pictures: that there are to take from.
        directions: in which faces deviate that the small network knows; PRNet's knows none.
        width: of the network; 16 is PRNet's, 24 that of the small one.
        size: pixels along each side of picture and map, a multiple of 32.
        validation: pictures of other people that are scored after every epoch.
    """

    epochs: int = 33
    batch_size: int = 8
    learning_rate: float = 2e-3
    learning_rate_decay: float = 0.92
    weight_decay: float = 0.0
    samples: int = 600
    pictures: int = 2400
    directions: int = 40
    width: int = 24
    size: int = 256
    validation: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("samples", "pictures", "width", "validation"):
            check_range(name, getattr(self, name), 1)
        least = 2**HALVINGS
        if self.size < least or self.size % least:
            raise InputError(f"size must be a multiple of {least}, got {self.size}")
        if self.size == least and 1 in (self.batch_size, self.samples % self.batch_size):
            # the innermost level is one place there, and of one picture it has no spread
            raise InputError(
                f"batches must have two pictures or more at a size of {least}, got {self.samples} pictures "
                f"by {self.batch_size}, which leaves one alone"
            )
        check_range("directions", self.directions, 0)


UNPROJECTION_RECIPES = {
    "small": UnprojectionRecipe(),
    "paper": UnprojectionRecipe(batch_size=16, learning_rate=1e-4, directions=0, width=16),
}
"""The one that made the shipped weights, and one with the network and the settings of PRNet."""


def heat_loss(heat: Tensor, places: Tensor) -> Tensor:
    """Cross entropy of heat maps with the four cells about each true place, by nearness.

    The expectation over these is the place itself.

    Args:
        heat: (B, N, H, W) logarithmic.
        places: (B, N, 2) right and down from the middle, in half pictures; kept inside.
    """
    height, width = heat.shape[2:]
    extent = places.new_tensor([width, height])
    cell = torch.minimum(((places + 1) / 2 * extent - 0.5).clamp(min=0), extent - 1.001)
    corner, likely = cell.floor(), heat.flatten(2).log_softmax(2)
    total = torch.zeros_like(places[..., 0])
    for right in (0, 1):
        for below in (0, 1):
            column, row = (corner + corner.new_tensor([right, below])).long().unbind(-1)
            share = (1 - (cell - torch.stack([column, row], dim=-1)).abs()).prod(-1)
            total = total - share * likely.gather(2, (row * width + column).unsqueeze(-1))[..., 0]
    return total.mean()


def region_weights(mesh: Mesh, layout: UvLayout) -> Tensor:
    """(R, R) weight of every texel in the loss, by where on the neutral face it lies; zero off the mesh.

    Args:
        mesh: the neutral with its 68 landmarks and, where it has one, its group ``face``.
        layout: of the same mesh.
    """
    points = mesh.vertices[landmark_vertices(mesh)]
    where = layout.spread(mesh.vertices)[layout.covered]
    inside = torch.zeros(len(mesh.vertices), 1)
    inside[mesh.groups.get("face", torch.arange(len(mesh.vertices)))] = 1
    away = torch.cdist(where, points)
    weight = torch.where(layout.spread(inside)[layout.covered][:, 0] > 0.5, FACE, REST)
    weight[away[:, _FIRST_FEATURE:].amin(1) < _BY_FEATURE] = FEATURES
    weight[away.amin(1) < _AT_LANDMARK] = LANDMARK
    result = torch.zeros(layout.size, layout.size)
    result[layout.covered] = weight
    return result


class UnprojectionTask:
    """Pictures whose position maps a :class:`PositionMapModel` learns, by weighted squares.

    Args:
        model: the model.
        pictures: to learn from.
        samples: pictures in an epoch.
        others: pictures that are scored after every epoch.
        weight: (R, R) of the texels.
    """

    def __init__(
        self,
        model: PositionMapModel,
        pictures: RenderedFaces,
        samples: int,
        others: Sequence[RenderedFace],
        weight: Tensor,
    ) -> None:
        self.model, self.pictures, self.samples, self.others = model, pictures, samples, others
        self.weight = weight / weight.mean()
        mesh = pictures.face.neutral
        self.mirror, self.landmarks = mirrored_vertices(mesh), landmark_vertices(mesh)

    def __len__(self) -> int:
        return self.samples

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Loss of as many pictures as there are items; which ones they are is random."""
        chosen = torch.randint(len(self.pictures), (len(items),)).tolist()
        drawn = [self.pictures[item] for item in chosen]
        images = torch.stack([face.image for face in drawn])
        return self.compared(*varied(images, _positions(drawn), self.mirror))

    def compared(self, images: Tensor, positions: Tensor) -> dict[str, Tensor]:
        """Weighted mean square of the positions' error, in hundredths of half a picture, and that of heat.

        Args:
            images: (B, R, R, 3).
            positions: (B, V, 3) in the pictures.
        """
        found, heat = self.model.located(images)
        error = found - self.model.layout.spread(positions)
        losses = {"position": 1e4 * (error.square() * self.weight.unsqueeze(-1)).mean()}
        if heat is not None:
            losses["heat"] = HEAT * heat_loss(heat, positions[:, self.landmarks, :2])
        return losses

    def validate(self) -> dict[str, float]:
        """Mean distance of the vertices' positions from the truth, in millimetres."""
        total = 0.0
        for face in self.others:
            total += float(map_error(self.model, face).mean()) * MILLIMETRES
        return {"validation_error_mm": total / len(self.others)}


def _positions(drawn: Sequence[RenderedFace]) -> Tensor:
    return torch.stack([picture_positions(face.vertices, face.camera) for face in drawn])


def map_error(model: PositionMapModel, face: RenderedFace) -> Tensor:
    """Distances (N,) in metres of the predicted positions of one picture's N texels from the true ones.

    Of positions in the picture, as large as they are at the head's distance: pose, size and shape all count.
    """
    layout = model.layout
    truth = picture_positions(face.vertices, face.camera)
    error = (model(face.image[None])[0] - layout.spread(truth))[layout.covered]
    return error.norm(dim=-1) / picture_scale(face.vertices, face.camera)


def principal_directions(pictures: RenderedFaces, count: int) -> Tensor | None:
    """(K, V, 3) the first principal components of faces at rest in pose, each a standard deviation long."""
    count = min(count, len(pictures) - 1)
    if count < 1:
        return None
    drawn = [pictures[item] for item in range(min(_LOOKED_AT, len(pictures)))]
    local = torch.stack([face.vertices @ axis_angle_to_matrix(face.head_motion[:3]) for face in drawn])
    local = (local - local.mean(0)).flatten(1)
    # Eigenvectors of the small square: the right ones of `local`, times their standard deviations.
    mixtures = torch.linalg.eigh(local @ local.T)[1].flip(1)[:, :count]
    return (mixtures.T @ local).unflatten(1, (-1, 3)) / len(drawn) ** 0.5


def train_unprojection(
    pictures: RenderedFaces, recipe: UnprojectionRecipe, folder: str | Path, progress: bool = True
) -> tuple[PositionMapModel, TrainingReport]:
    """Train a position-map model and save it in ``folder``; a stopped run goes on where it was.

    Args:
        pictures: to learn from; those that are scored are of the next seed.
        recipe: the settings; ``pictures`` and ``size`` must be the pictures'.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    if (len(pictures), pictures.size) != (recipe.pictures, recipe.size):
        raise InputError(
            f"pictures must be {recipe.pictures} of {recipe.size} pixels as in the recipe, "
            f"got {len(pictures)} of {pictures.size}"
        )
    mesh = repacked(pictures.face.neutral)
    with recipe.seeded():
        model = PositionMapModel(
            mesh, recipe.width, recipe.size, principal_directions(pictures, recipe.directions)
        )
    unseen = RenderedFaces(pictures.face, recipe.validation, pictures.seed + 1, recipe.size)
    others = [unseen[item] for item in range(recipe.validation)]
    weight = region_weights(mesh, model.layout)
    task = UnprojectionTask(model, pictures, recipe.samples, others, weight)
    about = {"mesh": topology_digest(mesh), "pictures_seed": pictures.seed}
    return train_and_save(model, task, recipe, folder, progress, **about)
