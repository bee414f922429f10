"""What faces do by themselves, such as blinks: measured, and a GRU that learns to do it from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from meshanim._check import InputError, check_shape
from meshanim.metrics import find_blinks
from meshanim.talking_heads.polynomial_encoders import NOISE

LENGTH = 16
"""Frames of a blink, from the one before it begins."""
_APART = 5
"""Frames from one blink's onset to the next at least."""
_CLOSING = 2
"""Frames from there to where lids are shut farthest."""
_DEPTH = 0.1
"""Deviation of how deep blinks are, as a share."""
_STEADIEST = 0.97
"""Largest share of itself that a track at rest keeps from frame to frame."""
_LEAST_SPREAD = 0.02
_RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class SpontaneousMotion:
    """Tracks of eyes and brows as a process that noise drives: at rest they drift, and blinks come on top.

    In units of the tracks' spreads. Blinks begin where one Gaussian number of a frame exceeds a threshold,
    all alike but in depth; drift is a first-order autoregression. So a recurrent network can learn, by least
    squares, what a sequence of noise comes to: a way to blinks that needs no game of two networks.

    Attributes:
        mean: (n,) of the tracks, in units of the weights.
        spread: (n,) standard deviations.
        rate: blinks begun in a frame.
        blink: (16, n) the mean blink, as it departs from what was before.
        level: (n,) at rest.
        keeps: (n, n) matrix of the drift.
        stirs: (n, n) what a frame's noise adds to it.
    """

    mean: Tensor
    spread: Tensor
    rate: float
    blink: Tensor
    level: Tensor
    keeps: Tensor
    stirs: Tensor

    @classmethod
    def measure(cls, tracks: Sequence[Tensor], fps: float) -> Self:
        """The process that fits captured tracks best.

        Args:
            tracks: (T, n) weights of each clip, the first two those of the lids' closing.
            fps: frames per second.

        Raises:
            InputError: no blink in any of the tracks, or no rest.
        """
        whole = torch.cat(list(tracks))
        check_shape("tracks", whole, (None, None))
        mean, spread = whole.mean(dim=0), whole.std(dim=0).clamp(min=_LEAST_SPREAD)
        onsets, resting, blinks = 0, [], []
        for track in tracks:
            begins = _begins(track[:, :2].mean(dim=1), fps)
            normal, free = (track - mean) / spread, torch.ones(len(track), dtype=torch.bool)
            for begin, until in pairwise([*begins, len(track)]):
                seen = normal[begin : min(until, begin + LENGTH)] - normal[begin]
                blinks.append(torch.cat([seen, seen.new_full((LENGTH - len(seen), len(mean)), torch.nan)]))
                free[begin : begin + LENGTH] = False
            pairs = free[1:] & free[:-1]
            resting.append(torch.stack([normal[:-1][pairs], normal[1:][pairs]]))
            onsets += len(begins)
        before, after = torch.cat(resting, dim=1)
        if not blinks or len(after) <= len(mean):
            raise InputError(f"tracks must show blinks and rest, got {onsets} and {len(after)} frames")
        level = after.mean(dim=0)
        keeps, stirs = _autoregression(before - level, after - level)
        blink = torch.stack(blinks).nanmean(dim=0).nan_to_num()
        return cls(mean, spread, onsets / len(whole), blink, level, keeps, stirs)

    def play(self, noise: Tensor) -> Tensor:
        """Tracks (B, T, n), in units of their spreads, that noise (B, T, 16) comes to."""
        check_shape("noise", noise, (None, None, NOISE))
        size = len(self.level)
        starts = self._starts(noise[..., -1]) * (1 + _DEPTH * noise[..., -2])
        state, drift = noise.new_zeros(len(noise), size), []
        for stirred in (noise[..., :size] @ self.stirs.T).unbind(1):
            state = state @ self.keeps.T + stirred
            drift.append(state)
        blinks = torch.zeros_like(torch.stack(drift, dim=1))
        for frame in range(min(LENGTH, noise.shape[1])):
            blinks[:, frame:] += starts[:, : noise.shape[1] - frame, None] * self.blink[frame]
        return self.level + torch.stack(drift, dim=1) + blinks

    def _starts(self, noise: Tensor) -> Tensor:
        """(B, T) ones where blinks begin: noise beyond a threshold, none of which follows another closely."""
        odds = torch.tensor(self.rate / (1 - _APART * self.rate), dtype=torch.float64)
        threshold = torch.special.ndtri(1 - odds).to(noise)
        wait, starts = noise.new_zeros(len(noise)), []
        for exceeds in (noise > threshold).unbind(1):
            begins = exceeds & (wait <= 0)
            wait = torch.where(begins, float(_APART), wait - 1)
            starts.append(begins)
        return torch.stack(starts, dim=1).to(noise)


def _begins(closure: Tensor, fps: float) -> list[int]:
    """Frames before blinks begin, so that all are shut farthest at the same frame after it."""
    begun = [begin for begin, _ in find_blinks(closure, fps).spans if begin > 0]
    peaks = [begin + int(closure[begin : begin + _APART - 1].argmax()) for begin in begun]
    return sorted({max(0, peak - _CLOSING) for peak in peaks})


def _autoregression(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (n, n) of the first-order process that takes ``before`` (N, n) to ``after`` likeliest."""
    ridge = _RIDGE * len(before) * torch.eye(before.shape[1])
    keeps = torch.linalg.solve(before.T @ before + ridge, before.T @ after).T
    radius = float(torch.linalg.eigvals(keeps).abs().max())
    keeps = keeps * min(1.0, _STEADIEST / radius)
    left = after - before @ keeps.T
    return keeps, torch.linalg.cholesky(left.T @ left / len(left) + 1e-6 * torch.eye(len(keeps)))
