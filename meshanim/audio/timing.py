"""Reading tracks between their frames."""

from __future__ import annotations

from torch import Tensor


def read_linearly(track: Tensor, place: Tensor) -> Tensor:
    """(..., N, C) of a track (..., M, C) at N fractional rows, held before the first and after the last."""
    place = place.clamp(0, track.shape[-2] - 1)
    low = place.floor().long()
    high = (low + 1).clamp(max=track.shape[-2] - 1)
    return track[..., low, :].lerp(track[..., high, :], (place - low).to(track)[:, None])
