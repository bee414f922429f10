"""From a picture to a map of positions: a residual encoder and a decoder of transposed convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from meshanim._check import InputError, check_range, check_shape

KERNEL = 4
HALVINGS = 5
_ENCODER = (2, 2, 4, 4, 8, 8, 16, 16, 32, 32)
"""Channels of the residual blocks in units of the width; the first of each pair halves the picture."""
_DECODER = ((32,), (16, 16, 16), (8, 8, 8), (4, 4, 4), (2, 2), (1, 1))
"""Channels of the decoder's layers at each size in units of the width; the first of a size doubles it."""
_LAST = 3
"""Layers that give three channels at full size."""
_PAD = (1, 2, 1, 2)
"""Around a picture, so that an even kernel keeps its size."""


class ResidualBlock(nn.Module):
    r"""Narrow to half, convolve, widen, and add the input (He et al. 2016), as PRNet has it.

    .. math:: y = \sigma(N(W_3\, \sigma N(W_2 * \sigma N(W_1 x)) + S x))

    with N batch normalisation, W_1 and W_3 over single pixels, W_2 with a kernel of 4, and S a convolution
    over single pixels where shape or channels change, else nothing.

    Args:
        channels: of the input.
        out_channels: of the result, even.
        stride: one, or two to halve the size.
    """

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        half = out_channels // 2
        same = stride == 1 and channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1, stride, bias=False)
        self.narrow = _normalised(nn.Conv2d(channels, half, 1, bias=False))
        self.convolve = _normalised(*_convolution(half, half, stride))
        self.widen = nn.Conv2d(half, out_channels, 1, bias=False)
        self.norm = nn.Sequential(nn.BatchNorm2d(out_channels), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(B, out_channels, H / stride, W / stride) from (B, channels, H, W)."""
        return self.norm(self.widen(self.convolve(self.narrow(x))) + self.shortcut(x))


class PositionMapNet(nn.Module):
    """Encoder and decoder of PRNet: picture (B, 3, H, W) to map (B, 3, H, W) with values in (0, 1).

    Feng et al., "Joint 3D Face Reconstruction and Dense Alignment with Position Map Regression Network", ECCV
    2018, section 3.3, which Chen et al. 2020 take for unprojection (A.3): one convolution and ten residual
    blocks bring 256 x 256 x 3 to 8 x 8 x 512, seventeen transposed convolutions bring that to 256 x 256 x 3;
    all kernels are 4, activations ReLU, the last a sigmoid. With the width w of the first layer (16 there),
    sizes are

    - encoder: w at 256; twice each 2w at 128, 4w at 64, 8w at 32, 16w at 16, 32w at 8;
    - decoder: 32w at 8; three times each 16w at 16, 8w at 32, 4w at 64; twice 2w at 128; twice w at 256;
      three times 3 at 256.

    Transposed convolutions of stride one are convolutions with the kernel turned, and are written so.

    Args:
        width: channels of the first layer; 4 is a network for two cores.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        check_range("width", width, 1)
        self.width, channels = width, width
        layers: list[nn.Module] = [_normalised(*_convolution(3, width))]
        for place, factor in enumerate(_ENCODER):
            layers.append(ResidualBlock(channels, factor * width, 2 - place % 2))
            channels = factor * width
        self.encoder = nn.Sequential(*layers)
        layers = []
        for level, factors in enumerate(_DECODER):
            for place, factor in enumerate(factors):
                first = place == 0 and level > 0
                shape = (channels, factor * width)
                layers.append(_normalised(*(_doubling(*shape) if first else _convolution(*shape))))
                channels = factor * width
        layers.append(_normalised(*_convolution(channels, 3)))
        layers.extend(_normalised(*_convolution(3, 3)) for _ in range(_LAST - 2))
        self.decoder = nn.Sequential(*layers, nn.ZeroPad2d(_PAD), nn.Conv2d(3, 3, KERNEL), nn.Sigmoid())

    def __repr__(self) -> str:
        return f"PositionMapNet(width={self.width})"

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps (B, 3, H, W) of pictures (B, 3, H, W), whose sides are multiples of 32."""
        check_shape("pictures", pictures, (None, 3, None, None))
        least = 2**HALVINGS
        if pictures.shape[2] % least or pictures.shape[3] % least:
            raise InputError(f"pictures must have sides of multiples of {least}, got {tuple(pictures.shape)}")
        # Channels last, oneDNN's gradients of these layers write beyond their memory (PyTorch 2.13, CPU).
        return self.decoder(self.encoder(pictures.contiguous()))


def _convolution(channels: int, out_channels: int, stride: int = 1) -> tuple[nn.Module, ...]:
    if stride == 1:
        return nn.ZeroPad2d(_PAD), nn.Conv2d(channels, out_channels, KERNEL, bias=False)
    return (nn.Conv2d(channels, out_channels, KERNEL, stride, 1, bias=False),)


def _doubling(channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return (nn.ConvTranspose2d(channels, out_channels, KERNEL, 2, 1, bias=False),)


def _normalised(*layers: nn.Module) -> nn.Sequential:
    """Layers, of which the last is a convolution, and what comes after each convolution."""
    channels = layers[-1].out_channels
    assert isinstance(channels, int)
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
