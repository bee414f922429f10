"""From a picture to a map of positions on two cores: landmarks first, then a known face turned to fit."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_range, check_shape
from meshanim.nn.position_map_net import KERNEL, ResidualBlock

FOLD = 4
"""Pixels along each side that become one place of the largest level."""
LEVELS = 3
"""Halvings after that: pictures have sides of multiples of 32."""
LANDMARKS = 68
_POSE = 12
_HIDDEN = 192
SPREAD = 0.377
"""Root mean square distance of the landmarks from their middle in a usual picture, in half pictures."""

_Layer = TypeVar("_Layer", nn.Conv2d, nn.Linear)


class SmallPositionMapNet(nn.Module):
    r"""A network like :class:`PositionMapNet` for two cores, which knows landmarks and how faces differ.

    .. math:: y_u = m(x) + \frac{s(x)}{s_0}
        \Big(A(x) \Big(b_u + \sum_k c_k(x)\, B_{ku}\Big) + t(x) + d_u(x)\Big)

    with b the map of the face at rest and B those of directions in which faces deviate from it. Heat maps of
    68 landmarks (one in eight pixels) give their places, as expectations; m is their middle, s their spread
    and :math:`s_0` the usual one. A, t and c, a 3 x 3 matrix, a shift and shares of the directions, are read
    off the landmarks' places and the encoder's last level; d is the decoder's map. No gradient goes from maps
    to places: heat learns from landmarks alone. The network begins with A one and c, t, d zero.

    Pictures enter by patches of 4 x 4 and maps leave by these (the sub-pixel convolution of Shi et al. 2016),
    so that no layer runs at full size. With the width w, sizes for 256 x 256 pixels are

    - encoder: w at 64; twice each (residual blocks of PRNet) 2w at 32, 4w at 16, 8w at 8;
    - heat: 4w at 16, 2w at 32, each added to the encoder's level; one for each landmark;
    - decoder: 4w at 16; 2w at 32; w at 64; three for each of 4 x 4 texels.

    Args:
        rest: (3, H, W) map of the face at rest about zero, as large as in a usual picture.
        directions: (K, 3, H, W) maps of the directions, as long as faces usually deviate.
        width: channels of the largest level.
    """

    rest: Tensor
    directions: Tensor

    def __init__(self, rest: Tensor, directions: Tensor, width: int = 24) -> None:
        super().__init__()
        check_shape("rest", rest, (3, None, None))
        check_shape("directions", directions, (None, *rest.shape))
        check_range("width", width, 1)
        least = FOLD * 2**LEVELS
        if rest.shape[1] % least or rest.shape[2] % least:
            raise InputError(f"rest must have sides of multiples of {least}, got {tuple(rest.shape)}")
        self.width = width
        self.register_buffer("rest", rest, persistent=False)
        self.register_buffer("directions", directions, persistent=False)
        one, two, four, eight = (width * factor for factor in (1, 2, 4, 8))
        self.encoder = nn.ModuleList(
            [
                _active(nn.Conv2d(3, one, 2 * FOLD, FOLD, FOLD // 2, bias=False)),
                nn.Sequential(ResidualBlock(one, two, 2), ResidualBlock(two, two)),
                nn.Sequential(ResidualBlock(two, four, 2), ResidualBlock(four, four)),
                nn.Sequential(ResidualBlock(four, eight, 2), ResidualBlock(eight, eight)),
            ]
        )
        self.rise = nn.ModuleList([_doubling(eight, four), _doubling(four, two)])
        self.heat = nn.Conv2d(two, LANDMARKS, 1)
        self.code = nn.Sequential(
            nn.Linear(2 * LANDMARKS + 1 + eight, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            _beginning_at_zero(nn.Linear(_HIDDEN, _POSE + len(directions))),
        )
        self.decoder = nn.Sequential(
            _doubling(eight, four),
            _doubling(four, two),
            _doubling(two, one),
            _beginning_at_zero(nn.Conv2d(one, 3 * FOLD**2, 1)),
            nn.PixelShuffle(FOLD),
        )

    def __repr__(self) -> str:
        return f"SmallPositionMapNet(directions={len(self.directions)}, width={self.width})"

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps (B, 3, H, W) in half pictures from the middle, of pictures (B, 3, H, W) of the rest's size."""
        return self.located(pictures)[0]

    def located(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Maps as :meth:`forward`, and logarithmic heat maps (B, 68, H / 8, W / 8) of the landmarks."""
        check_shape("pictures", pictures, (None, *self.rest.shape))
        flat = pictures.flatten(1)
        middle, contrast = flat.mean(1), flat.std(1).clamp(min=1e-3)
        value = ((pictures - middle[:, None, None, None]) / contrast[:, None, None, None]).contiguous()
        levels = []
        for layer in self.encoder:
            value = layer(value)
            levels.append(value)
        for layer, beside in zip(self.rise, levels[2:0:-1], strict=True):
            value = layer(value) + beside
        heat = self.heat(value)
        return self._assembled(expected_places(heat).detach(), levels[-1]), heat

    def _assembled(self, places: Tensor, coded: Tensor) -> Tensor:
        middle = places.mean(1)
        away = places - middle[:, None]
        spread = away.square().sum(2).mean(1, keepdim=True).sqrt().clamp(min=1e-3)
        told = torch.cat([(away / spread[:, None]).flatten(1), spread, coded.mean((2, 3))], dim=1)
        matrix, shift, shares = self.code(told).split([9, 3, len(self.directions)], dim=1)
        matrix = torch.eye(3).to(matrix) + matrix.unflatten(1, (3, 3))
        face = self.rest.flatten(1) + (shares @ self.directions.flatten(1)).unflatten(1, (3, -1))
        turned = (matrix @ face).unflatten(2, self.rest.shape[1:])
        local = turned + shift[:, :, None, None] + self.decoder(coded)
        middle = torch.cat([middle, torch.zeros_like(spread)], dim=1)
        return middle[:, :, None, None] + (spread / SPREAD)[:, :, None, None] * local


def expected_places(heat: Tensor) -> Tensor:
    """(B, N, 2) right and down from the middle, in half pictures, of logarithmic heat maps (B, N, H, W)."""
    share = heat.flatten(2).softmax(2).unflatten(2, heat.shape[2:])
    down, right = ((torch.arange(side) + 0.5) * (2 / side) - 1 for side in heat.shape[2:])
    return torch.stack([share.sum(2) @ right.to(heat), share.sum(3) @ down.to(heat)], dim=2)


def _active(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU())


def _beginning_at_zero(layer: _Layer) -> _Layer:
    assert layer.bias is not None
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _doubling(channels: int, out_channels: int) -> nn.Sequential:
    return _active(nn.ConvTranspose2d(channels, out_channels, KERNEL, 2, 1, bias=False))
