"""Transposed convolution whose skip connection comes from one picture for all frames of a clip."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import check_range, check_shape


class SkippedUpConv(nn.Module):
    """A step of a U-Net's way up (Ronneberger et al. 2015) that doubles height and width.

    Frames of a clip share the reference picture, and so the features that skip to them. A convolution is
    linear: what it makes of frame and skip side by side is the sum of what it makes of each, so that the
    skip's share is computed once, not T times.

    Args:
        channels: C of the frames' features.
        skip_channels: S of the reference's features; 0 for a step without a skip.
        out_channels: O.
        stride: 2, or 1 for a step that keeps height and width.

    Shapes:
        features (B, T, C, H, W), skip (B, S, H, W); result (B, T, O, stride H, stride W).
    """

    def __init__(self, channels: int, skip_channels: int, out_channels: int, stride: int = 2) -> None:
        super().__init__()
        check_range("stride", stride, 1, 2)
        self.channels, self.skip_channels, self.out_channels = channels, skip_channels, out_channels
        kernel = 4 if stride == 2 else 3
        self.conv = nn.ConvTranspose2d(channels + skip_channels, out_channels, kernel, stride, padding=1)

    def share(self, skip: Tensor) -> Tensor:
        """What the skip (B, S, H, W) adds to every frame: (B, O, stride H, stride W), bias included."""
        check_shape("skip", skip, (None, self.skip_channels, None, None))
        weight = self.conv.weight[self.channels :]
        return functional.conv_transpose2d(skip, weight, self.conv.bias, self.conv.stride, padding=1)

    def forward(self, features: Tensor, share: Tensor | None = None) -> Tensor:
        """Frames' features on the next level; ``share`` is :meth:`share` of the reference's.

        Without a skip, there is no share.
        """
        check_shape("features", features, (None, None, self.channels, None, None))
        weight, bias = self.conv.weight[: self.channels], self.conv.bias if share is None else None
        flat = functional.conv_transpose2d(features.flatten(0, 1), weight, bias, self.conv.stride, padding=1)
        up = flat.unflatten(0, features.shape[:2])
        return up if share is None else up + share[:, None]
