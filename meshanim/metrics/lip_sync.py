"""Whether lips and voice go together, by a network that judges both."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape

REACH = 15
"""Frames to either side within which an offset is sought, as SyncNet's protocol has it at 25 fps."""


class AVOffset(NamedTuple):
    """Frames by which the picture comes late, early below 0; and how sure that is, in units of the distance.

    ``confidence`` is the median of the mean distances at all offsets less the least of them.
    """

    frames: int
    confidence: float


def av_offset(seen: Tensor, heard: Tensor, reach: int = REACH) -> AVOffset:
    """Offset between picture and sound, after SyncNet's protocol (Chung and Zisserman 2016, section 4.1).

    Of all offsets within ``reach``, the one at which the Euclidean distance of ``seen[t + offset]`` from
    ``heard[t]`` is least in mean over the windows that both have. Nothing is padded. Figures of one network
    do not compare with those of another: name it beside them.

    Args:
        seen: (N, D) features of the lips in N windows of frames, such as those of
            :class:`meshanim.vision.LipSyncNetwork`.
        heard: (N, D) features of the sound of the same windows.
        reach: largest offset in frames, at most half the windows.

    Raises:
        InputError: different shapes, ``reach`` too far, a value that is not finite.
    """
    check_shape("seen", seen, (None, None))
    check_shape("heard", heard, tuple(seen.shape))
    for name, track in (("seen", seen), ("heard", heard)):
        check_finite(name, track)
    count = len(seen)
    if count == 0:
        raise InputError("seen must have at least one window, got none")
    check_range("reach", reach, 0, count // 2)
    apart = torch.cdist(seen.double(), heard.double())
    means = torch.stack([apart.diagonal(-offset).mean() for offset in range(-reach, reach + 1)])
    least = int(means.argmin())
    return AVOffset(least - reach, float(means.quantile(0.5) - means[least]))
