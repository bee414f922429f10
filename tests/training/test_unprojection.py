"""Training of position maps, at a toy's size."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from meshanim._check import InputError
from meshanim.datasets import KeptFaces
from meshanim.faces import AnnyFace
from meshanim.mesh import axis_angle_to_matrix, repacked
from meshanim.nn.small_position_map_net import expected_places
from meshanim.rendering import PositionMapModel, UvLayout, picture_positions, picture_scale
from meshanim.training import UnprojectionRecipe, train_unprojection
from meshanim.training.unprojection import (
    FACE,
    FEATURES,
    LANDMARK,
    REST,
    UnprojectionTask,
    heat_loss,
    map_error,
    principal_directions,
    region_weights,
)

RECIPE = UnprojectionRecipe(
    epochs=30,
    batch_size=4,
    samples=8,
    pictures=6,
    width=2,
    directions=3,
    size=32,
    validation=1,
    learning_rate=1e-2,
    learning_rate_decay=1.0,
)


@pytest.fixture(scope="module")
def face():
    return AnnyFace()


@pytest.fixture(scope="module")
def pictures(face, tmp_path_factory):
    return KeptFaces(face, RECIPE.pictures, 0, RECIPE.size, tmp_path_factory.mktemp("faces"))


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

    def located(self, images):
        return self.truth[: len(images)] + self.error, None


def test_the_loss_is_the_weighted_square(face, pictures) -> None:
    mesh = repacked(face.neutral)
    some = [pictures[0], pictures[1]]
    off = Off(mesh, some, [0.01, 0.0, 0.0])
    weight = region_weights(mesh, off.layout)
    task = UnprojectionTask(off, pictures, 2, some, weight)
    images = torch.stack([picture.image for picture in some])
    positions = torch.stack([picture_positions(picture.vertices, picture.camera) for picture in some])
    assert float(task.compared(images, positions)["position"]) == pytest.approx(1 / 3, rel=1e-4)
    scale = picture_scale(some[0].vertices, some[0].camera)
    torch.testing.assert_close(map_error(off, some[0]), (0.01 / scale).expand(int(off.layout.covered.sum())))
    off.error = torch.where(weight == LANDMARK, 0.01, 0.0)[..., None]
    share = float((weight == LANDMARK).sum() * LANDMARK / weight.sum())
    assert float(task.compared(images, positions)["position"]) == pytest.approx(share, rel=1e-4)


def test_heat_is_least_where_places_are_expected() -> None:
    """Against the four cells about a place by hand; from there on, its gradient leads to the place."""
    heat = torch.randn(1, 1, 4, 8, generator=torch.Generator().manual_seed(0))
    likely = heat.flatten().log_softmax(0).view(4, 8)
    place = torch.tensor([[[-1 + 2 * 2.75 / 8, -1 + 2 * 1.0 / 4]]])  # column 2.25, row 0.5 in cells' middles
    wanted = -0.5 * (0.75 * (likely[0, 2] + likely[1, 2]) + 0.25 * (likely[0, 3] + likely[1, 3]))
    torch.testing.assert_close(heat_loss(heat, place), wanted)
    heat.requires_grad_()
    optimizer = torch.optim.Adam([heat], 0.5)
    for _ in range(200):
        optimizer.zero_grad()
        heat_loss(heat, place).backward()
        optimizer.step()
    torch.testing.assert_close(expected_places(heat), place, atol=5e-3, rtol=0)
    assert torch.isfinite(heat_loss(heat, torch.tensor([[[5.0, -5.0]]])))


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


def test_without_directions_it_is_the_papers_network(pictures, tmp_path: Path) -> None:
    short = replace(RECIPE, epochs=1, directions=0, width=1)
    model, _ = train_unprojection(pictures, short, tmp_path, progress=False)
    assert model.directions is None and "PositionMapNet(width=1)" in repr(model)


def test_directions_are_principal_and_a_deviation_long(pictures) -> None:
    """Shares of the pictures' faces along them have variance one and do not vary together."""
    directions = principal_directions(pictures, 3)
    assert directions is not None
    found = directions.flatten(1)
    drawn = [pictures[item] for item in range(len(pictures))]
    local = torch.stack([face.vertices @ axis_angle_to_matrix(face.head_motion[:3]) for face in drawn])
    shares = (local - local.mean(0)).flatten(1) @ torch.linalg.pinv(found)
    torch.testing.assert_close(shares.T @ shares / len(drawn), torch.eye(3), atol=1e-2, rtol=0)
    assert principal_directions(pictures, 0) is None


def test_recipe_and_pictures_must_agree(pictures, tmp_path: Path) -> None:
    for size in (0, 16, 100):
        with pytest.raises(InputError, match=f"size must be a multiple of 32, got {size}"):
            replace(RECIPE, size=size)
    leaving_one: tuple[dict[str, Any], ...] = ({"samples": 9, "batch_size": 4}, {"batch_size": 1})
    for sizes in leaving_one:
        with pytest.raises(InputError, match="batches must have two pictures or more at a size of 32"):
            replace(RECIPE, **sizes)
        replace(RECIPE, size=64, **sizes)
    with pytest.raises(InputError, match="pictures must be 9 of 32 pixels"):
        train_unprojection(pictures, replace(RECIPE, pictures=9), tmp_path, progress=False)
