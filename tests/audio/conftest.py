"""Sounds made for the tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from meshanim.audio import SPEECH_RATE, Sound


@pytest.fixture
def tone() -> Callable[..., Sound]:
    """A sine of any frequency."""

    def make(hertz: float, seconds: float = 1.0, rate: int = SPEECH_RATE, level: float = 0.5) -> Sound:
        moments = np.arange(round(seconds * rate)) / rate
        return Sound(torch.from_numpy((level * np.sin(2 * np.pi * hertz * moments)).astype(np.float32)), rate)

    return make


@pytest.fixture
def babble() -> Sound:
    """Two seconds of noise whose loudness and colour change, as those of speech do."""
    generator = torch.Generator().manual_seed(3)
    white = torch.randn(2 * SPEECH_RATE, generator=generator)
    envelope = torch.rand(1, 1, 20, generator=generator)
    loud = torch.nn.functional.interpolate(envelope, len(white), mode="linear")[0, 0]
    coloured = white + torch.cat([white.new_zeros(7), white[:-7]])
    return Sound(0.1 * loud * coloured, SPEECH_RATE)
