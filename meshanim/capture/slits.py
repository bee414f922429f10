"""Shuts the slits that dlib leaves open where eyes and lips are closed.

dlib's lids never meet: on a shut eye they stay about four tenths of the open eye apart; and between closed
lips a pixel or so remains. Taken at its word a fit would never blink, and lips would not close.
"""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim.capture.residuals import LID_PAIRS, LIP_PAIRS, interocular

_SHUT, _OPEN = 0.45, 0.8
"""Of a person's usual opening: where dlib's lids are on a shut eye, and from where on they are right."""
_USUAL = 0.6
"""Quantile of a clip's openings that is the usual one: eyes are open most of the time."""
_LIP_TOUCH, _LIP_RANGE = 0.03, 0.04
"""In inter-ocular distances: the widest slit of lips that touch, and over which range it is made up for."""
_LEAST = 0.02
"""Quantile of a clip's slits between the lips at which they touch, if they ever do."""


def _ramp(opening: Tensor, shut: Tensor, whole: Tensor) -> Tensor:
    """Openings, unchanged from ``whole`` on, straight down to nothing at ``shut``."""
    lowered = whole * ((opening - shut) / (whole - shut).clamp(min=1e-9)).clamp(min=0)
    return torch.where(opening < whole, lowered, opening)


def _narrowed(landmarks: Tensor, pairs: tuple[tuple[int, int], ...], share: Tensor) -> Tensor:
    """Bring the ends of ``pairs`` of landmarks (T, 68, 2) together to a share (T,) of their distance."""
    narrowed = landmarks.clone()
    for upper, lower in pairs:
        middle = (landmarks[:, upper] + landmarks[:, lower]) / 2
        for end in (upper, lower):
            narrowed[:, end] = middle + share[:, None] * (landmarks[:, end] - middle)
    return narrowed


def _openings(landmarks: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    """(T,) mean distance across a slit in pixels, NaN where there are no landmarks."""
    first, second = torch.tensor(pairs).T
    return (landmarks[:, first] - landmarks[:, second]).norm(dim=-1).mean(dim=1)


def shut_slits(landmarks: Tensor) -> Tensor:
    """Landmarks (T, 68, 2) of one clip in pixels, with lids and lips brought together where they are shut."""
    size = interocular(landmarks)
    shut = landmarks
    for pairs in (LID_PAIRS[:2], LID_PAIRS[2:]):
        opening = _openings(landmarks, pairs) / size
        usual = opening.nanquantile(_USUAL)
        share = _ramp(opening, _SHUT * usual, _OPEN * usual) / opening.clamp(min=1e-9)
        shut = _narrowed(shut, pairs, share)
    slit = _openings(landmarks, LIP_PAIRS) / size
    touch = slit.nanquantile(_LEAST)
    if touch < _LIP_TOUCH:
        share = _ramp(slit, touch, touch + _LIP_RANGE) / slit.clamp(min=1e-9)
        shut = _narrowed(shut, LIP_PAIRS, share)
    return shut
