"""Where eyes look: at the listener, past the listener now and then, or as in a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from meshanim._check import check_seed
from meshanim.faces.looks import LOOK_ANGLE, LOOK_UNITS
from meshanim.synthesis.clip_looping import ClipWeights
from meshanim.synthesis.timing import ease, minutes_of

LOOKS: tuple[str, ...] = tuple(f"{look}{side}" for side in ("Left", "Right") for look in LOOK_UNITS)
"""The eight looks: up, down, in, out of the left eye, then of the right one."""
MUTUAL, AWAY = 93.9 / 30, 27.8 / 30
"""Mean seconds for which a speaker's eyes stay on the listener, and away.

Lee, Badler and Badler, "Eyes Alive" (SIGGRAPH 2002), in frames of 1/30 s; drawn from exponential
distributions, whose deviation is their mean, as it nearly is in the paper.
"""
SHRINKAGE, OFFSET = 6.9, 15.7
"""Degrees and percent in the paper's law of how far eyes go: ``-6.9 log(P / 15.7)``, P uniform below 15 %."""
FARTHEST = 10.0
"""Degrees; the paper's speakers turned their heads for more, and here the head moves by itself."""
DIRECTIONS = (15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.80)
"""Percent of saccades to the right and every 45 degrees on from there, anticlockwise (the paper's table)."""
ON_FACE, FIXATION = 1.0, 0.9
"""Degrees of deviation, and mean seconds, of fixations on the listener's face; both ours."""
SLOWEST, PER_DEGREE = 0.025, 0.0024
"""Seconds of a saccade: 25 ms and 2.4 ms for each degree (the paper's, after Becker 1989)."""


@dataclass(frozen=True)
class Gaze:
    """A speaker's eyes: on the listener, with small saccades over the face, and away from time to time.

    What is seen at a moment depends on that moment alone, as with :class:`meshanim.synthesis.Blinks`.

    Args:
        seed: of the random numbers.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def fixations(self, until: float) -> tuple[Tensor, Tensor]:
        """Seconds (N,) at which eyes set out, up to a moment, and where to: (N, 2) degrees left and up."""
        draws = np.random.default_rng(self.seed)
        moment, turn, moments, places = 0.0, True, [], []
        while moment <= until:
            stay = moment + draws.exponential(MUTUAL if turn else AWAY)
            while turn and moment <= min(stay, until):
                moments.append(moment)
                places.append(draws.normal(0, ON_FACE, 2))
                moment += 2 * SLOWEST + draws.exponential(FIXATION)
            if not turn:
                moments.append(moment)
                places.append(_aversion(draws))
            moment, turn = max(stay, moments[-1] + 4 * SLOWEST), not turn
        return torch.tensor(moments, dtype=torch.float64), torch.from_numpy(np.stack(places))

    def angles(self, times: Tensor) -> Tensor:
        """Degrees (n, 2) to the character's left and up at times (n,) in seconds."""
        moments, places = _by_minutes(self, minutes_of(times))
        latest = (torch.searchsorted(moments, times.double(), right=True) - 1).clamp(min=0)
        here, before = places[latest], places[(latest - 1).clamp(min=0)]
        lasting = SLOWEST + PER_DEGREE * (here - before).norm(dim=1)
        share = ease((times - moments[latest]) / lasting)
        return torch.lerp(before, here, share[:, None]).float()

    def weights(self, times: Tensor) -> Tensor:
        """Weights (n, 8) of :data:`LOOKS` at times (n,) in seconds; both eyes look the same way."""
        left, up = torch.deg2rad(self.angles(times)).div(LOOK_ANGLE).unbind(1)
        eyes = [torch.stack([up, -up, -out, out], dim=1) for out in (left, -left)]
        return torch.cat(eyes, dim=1).clamp(0, 1)


@lru_cache(maxsize=8)
def _by_minutes(gaze: Gaze, minutes: int) -> tuple[Tensor, Tensor]:
    """Fixations of whole minutes, drawn once for all stretches of frames in the last one."""
    return gaze.fixations(60.0 * minutes)


def _aversion(draws: np.random.Generator) -> np.ndarray:
    """Degrees (2,) left and up of one look away."""
    far = min(-SHRINKAGE * math.log(max(draws.uniform(0, 15), 1e-3) / OFFSET), FARTHEST)
    towards = math.radians(45 * draws.choice(8, p=np.array(DIRECTIONS) / sum(DIRECTIONS)))
    return far * np.array([-math.cos(towards), math.sin(towards)])


class ClipGaze(ClipWeights):
    """The looks that were seen in a clip, again and again; see :class:`ClipWeights`."""

    names = LOOKS


def gaze_directions(looks: Tensor) -> Tensor:
    """Unit directions (n, 2, 3) of left and right eye, head-local, of weights (n, 8) of :data:`LOOKS`."""
    up, down, inward, outward = looks.view(-1, 2, 4).unbind(2)
    left = LOOK_ANGLE * (outward - inward) * torch.tensor([1.0, -1.0])
    rise = LOOK_ANGLE * (up - down)
    return torch.stack([left.sin() * rise.cos(), rise.sin(), left.cos() * rise.cos()], dim=2)
