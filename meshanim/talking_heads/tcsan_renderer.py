"""TCSAN as a renderer: from one picture of a person, speech, and action units heard or of the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.audio import SPEECH_UNITS, Sound, stream_mfcc_windows
from meshanim.performance import Performance
from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.pictures import from_network, to_network
from meshanim.talking_heads.renderer import Renderer
from meshanim.talking_heads.tcsan import FRAME_RATE, TcsanModel
from meshanim.vision import TCSAN_CROP

CHUNK = 8
"""Frames that are drawn at once."""


class TcsanRenderer(Renderer):
    """Draws a person's face as it speaks what a performance says, 112 x 112 at 25 frames/s.

    The first reference frame is the identity picture. Frames come later than sound by the fusion's look
    ahead, seven frames for three layers of convolution.

    Args:
        model: trained.
    """

    name: ClassVar[str] = "tcsan"
    fps = FRAME_RATE

    def __init__(self, model: TcsanModel) -> None:
        self.model = model.eval()
        self.needs = frozenset({"audio", "action_units"} if model.config.units == "mesh" else {"audio"})

    @property
    def size(self) -> tuple[int, int]:
        """(112, 112)."""
        return TCSAN_CROP.size

    @torch.no_grad()
    def _chunks(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator
    ) -> Iterator[Tensor]:
        picture = to_network(torch.from_numpy(appearance.reference(TCSAN_CROP)))[None]
        windows = (chunk[None] for chunk in heard(performance))
        known = None
        if "action_units" in self.needs:
            known = _intensities(performance)[None].split(CHUNK, dim=1)
        for frames in self.model.stream(picture, windows, known):
            yield from_network(frames[0])

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the model's folder."""
        return self.model.save_pretrained(folder)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """A renderer by the name of its model, or from a folder.

        Raises:
            InputError: neither is there, or the folder holds something else.
        """
        return cls(TcsanModel.from_pretrained(name))


def heard(performance: Performance) -> Iterator[Tensor]:
    """MFCC windows (n, 12, 28) beside successive frames; the performance's sound is as long as they are."""
    assert performance.waveform is not None and performance.sample_rate is not None
    sound = Sound(performance.waveform, performance.sample_rate)
    return stream_mfcc_windows(sound, performance.fps, CHUNK)


def _intensities(performance: Performance) -> Tensor:
    units = performance.action_units
    assert units is not None
    if units.shape[1] != len(SPEECH_UNITS):
        names = ", ".join(map(str, SPEECH_UNITS))
        raise InputError(
            f"action units must be {names}, {len(SPEECH_UNITS)} of them, to be rendered by tcsan, "
            f"got {units.shape[1]}"
        )
    return units.clamp(0, 1)
