"""Head motion from speech, in the manner of a reference: layers that a style writes the last weights of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STACKED = 7
"""Frames of sound that each frame is told from: its own, three before and three after."""
_CHANNELS = (8, 16)
_IN_TIME = 3
_SMOOTHED = (9, 33)
"""Frames of the windows that features are smoothed by, a half each: beats, and what goes on between them."""
_ENCODER = 64
_STILL = 1e-4


class HeadMotionNet(nn.Module):
    """Few-shot temporal convolution network of head motion (Chen et al. 2020, section 3.3 and A.1).

    The extrapolator stacks the sound of seven frames, which two 2D convolutions look at as at a picture, and
    a temporal convolution goes over their flattened outputs to features of every frame. What takes these to
    the coefficients is a linear layer whose weights and bias are written by the encoder of the reference,
    from its motion and its sound.

    Three things are not the paper's. Features end in a tanh and are smoothed by fixed Hann windows, of nine
    frames for one half of them and of 33 for the other, which commutes with the linear layer: heads have
    mass, and do not jump. No convolution in time pads: what lies within :attr:`context` frames of the ends is
    not answered, so that parts of a sound come to the same as the whole. The encoder is also told mean and
    deviation of the motion as they are.

    Args:
        steps: spectra of a frame.
        bands: of a spectrum.
        features: of a frame, F, an even number.
        style_size: S, of what a reference is known by.
        coefficients: of a head's motion, C.

    Attributes:
        context: frames of sound needed before the first frame and after the last.

    Shapes:
        sound (B, T + 2 context, steps * bands), features (B, T, F), motion (B, T, C), style (B, S).
    """

    context = STACKED // 2 + _IN_TIME // 2 + _SMOOTHED[1] // 2
    windows: Tensor

    def __init__(
        self, steps: int, bands: int, features: int = 256, style_size: int = 128, coefficients: int = 6
    ) -> None:
        super().__init__()
        self.steps, self.bands, self.features, self.coefficients = steps, bands, features, coefficients
        first, second = _CHANNELS
        self.look = nn.Sequential(
            nn.Conv2d(1, first, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        seen = second * -(-STACKED * steps // 4) * -(-bands // 4)
        self.temporal = nn.Conv1d(seen, features, _IN_TIME)
        kernel = torch.stack([_centred_hann(size, _SMOOTHED[1]) for size in _SMOOTHED])
        self.register_buffer("windows", kernel[:, None], persistent=False)
        self.read = nn.Sequential(
            nn.Conv1d(features + coefficients, _ENCODER, _IN_TIME, padding="same"),
            nn.ReLU(),
            nn.Conv1d(_ENCODER, _ENCODER, _IN_TIME, padding="same"),
            nn.ReLU(),
        )
        self.know = nn.Sequential(
            nn.Linear(2 * (_ENCODER + coefficients), style_size), nn.ReLU(), nn.Linear(style_size, style_size)
        )
        self.write = nn.Linear(style_size, coefficients * (features + 1))

    def describe(self, sound: Tensor) -> Tensor:
        """Features (B, T, F) of sound (B, T + 2 context, steps * bands)."""
        stacks = sound.unfold(1, STACKED, 1).movedim(-1, 2)
        pictures = stacks.reshape(-1, 1, STACKED * self.steps, self.bands)
        seen = self.look(pictures).unflatten(0, stacks.shape[:2]).mT
        rough = torch.tanh(self.temporal(seen))
        kernel = self.windows.repeat_interleave(self.features // 2, dim=0)
        return functional.conv1d(rough, kernel, groups=self.features).mT

    def style(self, features: Tensor, motion: Tensor) -> Tensor:
        """Style (B, S) of a reference: features (B, T, F) of its sound and its motion (B, T, C)."""
        inner = self.read(torch.cat([features, motion], dim=-1).mT).mT
        return self.know(torch.cat([*moments(inner), *moments(motion)], dim=-1))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Motion (B, T, C) of features (B, T, F) in a style (B, S)."""
        written = self.write(style).unflatten(-1, (self.coefficients, self.features + 1))
        return features @ written[..., :-1].mT + written[:, None, :, -1]

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"features={self.features}, context={self.context}"


def _centred_hann(size: int, length: int) -> Tensor:
    """(length,) a Hann window of ``size`` in its middle that sums to one."""
    window = torch.hann_window(size + 2, periodic=False)[1:-1]
    return functional.pad(window / window.sum(), [(length - size) // 2] * 2)


class StatisticsDiscriminator(nn.Module):
    """Tells true from made motion (B, T, C) by nothing but means and deviations: scores (B,), true above 0.

    Chen et al. 2020, A.1.
    """

    def __init__(self, coefficients: int = 6, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * coefficients, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, motion: Tensor) -> Tensor:
        """Scores (B,) of motion (B, T, C)."""
        return self.layers(torch.cat(moments(motion), dim=-1))[..., 0]


def moments(track: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (..., C) of tracks (..., T, C) over time, with finite gradients at rest."""
    mean = track.mean(dim=-2)
    return mean, ((track - mean[..., None, :]).square().mean(dim=-2) + _STILL**2).sqrt()
