"""The parts of TCSAN: what sees a person, what hears, what knows action units, and what draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import check_shape
from meshanim.audio.audio_to_units import UNIT_FEATURES
from meshanim.audio.features import COEFFICIENTS, STEPS
from meshanim.nn import SkippedUpConv

SIDE = 112
"""Pixels along each side of the pictures."""
_DEEPEST = SIDE // 16
"""Pixels along each side after the four convolutions of the identity encoder."""
_FIRST = 4
"""Along each side where drawing begins: 4, 7, 14, 28, 56 and 112 pixels, and once more at 112."""


def begin_as_he(network: nn.Module) -> None:
    """Draw the weights so that signals keep their size through ReLU (He et al. 2015, eq 10).

    An output of a transposed convolution in steps of s sees 1 / s^2 of the kernel. PyTorch's own beginning
    shrinks signals by 2.4 in every layer: what is heard would reach the frames some millions of times weaker
    than what skips there.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.ConvTranspose2d):
            seen = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
            nn.init.normal_(layer.weight, std=math.sqrt(2 / seen))
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class IdentityEncoder(nn.Module):
    """Who is seen (Chen et al. 2022, section 3.1): four convolutions and a fully connected layer, all with
    ReLU; the paper gives neither kernels (here 4, in steps of two pixels) nor channels.

    Args:
        channels: of the four convolutions.
        features: of the person.

    Shapes:
        pictures (B, 3, 112, 112) in [-1, 1]; features (B, F), and what skips to the decoder: the picture
        (B, 3, 112, 112) and the convolutions' answers (B, C, 112 / 2^n, 112 / 2^n).
    """

    def __init__(self, channels: Sequence[int], features: int) -> None:
        super().__init__()
        widths = [3, *channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.connected = nn.Linear(widths[-1] * _DEEPEST**2, features)
        begin_as_he(self)

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features and skips, the largest first."""
        check_shape("pictures", pictures, (None, 3, SIDE, SIDE))
        skips = [pictures]
        for convolution in self.convolutions:
            skips.append(functional.relu(convolution(skips[-1])))
        return functional.relu(self.connected(skips[-1].flatten(1))), skips


class WindowEncoder(nn.Module):
    """What is heard about a frame (Chen et al. 2022, section 3.1): five convolutions, each with batch norm
    and ReLU, and two fully connected layers; kernels, steps and channels are chosen here.

    Args:
        channels: of the five convolutions.
        features: of a frame.

    Shapes:
        windows (B, T, 12, 28) of :func:`meshanim.audio.mfcc_windows`; features (B, T, F).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: Sequence[int], features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(COEFFICIENTS, 1))
        self.register_buffer("deviation", torch.ones(COEFFICIENTS, 1))
        layers: list[nn.Module] = []
        strides = ((1, 2), (2, 2), (1, 1), (2, 2), (1, 1))
        for before, after, stride in zip((1, *channels), channels, strides, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        left = (COEFFICIENTS // 4) * (STEPS // 8 + 1)
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.connected = nn.Sequential(
            nn.Linear(channels[-1] * left, features), nn.ReLU(), nn.Linear(features, features), nn.ReLU()
        )
        begin_as_he(self)

    def standardise(self, windows: Tensor) -> Self:
        """Take mean and deviation of the coefficients from windows (..., 12, 28) of the training set."""
        by_coefficient = windows.movedim(-2, 0).flatten(1)
        self.mean.copy_(by_coefficient.mean(dim=1, keepdim=True))
        self.deviation.copy_(by_coefficient.std(dim=1, keepdim=True).clamp(min=1e-3))
        return self

    def forward(self, windows: Tensor) -> Tensor:
        """Features of every frame."""
        check_shape("windows", windows, (None, None, COEFFICIENTS, STEPS))
        normal = (windows - self.mean) / self.deviation
        heard = self.connected(self.convolutions(normal.flatten(0, 1).unsqueeze(1)))
        return heard.unflatten(0, windows.shape[:2])


class UnitEncoder(nn.Module):
    """Features of action units that are known, such as those of a performance's mesh: a network for each.

    It stands where the paper hears the units, and gives as many features.

    Args:
        units: A, how many.

    Shapes:
        intensities (B, T, A) in [0, 1]; features (B, T, A * 64).
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(1, UNIT_FEATURES), nn.ReLU(), nn.Linear(UNIT_FEATURES, UNIT_FEATURES), nn.ReLU()
            )
            for _ in range(units)
        )
        begin_as_he(self)

    def forward(self, intensities: Tensor) -> Tensor:
        """Features of every frame, unit after unit."""
        check_shape("intensities", intensities, (None, None, len(self.networks)))
        pairs = zip(self.networks, intensities.split(1, dim=-1), strict=True)
        return torch.cat([network(each) for network, each in pairs], dim=-1)


class ImageDecoder(nn.Module):
    """Draws frames (Chen et al. 2022, section 3.1): a fully connected layer and six transposed convolutions,
    with what skips from the identity encoder, as in a U-Net.

    The picture itself counts as the encoder's first level. What a skip adds is the same in all frames of a
    clip and computed once, see :class:`meshanim.nn.SkippedUpConv`. All but the last convolution end in batch
    norm without a scale of its own, and ReLU: before anything is known of mouths, whatever is drawn beside
    the picture is noise, and would be made so faint by training that nothing could be learned from it later.

    Args:
        features: of a frame.
        channels: in front of each of the six convolutions.
        skips: channels of the identity encoder's four convolutions.

    Shapes:
        features (B, T, F); frames (B, T, 3, 112, 112), in [-1, 1] but for what training has not reached.
    """

    def __init__(self, features: int, channels: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        self.connected = nn.Linear(features, channels[0] * _FIRST**2)
        self.first = nn.ConvTranspose2d(channels[0], channels[1], 3, stride=2, padding=1)
        steps = zip(channels[1:], reversed(skips), channels[2:], strict=False)
        self.steps = nn.ModuleList(SkippedUpConv(before, skip, after) for before, skip, after in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(each, affine=False) for each in channels[1:])
        self.last = SkippedUpConv(channels[-1], 3, 3, stride=1)
        begin_as_he(self)
        self._begin_with_the_picture()

    @torch.no_grad()
    def _begin_with_the_picture(self) -> None:
        """Before training, all frames are the identity picture; what else is drawn comes in as it helps."""
        self.last.conv.weight.zero_()
        self.last.conv.weight[-3:, :, 1, 1] = torch.eye(3)

    def shares(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """What the skips of :class:`IdentityEncoder` add to every frame, in the order it is needed."""
        return [
            step.share(skip) for step, skip in zip((*self.steps, self.last), reversed(skips), strict=True)
        ]

    def forward(self, features: Tensor, shares: Sequence[Tensor]) -> Tensor:
        """Frames."""
        begun = functional.relu(self.connected(features)).flatten(0, 1)
        small = self.first(begun.unflatten(-1, (-1, _FIRST, _FIRST)))
        drawn = self._steadied(0, small.unflatten(0, features.shape[:2]))
        for number, (step, share) in enumerate(zip(self.steps, shares, strict=False), start=1):
            drawn = self._steadied(number, step(drawn, share))
        return self.last(drawn, shares[-1])

    def _steadied(self, number: int, drawn: Tensor) -> Tensor:
        norm = self.norms[number]
        return functional.relu(norm(drawn.flatten(0, 1))).unflatten(0, drawn.shape[:2])


class FrameDiscriminator(nn.Module):
    """Tells true frames from drawn ones, for the paper's trial with a GAN: logits of pictures, true above 0.

    The paper says no more of it than the reference to Goodfellow et al. 2014; as in its conference version's
    kin, it sees frame and identity picture side by side.

    Args:
        width: channels of the first of four convolutions.

    Shapes:
        frames and identity (N, 3, 112, 112); logits (N,).
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [6, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * _DEEPEST**2, 1))
        begin_as_he(self)

    def forward(self, frames: Tensor, identity: Tensor) -> Tensor:
        """Logits."""
        return self.layers(torch.cat([frames, identity], dim=1)).squeeze(-1)
