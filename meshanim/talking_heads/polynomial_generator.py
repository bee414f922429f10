"""From an encoding of each frame and the features of one picture to frames."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from meshanim.nn import SkippedUpConv
from meshanim.talking_heads.polynomial_encoders import LEVELS

_LEVELS = (4, 4, 3, 2, 1.5)
"""Channels from 4 x 3 on, doubling in size each time, in units of the width."""


class PolynomialGenerator(nn.Module):
    """The decoder of a U-Net whose way down is the identity encoder (Kefalas et al. 2020, section 2.1).

    A linear layer makes 4 x 3 places of an encoding; five transposed convolutions, each of which is shown the
    identity encoder's features of its size too, make 128 x 96 of these. Batch normalisation and ReLU follow
    each but the last. What skips is the same for all frames of a clip, and computed once.

    Two things are not the paper's. The picture itself skips as well: what is drawn is added to it, nothing at
    first, so that what is learned from the first step on is how a face moves, not how it looks. And places
    are normalised one by one: over all of them, their lasting differences would drown what changes in time.

    Args:
        size: c = m + n, of a frame's encoding.
        width: of the identity encoder.

    Shapes:
        encodings (B, T, c), frames (B, T, 3, 128, 96), [-1, 1] being black to white.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        channels = [round(factor * width) for factor in _LEVELS]
        self.first = nn.Sequential(
            nn.Linear(size, channels[0] * 12, bias=False),
            nn.BatchNorm1d(channels[0] * 12),
            nn.Unflatten(1, (channels[0], 4, 3)),
            nn.ReLU(),
        )
        skips = [factor * width for factor in reversed(LEVELS)]
        self.ups = nn.ModuleList(
            SkippedUpConv(low, skip, high)
            for low, skip, high in zip(channels, skips, [*channels[1:], 3], strict=True)
        )
        self.norms = nn.ModuleList(nn.Sequential(nn.BatchNorm2d(high), nn.ReLU()) for high in channels[1:])
        last = self._steps()[-1].conv
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def shares(self, pictures: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
        """What pictures (B, 3, 128, 96) and their levels, half size first, add to frames; 4 x 3 first."""
        *coarse, fine = [up.share(level) for up, level in zip(self._steps(), reversed(features), strict=True)]
        return [*coarse, fine + pictures]

    def forward(self, encodings: Tensor, shares: Sequence[Tensor]) -> Tensor:
        """Frames of encodings; ``shares`` as of :meth:`shares`."""
        batch = encodings.shape[:2]
        drawn = self.first(encodings.flatten(0, 1)).unflatten(0, batch)
        for place, (up, share) in enumerate(zip(self._steps(), shares, strict=True)):
            drawn = up(drawn, share)
            if place < len(self.norms):
                drawn = self.norms[place](drawn.flatten(0, 1)).unflatten(0, batch)
        return drawn

    def _steps(self) -> list[SkippedUpConv]:
        return [up for up in self.ups if isinstance(up, SkippedUpConv)]
