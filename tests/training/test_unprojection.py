"""Training of position maps, at a toy's size."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.datasets import RenderedFaces
from meshanim.faces import AnnyFace
from meshanim.mesh import repacked
from meshanim.rendering import PositionMapModel, UvLayout, picture_positions, picture_scale
from meshanim.training import UnprojectionRecipe, train_unprojection
from meshanim.training.unprojection import (
    FACE,
    FEATURES,
    LANDMARK,
    REST,
    UnprojectionTask,
    map_error,
    region_weights,
)

RECIPE = UnprojectionRecipe(
    epochs=25,
    batch_size=4,
    samples=4,
    width=1,
    size=32,
    validation=1,
    learning_rate=1e-2,
    learning_rate_decay=1.0,
)


class Kept(RenderedFaces):
    """Pictures that are drawn once: the same few are learned by heart here."""

    def __getitem__(self, item):
        self.drawn = getattr(self, "drawn", {})
        if item not in self.drawn:
            self.drawn[item] = super().__getitem__(item)
        return self.drawn[item]


@pytest.fixture(scope="module")
def face():
    return AnnyFace()


@pytest.fixture(scope="module")
def pictures(face):
    return Kept(face, RECIPE.samples, 0, RECIPE.size)


def test_it_learns_a_handful_of_pictures(pictures, tmp_path: Path) -> None:
    model, report = train_unprojection(pictures, RECIPE, tmp_path, progress=False)
    assert report.finished
    losses = [row["position"] for row in report.history]
    assert losses[-1] < 0.75 * losses[0]
    assert report.history[-1]["validation_error_mm"] > 0
    again = PositionMapModel.from_pretrained(tmp_path)
    images = pictures[0].image[None]
    assert torch.equal(again(images), model(images))


class Off(PositionMapModel):
    """Knows the truth of some pictures, and is off by as much everywhere."""

    def __init__(self, mesh, pictures, error):
        super().__init__(mesh, 1, 32)
        self.error = torch.tensor(error)
        places = [picture_positions(picture.vertices, picture.camera) for picture in pictures]
        self.truth = self.layout.spread(torch.stack(places))

    def forward(self, images):
        return self.truth[: len(images)] + self.error


def test_the_loss_is_the_weighted_square(face, pictures) -> None:
    mesh = repacked(face.neutral)
    some = [pictures[0], pictures[1]]
    off = Off(mesh, some, [0.01, 0.0, 0.0])
    weight = region_weights(mesh, off.layout)
    loss = UnprojectionTask(off, pictures, pictures, weight).losses([0, 1])["position"]
    assert float(loss) == pytest.approx(1 / 3, rel=1e-4)
    scale = picture_scale(some[0].vertices, some[0].camera)
    torch.testing.assert_close(map_error(off, some[0]), (0.01 / scale).expand(int(off.layout.covered.sum())))
    off.error = torch.where(weight == LANDMARK, 0.01, 0.0)[..., None]
    share = float((weight == LANDMARK).sum() * LANDMARK / weight.sum())
    loss = UnprojectionTask(off, pictures, pictures, weight).losses([0, 1])["position"]
    assert float(loss) == pytest.approx(share, rel=1e-4)


def test_a_stopped_run_ends_with_the_same_bytes(pictures, tmp_path: Path) -> None:
    short = replace(RECIPE, epochs=2)
    whole, _ = train_unprojection(pictures, short, tmp_path / "whole", progress=False)
    train_unprojection(pictures, replace(short, epochs=1), tmp_path / "parts", progress=False)
    parts, _ = train_unprojection(pictures, short, tmp_path / "parts", progress=False)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, parts.state_dict()[name]), name


def test_what_matters_in_a_face_weighs_more(face) -> None:
    mesh = repacked(face.neutral)
    layout = UvLayout(mesh, 256)
    weight = region_weights(mesh, layout)
    assert (weight[~layout.covered] == 0).all()
    values = (LANDMARK, FEATURES, FACE, REST)
    shares = [float((weight == value).sum() / layout.covered.sum()) for value in values]
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) > 0.01 and shares[3] > 0.5
    neck = torch.zeros(len(mesh.vertices), 1)
    neck[mesh.groups["neck"]] = 1
    assert (weight[layout.spread(neck)[..., 0] > 0.5] == REST).all()


def test_recipe_and_pictures_must_agree(pictures, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pictures must be 9 of 32 pixels"):
        train_unprojection(pictures, replace(RECIPE, samples=9), tmp_path, progress=False)
