"""A short clip's track for as long as it is wanted: it begins anew with its ends laid over one another."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.performance import Performance
from meshanim.synthesis.timing import ease, read_smoothly

OVERLAP = 0.6
"""Seconds over which a clip's end passes into its beginning, at most half of the clip."""


def read_in_loop(track: Tensor, fps: float, times: Tensor) -> Tensor:
    """Values (n, C) of a track (T, C) at times (n,) in seconds, from the beginning again and again.

    Where it begins anew, its last moments fade into its first ones, so that nothing jumps. What comes before
    the first of these passages is the track itself.
    """
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


def named_weights(clip: Performance, names: tuple[str, ...]) -> Tensor:
    """(T, n) weights of a clip by name; those that it lacks stay at rest.

    Raises:
        InputError: it has none of them.
    """
    own = {name: column for column, name in enumerate(clip.weight_names)}
    if clip.weights is None or not own.keys() & set(names):
        raise InputError(f"the clip must have weights named {names[0]} and the like, got none")
    still = clip.weights.new_zeros(clip.frame_count)
    return torch.stack([clip.weights[:, own[name]] if name in own else still for name in names], dim=1)
