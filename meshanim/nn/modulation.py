"""Conditioning of per-vertex features on something else that is known per vertex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Modulation(NamedTuple):
    """Scale and shift (S, V, C) for the features of S subjects, and how many frames each subject has."""

    scale: Tensor
    shift: Tensor
    lengths: tuple[int, ...]

    def apply(self, features: Tensor) -> Tensor:
        """``features * scale + shift`` for features (B, V, C), B frames in order of their subjects."""
        parts = features.split(list(self.lengths))
        return torch.cat([torch.addcmul(self.shift[s], part, self.scale[s]) for s, part in enumerate(parts)])

    def repeated(self, lengths: Sequence[int]) -> Modulation:
        """The same modulation for other numbers of frames."""
        return self._replace(lengths=tuple(lengths))


class FeatureModulation(nn.Module):
    r"""Feature-wise linear modulation (Perez et al. 2018), per vertex.

    .. math:: \mathbf h^*_v = \mathbf h_v \odot (1 + \mathbf A \mathbf c_v) + \mathbf B \mathbf c_v

    It starts as the identity: both matrices begin at zero, so that a network learns first what holds for
    everyone. Scale and shift depend on the condition alone, so that a sequence of frames pays for them once.

    Args:
        condition_channels: features per vertex to condition on.
        channels: features per vertex to be modulated.

    Shapes:
        condition (S, V, condition_channels); scale and shift (S, V, channels).
    """

    def __init__(self, condition_channels: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition_channels, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition: Tensor) -> Modulation:
        """Scale and shift of one frame per subject, from conditions (S, V, condition_channels)."""
        scale, shift = self.linear(condition).chunk(2, dim=-1)
        return Modulation(1 + scale, shift.contiguous(), (1,) * condition.shape[0])
