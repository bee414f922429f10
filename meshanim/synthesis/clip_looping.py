"""A short clip's track for as long as it is wanted: it begins anew with its ends laid over one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.mesh.precision import widened
from meshanim.performance import Performance
from meshanim.synthesis.timing import ease, read_smoothly

OVERLAP = 0.6
"""Seconds over which a clip's end passes into its beginning, at most half of the clip."""


def read_in_loop(track: Tensor, fps: float, times: Tensor) -> Tensor:
    """Values (n, C) of a track (T, C) at times (n,) in seconds, from the beginning again and again.

    Where it begins anew, its last moments fade into its first ones, so that nothing jumps. What comes before
    the first of these passages is the track itself.
    """
    track = widened(track)  # weights may be whole numbers
    length = (len(track) - 1) / fps
    overlap = min(OVERLAP, length / 2)
    period = length - overlap
    if period <= 0:
        return track[:1].expand(len(times), -1)
    phase = torch.remainder(times, period)
    now = read_smoothly(track, phase * fps)
    before = read_smoothly(track, (phase + period) * fps)
    share = ease(phase / overlap).to(track)[:, None]
    return torch.where((times >= period)[:, None], torch.lerp(before, now, share), now)


@dataclass(frozen=True)
class ClipWeights:
    """Weights that were seen in a clip, again and again; those that it lacks stay at rest.

    Args:
        clip: with weights by ARKit's names.

    Raises:
        InputError: a clip that has none of the wanted ones.
    """

    clip: Performance
    names: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.clip.weights is None or not set(self.clip.weight_names) & set(self.names):
            raise InputError(f"the clip must have weights named {self.names[0]} and the like, got none")

    def weights(self, times: Tensor) -> Tensor:
        """Weights (n, C) in [0, 1] of the wanted names at times (n,) in seconds."""
        assert self.clip.weights is not None
        own = dict(zip(self.clip.weight_names, self.clip.weights.unbind(dim=1), strict=True))
        still = self.clip.weights.new_zeros(self.clip.frame_count)
        track = torch.stack([own.get(name, still) for name in self.names], dim=1)
        return read_in_loop(track, self.clip.fps, times).clamp(0, 1)
