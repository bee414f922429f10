"""Features that tell how alike pictures look: VGG-19's layers and files, and the network of our own."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from meshanim._check import InputError
from meshanim.vision import FaceFeatures, Vgg19Features
from meshanim.vision.perceptual import IMAGENET_DEVIATION, IMAGENET_MEAN

LAYERS = ("relu1_2", "relu2_2")


def pictures(count: int = 1, side: int = 32) -> torch.Tensor:
    return 2 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) - 1


@pytest.fixture
def weights(tmp_path):
    """A file with two blocks of VGG-19 by torchvision's names, and what else such a file holds."""
    generator = torch.Generator().manual_seed(1)
    channels = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128)}
    tensors = {
        f"features.{number}.weight": 0.05 * torch.randn(*shape, 3, 3, generator=generator)
        for number, shape in channels.items()
    }
    tensors |= {f"features.{number}.bias": torch.zeros(shape[0]) for number, shape in channels.items()}
    path = tmp_path / "vgg19.safetensors"
    save_file(tensors | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


def test_layers_are_where_torchvision_has_them():
    model = Vgg19Features(("relu1_1", "relu1_2", "relu2_2", "relu3_4", "relu4_4"))
    assert model.taken == [1, 3, 8, 17, 26]
    names = [name for name in model.state_dict() if name.endswith("weight")]
    numbers = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25)
    assert names == [f"features.{number}.weight" for number in numbers]


def test_features_are_those_of_the_files_weights(weights):
    model, seen = Vgg19Features.from_file(weights, LAYERS), pictures()
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    own = model.state_dict()
    scaled = ((seen + 1) / 2 - mean) / deviation
    first = torch.conv2d(scaled, own["features.0.weight"], padding=1).relu()
    second = torch.conv2d(first, own["features.2.weight"], padding=1).relu()
    found = model(seen)
    assert [each.shape[1:] for each in found] == [(64, 32, 32), (128, 16, 16)]
    assert torch.allclose(found[0], second, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_pickles_are_not_loaded_and_other_files_say_so(tmp_path, weights):
    with pytest.raises(InputError, match=r"got suffix '.pth'; pickles such as .pth are never loaded"):
        Vgg19Features.from_file(tmp_path / "vgg19.pth")
    with pytest.raises(InputError, match=r"without a fitting features.10.weight"):
        Vgg19Features.from_file(weights)
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"no weights at all")
    with pytest.raises(InputError, match="must be a safetensors file, got"):
        Vgg19Features.from_file(other)
    with pytest.raises(InputError, match=r"layer must be one of relu1_1, .* got 'relu6_1'"):
        Vgg19Features(("relu6_1",))


def test_face_features_are_scaled_to_one():
    model, seen = FaceFeatures(4, width=2).calibrate(pictures(3, 112)), pictures(3, 112)
    found = model(seen)
    assert [each.shape for each in found] == [(3, 2, 56, 56), (3, 4, 28, 28), (3, 8, 14, 14), (3, 8, 7, 7)]
    assert [float(each.mean()) for each in found] == pytest.approx([1] * 4, abs=1e-5)
    weights, pose = model.describe(seen)
    assert weights.shape == (3, 4) and pose.shape == (3, 6)


def test_face_features_come_back_from_folders_and_learn_no_more(tmp_path):
    model = FaceFeatures(4, width=2).calibrate(pictures(3, 112))
    model.save_pretrained(tmp_path)
    again = FaceFeatures.from_pretrained(tmp_path)
    pairs = zip(again(pictures(1, 112)), model(pictures(1, 112)), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert "trained on the corpus" in again.name and "ImageNet" in Vgg19Features.name
