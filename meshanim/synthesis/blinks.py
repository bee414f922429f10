"""When lids close, and how: spontaneous blinks, or those of a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from meshanim._check import check_range, check_seed
from meshanim.synthesis.clip_looping import ClipWeights
from meshanim.synthesis.timing import ease, minutes_of

REST_RATE, TALKING_RATE = 0.28, 0.43
"""Blinks a second of people at rest (17 a minute) and in conversation (26): Bentivoglio et al., "Analysis of
blink rate patterns in normal subjects" (Movement Disorders 1997)."""
CLOSING, CLOSED, OPENING = 0.066, 0.008, 0.130
"""Seconds of the phases of a mean blink.

Lids of spontaneous blinks come down in 66 ms and stay for 8 ms, by the ratios to voluntary ones in "Kinematic
comparison of spontaneously generated blinks and voluntary blinks in normal adult subjects"; they go up at
about half the speed (Sforza et al., Ophthalmic and Physiological Optics 2008), which together makes the 0.2 s
of alert people (Caffier et al., European Journal of Applied Physiology 2003).
"""
INTERVAL_SPREAD, DURATION_SPREAD = 0.7, 0.2
"""Standard deviation of the logarithm of intervals, which are log-normal (Borges, Garcia and Cruz, Arquivos
Brasileiros de Oftalmologia 2010), and of durations; both numbers are ours."""
LEAST_INTERVAL = 0.5
"""Seconds from one blink's onset to the next, so that each ends before the next begins."""
EYES = ("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True)
class Blinks:
    """Spontaneous blinks: a renewal process of log-normal intervals, the same for the same seed.

    What is seen at a moment depends on that moment alone, so that any frame rate, and any stretch of frames
    at a time, shows the same blinks.

    Args:
        rate: blinks a second.
        seed: of the random numbers.
    """

    rate: float = REST_RATE
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("blink rate", self.rate, 0, 1, open_low=True)
        check_seed(self.seed)

    def onsets(self, until: float) -> tuple[Tensor, Tensor]:
        """Seconds (B,) at which blinks begin, up to a moment, and how much slower (B,) than usual each is."""
        draws = np.random.default_rng(self.seed)
        # the mean of what exceeds the least interval, so that the rate comes out as asked for
        middle = math.log(1 / self.rate - LEAST_INTERVAL) - INTERVAL_SPREAD**2 / 2
        moment, found = draws.uniform(0, 1 / self.rate), []
        while moment <= until:
            found.append((moment, draws.lognormal(-(DURATION_SPREAD**2) / 2, DURATION_SPREAD)))
            moment += LEAST_INTERVAL + draws.lognormal(middle, INTERVAL_SPREAD)
        moments, slowness = torch.tensor(found, dtype=torch.float64).view(-1, 2).T.contiguous()
        return moments, slowness

    def weights(self, times: Tensor) -> Tensor:
        """Closure (n, 2) in [0, 1] of left and right eye at times (n,) in seconds."""
        onsets, slowness = _by_minutes(self, minutes_of(times))
        if not len(onsets):
            return torch.zeros(len(times), 2)
        latest = torch.searchsorted(onsets, times.double(), right=True) - 1
        since = (times - onsets[latest]) / slowness[latest]
        closed = torch.where(latest >= 0, _lid(since), 0.0)
        return closed.float()[:, None].expand(-1, 2)


@lru_cache(maxsize=8)
def _by_minutes(blinks: Blinks, minutes: int) -> tuple[Tensor, Tensor]:
    """Onsets of whole minutes, drawn once for all stretches of frames in the last one."""
    return blinks.onsets(60.0 * minutes)


def _lid(since: Tensor) -> Tensor:
    """Closure at seconds (n,) since the onset of a mean blink: down fast, up slowly."""
    return torch.minimum(ease(since / CLOSING), 1 - ease((since - CLOSING - CLOSED) / OPENING))


class ClipBlinks(ClipWeights):
    """The blinks that were seen in a clip, again and again; see :class:`ClipWeights`."""

    names = EYES
