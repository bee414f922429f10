"""A classifier of action units: the paper's layers, and that it looks at the lower face alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from meshanim._check import InputError
from meshanim.talking_heads import to_network
from meshanim.vision import TCSAN_CROP, UnitClassifier, lower_half, upper_half
from meshanim.vision.cropping import STABLE

UNITS = (10, 14, 20, 25, 26)


@pytest.fixture
def model() -> UnitClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UnitClassifier(UNITS, width=4).eval()


@pytest.fixture
def pictures() -> torch.Tensor:
    return 2 * torch.rand(2, 3, 3, 112, 112, generator=torch.Generator().manual_seed(0)) - 1


def test_layers_are_those_of_the_paper(model):
    kinds = [type(layer).__name__ for layer in model.convolutions]
    convolution = ["Conv2d", "ReLU"]
    assert kinds == [*convolution * 2, "MaxPool2d", *convolution * 2, "MaxPool2d", "Flatten"]
    assert sum(isinstance(layer, nn.Linear) for layer in model.connected) == 3


def test_pictures_of_any_batch_get_probabilities(model, pictures):
    probabilities = model(pictures)
    assert probabilities.shape == (2, 3, 5)
    assert bool(((probabilities > 0) & (probabilities < 1)).all())
    assert torch.allclose(model(pictures[1, 2]), probabilities[1, 2], atol=1e-6)


def test_the_lower_half_alone_is_seen(model, pictures):
    lower = pictures.clone()
    upper_half(pictures).fill_(0)
    assert torch.equal(model(pictures), model(lower))
    lower_half(pictures).fill_(0)
    assert not torch.allclose(model(pictures), model(lower), atol=1e-4)


def test_halves_of_an_odd_height_leave_the_middle_out():
    rows = torch.arange(5).view(5, 1)
    assert upper_half(rows).flatten().tolist() == [0, 1] and lower_half(rows).flatten().tolist() == [3, 4]


def test_it_begins_with_answers_that_differ_between_pictures(pictures):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        spread = UnitClassifier(UNITS)(pictures).std(dim=(0, 1))
    assert float(spread.mean()) > 0.01


def test_folders_give_the_model_back(model, pictures, tmp_path):
    model.save_pretrained(tmp_path)
    again = UnitClassifier.from_pretrained(tmp_path)
    assert (again.units, again.size, again.width) == (UNITS, (112, 112), 4) and not again.training
    assert torch.equal(again(pictures), model(pictures))


def test_what_does_not_fit_says_so(model):
    with pytest.raises(InputError, match=r"pictures must have a shape ending in \(3, 112, 112\)"):
        model(torch.zeros(2, 3, 96, 112))
    with pytest.raises(InputError, match="units must hold at least one, got none"):
        UnitClassifier(())
    with pytest.raises(InputError, match="height must be at least 32, got 10"):
        UnitClassifier(UNITS, (10, 112))


def test_a_film_is_seen_wherever_the_face_is(model):
    """Faces that are in the crop give what their pictures give, but for a grey level; moved ones too."""
    frames = torch.randint(0, 256, (3, 112, 112, 3), dtype=torch.uint8)
    frames = frames // 8 + 100
    landmarks = torch.zeros(3, 68, 2)
    landmarks[:, list(STABLE)] = torch.from_numpy(TCSAN_CROP.stable_places).float()
    seen = model.see(frames, landmarks)
    assert torch.allclose(seen, model(to_network(frames)), atol=0.01)
    wide = torch.zeros(3, 150, 160, 3, dtype=torch.uint8)
    wide[:, 20:132, 30:142] = frames
    assert torch.allclose(model.see(wide, landmarks + torch.tensor([30.0, 20.0])), seen, atol=0.01)


def test_pictures_of_another_size_show_the_whole_crop():
    row, column = torch.meshgrid(torch.arange(112), torch.arange(112), indexing="ij")
    frame = torch.stack([row, column, row + column], dim=-1).to(torch.uint8)
    landmarks = torch.zeros(1, 68, 2)
    landmarks[:, list(STABLE)] = torch.from_numpy(TCSAN_CROP.stable_places).float()
    for size in ((56, 56), (112, 56)):
        model = UnitClassifier(UNITS, size, width=2).eval()
        step = 112 // size[0], 112 // size[1]
        smaller = frame.float().unflatten(0, (-1, step[0])).unflatten(2, (-1, step[1])).mean(dim=(1, 3))
        wanted = model(smaller.permute(2, 0, 1)[None] / 127.5 - 1)
        assert torch.allclose(model.see(frame[None], landmarks), wanted, atol=0.01)
