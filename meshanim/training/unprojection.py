"""Training of position maps on faces drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import InputError, check_range
from meshanim.datasets import RenderedFace, RenderedFaces
from meshanim.mesh import Mesh, repacked
from meshanim.rendering import PositionMapModel, UvLayout, picture_positions, picture_scale
from meshanim.synthesis.pretrained import topology_digest
from meshanim.training.loop import TrainingReport, train
from meshanim.training.losses import MILLIMETRES
from meshanim.training.recipe import Recipe

LANDMARK, FEATURES, FACE, REST = 16.0, 4.0, 3.0, 1.0
"""Weights of the loss at landmarks; eyes, nose and mouth; the rest of the face; and everything else.
The first three are PRNet's (Feng et al. 2018, section 3.2), which gives necks none; here the whole head
counts a little, so that its back has a place."""
_AT_LANDMARK, _BY_FEATURE = 0.003, 0.012
"""Metres around landmarks that count as theirs, and as eyes, nose and mouth."""
_FIRST_FEATURE = 27
"""Of the 68 landmarks: jaw and brows come before it; nose, eyes and mouth from there on."""


@dataclass(frozen=True)
class UnprojectionRecipe(Recipe):
    """Recipe of a position-map model; batch and optimizer are PRNet's, but for a decay in every epoch.

    Attributes:
        samples: pictures in an epoch; the same ones in every epoch.
        width: of the network; 16 is PRNet's, 4 the small one for two cores.
        size: pixels along each side of picture and map, a multiple of 32.
        validation: pictures of other people that are scored after every epoch.
    """

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.85
    weight_decay: float = 0.0
    samples: int = 4000
    width: int = 4
    size: int = 256
    validation: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("samples", "width", "validation"):
            check_range(name, getattr(self, name), 1)
        check_range("size", self.size, 32)


def region_weights(mesh: Mesh, layout: UvLayout) -> Tensor:
    """(R, R) weight of every texel in the loss, by where on the neutral face it lies; zero off the mesh.

    Args:
        mesh: the neutral with its 68 landmarks and, where it has one, its group ``face``.
        layout: of the same mesh.
    """
    names = [f"landmark68_{number:02d}" for number in range(68)]
    missing = [name for name in names if name not in mesh.landmarks]
    if missing:
        raise InputError(f"mesh must have the 68 landmarks, got one without {missing[0]}")
    points = mesh.vertices[[mesh.landmarks[name] for name in names]]
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
        others: pictures that are scored after every epoch.
        weight: (R, R) of the texels.
    """

    def __init__(
        self, model: PositionMapModel, pictures: RenderedFaces, others: RenderedFaces, weight: Tensor
    ) -> None:
        self.model, self.pictures, self.others = model, pictures, others
        self.weight = weight / weight.mean()

    def __len__(self) -> int:
        return len(self.pictures)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Weighted mean square of the positions' error, in hundredths of half a picture."""
        drawn = [self.pictures[item] for item in items]
        truth = self.model.layout.spread(_positions(drawn))
        error = self.model(torch.stack([face.image for face in drawn])) - truth
        return {"position": 1e4 * (error.square() * self.weight.unsqueeze(-1)).mean()}

    def validate(self) -> dict[str, float]:
        """Mean distance of the vertices' positions from the truth, in millimetres."""
        total = 0.0
        for item in range(len(self.others)):
            total += float(map_error(self.model, self.others[item]).mean()) * MILLIMETRES
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


def train_unprojection(
    pictures: RenderedFaces, recipe: UnprojectionRecipe, folder: str | Path, progress: bool = True
) -> tuple[PositionMapModel, TrainingReport]:
    """Train a position-map model and save it in ``folder``; a stopped run goes on where it was.

    Args:
        pictures: to learn from; those that are scored are of the next seed.
        recipe: the settings; ``samples`` and ``size`` must be the pictures'.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    if (len(pictures), pictures.size) != (recipe.samples, recipe.size):
        raise InputError(
            f"pictures must be {recipe.samples} of {recipe.size} pixels as in the recipe, "
            f"got {len(pictures)} of {pictures.size}"
        )
    mesh = repacked(pictures.face.neutral)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = PositionMapModel(mesh, recipe.width, recipe.size)
    others = RenderedFaces(pictures.face, recipe.validation, pictures.seed + 1, recipe.size)
    task = UnprojectionTask(model, pictures, others, region_weights(mesh, model.layout))
    about = {"mesh": topology_digest(mesh), "pictures_seed": pictures.seed}
    report = train(task, recipe, folder, progress, **about)
    if report.finished:
        model.save_pretrained(folder)
    return model, report
