"""Features in which pictures that look alike are alike: VGG-19's, or those of a small network of our own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from meshanim._check import InputError, check_choice, check_range, check_shape
from meshanim._pretrained import Pretrained

VGG19 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512)
"""Channels of VGG-19's 3 x 3 convolutions (Simonyan and Zisserman 2015, E); 0 where it pools."""
VGG19_LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4")
"""Layers whose features are compared; the 112 pixels of a face are 14 in the last one."""
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1], by which the published weights expect pictures to be scaled."""

_POSE = 6
_POOLED = 7
"""Along each side of what the last features are pooled to: those of 112 pixels stay as they are."""


class PerceptualFeatures(Protocol):
    """What tells how alike pictures look.

    Attributes:
        name: that reports give.
    """

    name: str

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Features (N, C, h, w) of each layer of pictures (N, 3, H, W) in [-1, 1]."""


class Vgg19Features(nn.Module):
    """Features of VGG-19 at several depths (Simonyan and Zisserman 2015; Johnson et al. 2016).

    The weights are not part of the project, and are ImageNet's: :meth:`from_file` reads a copy of the user's.

    Args:
        layers: whose features are given, ``reluB_N`` for the Nth convolution of block B, in order.

    Shapes:
        pictures (N, 3, H, W) in [-1, 1]; for each layer (N, C, H / 2^(B-1), W / 2^(B-1)).
    """

    name = "VGG-19 (ImageNet)"
    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: tuple[str, ...] = VGG19_LAYERS) -> None:
        super().__init__()
        modules, names = _vgg19()
        for layer in layers:
            check_choice("layer", layer, names)
        self.taken = sorted(names[layer] for layer in layers)
        self.features = nn.Sequential(*modules[: self.taken[-1] + 1])
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(3, 1, 1), persistent=False)

    @classmethod
    def from_file(cls, path: str | Path, layers: tuple[str, ...] = VGG19_LAYERS) -> Self:
        """VGG-19 with the weights of a file: torchvision's, as safetensors; in evaluation, nothing learns.

        Args:
            path: ``.safetensors`` with ``features.0.weight`` and so on, more may be in it. A ``.pth`` is a
                pickle, which this project never loads; ``safetensors.torch.save_file(torch.load(old,
                weights_only=True), new)`` makes one of the other, once, where its origin is trusted.
            layers: see the class.

        Raises:
            InputError: not such a file, or not VGG-19's weights.
            OSError: the file is missing or cannot be read.
        """
        place, model = Path(path), cls(layers)
        if place.suffix != ".safetensors":
            raise InputError(
                f"{place} must be a .safetensors file of VGG-19's weights, got suffix {place.suffix!r}; "
                f"pickles such as .pth are never loaded"
            )
        try:
            held = load_file(place)
        except SafetensorError as error:
            raise InputError(f"{place} must be a safetensors file, got {error}") from None
        wanted = model.state_dict()
        missing = [name for name, own in wanted.items() if name not in held or held[name].shape != own.shape]
        if missing:
            raise InputError(f"{place} must hold VGG-19's weights, got one without a fitting {missing[0]}")
        model.load_state_dict({name: held[name].float() for name in wanted})
        return model.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features of each layer."""
        check_shape("pictures", pictures, (None, 3, None, None))
        features, found = ((pictures + 1) / 2 - self.mean) / self.deviation, []
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number in self.taken:
                found.append(features)
        return found


def _vgg19() -> tuple[list[nn.Module], dict[str, int]]:
    """VGG-19's layers, and where each ReLU is among them by its name."""
    modules: list[nn.Module] = []
    names: dict[str, int] = {}
    before, block, place = 3, 1, 0
    for channels in VGG19:
        if channels == 0:
            modules.append(nn.MaxPool2d(2))
            block, place = block + 1, 0
            continue
        # not in place: what was taken before stays as it was
        modules += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
        before, place = channels, place + 1
        names[f"relu{block}_{place}"] = len(modules) - 1
    return modules, names


class FaceFeatures(Pretrained):
    """Features of a small network that reads faces: how they are moved, and how the head is turned.

    Where nobody has the weights of VGG-19, this stands in for it and every report says so: what it was
    trained to tell from a face's picture, in :data:`meshanim.vision.TCSAN_CROP`, are the weights of a
    captured performance, so that its features are of mouths and eyes, not of ImageNet's things.

    Args:
        weights: K, how many weights it reads.
        width: channels of the first convolution.

    Shapes:
        pictures (N, 3, H, W) in [-1, 1]; features (N, C, H / 2^n, W / 2^n) of n = 1 to 4, of mean 1 on the
        pictures of :meth:`calibrate`.
    """

    kind = "face-features"

    name = "face features (trained on the corpus)"
    means: Tensor

    def __init__(self, weights: int, width: int = 8) -> None:
        super().__init__()
        for argument, value in {"weights": weights, "width": width}.items():
            check_range(argument, value, 1)
        self.weights, self.width = weights, width
        channels = [3, width, 2 * width, 4 * width, 4 * width]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU())
            for before, after in pairwise(channels)
        )
        self.register_buffer("means", torch.ones(len(self.layers)))
        self.pooled = nn.AdaptiveAvgPool2d(_POOLED)
        self.read = nn.Sequential(
            nn.Linear(_POOLED**2 * channels[-1], 128), nn.ReLU(), nn.Linear(128, weights + _POSE)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features of each layer."""
        return [found / mean for found, mean in zip(self._found(pictures), self.means, strict=True)]

    def _found(self, pictures: Tensor) -> list[Tensor]:
        check_shape("pictures", pictures, (None, 3, None, None))
        found = [pictures]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found[1:]

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> Self:
        """Scale the features of each layer to a mean of 1 over pictures (N, 3, H, W)."""
        self.means.copy_(torch.stack([found.mean() for found in self._found(pictures)]).clamp(min=1e-6))
        return self

    def describe(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (N, K) and head motion (N, 6), each as far as it was standardised in training."""
        told = self.read(self.pooled(self._found(pictures)[-1]).flatten(1))
        return told[:, : self.weights], told[:, self.weights :]

    def _settings(self) -> dict[str, Any]:
        return {"weights": self.weights, "width": self.width}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings["weights"], settings["width"])

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """As :meth:`Pretrained.from_pretrained`; nothing of it learns."""
        return super().from_pretrained(name).requires_grad_(False)
