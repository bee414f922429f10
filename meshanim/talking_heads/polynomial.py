"""The talking head by polynomial fusion as a renderer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from meshanim._check import check_range
from meshanim.audio import SPEECH_RATE, Sound, resample
from meshanim.mesh import landmark_vertices
from meshanim.performance import Performance
from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.pictures import from_network, to_network
from meshanim.talking_heads.polynomial_config import FRAME_RATE, HEIGHT, WIDTH
from meshanim.talking_heads.polynomial_encoders import NOISE, sound_windows
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.talking_heads.renderer import Renderer
from meshanim.vision import POLYNOMIAL_CROP

_EYES = [[36, 39], [42, 45]]
"""Corners of both eyes among the 68 landmarks."""


class PolynomialRenderer(Renderer):
    """Draws whoever is on a picture as they speak, 128 x 96 pixels at 25 frames a second.

    Mouths follow the sound, lids and brows chance; a model whose third view is the mesh's motion follows that
    too. The head stays as it is in the picture. How frames are cut into chunks is not seen: both recurrent
    networks go on from chunk to chunk, and the picture is looked at once.

    Args:
        model: the network.
        chunk: frames that are drawn at once.
    """

    name: ClassVar[str] = "polynomial"
    fps, chance = FRAME_RATE, True

    def __init__(self, model: PolynomialModel, chunk: int = 8) -> None:
        check_range("chunk", chunk, 1)
        self.model, self.chunk = model.eval(), chunk
        self.needs = frozenset({"audio", "mesh", "landmarks"} if model.config.motion else {"audio"})

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels."""
        return HEIGHT, WIDTH

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """The renderer of a model from a folder, or of a shipped one by its name.

        Raises:
            InputError: no such model, or files that are damaged or do not belong together.
        """
        return cls(PolynomialModel.from_pretrained(name))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the model: ``config.json`` and ``model.safetensors``, whole or not at all."""
        return self.model.save_pretrained(folder)

    @torch.no_grad()
    def _chunks(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator
    ) -> Iterator[Tensor]:
        model = self.model
        waveform = _speech(performance)
        reference = torch.from_numpy(appearance.reference(POLYNOMIAL_CROP))
        identity, shares = model.look(to_network(reference)[None])
        heard_until = moved_until = None
        for start in range(0, performance.frame_count, self.chunk):
            stop = min(start + self.chunk, performance.frame_count)
            heard, heard_until = model.audio_encoder(sound_windows(waveform, start, stop)[None], heard_until)
            noise = torch.randn(1, stop - start, NOISE, generator=generator, dtype=torch.float32)
            tracks, moved_until = model.noise_encoder(noise, moved_until)
            displacements = None
            if model.motion_encoder is not None:
                displacements = landmark_displacements(performance, start, stop)[None]
            yield from_network(model.draw(heard, identity, shares, tracks, displacements)[0])


def _speech(performance: Performance) -> Tensor:
    """(N,) the performance's sound at 16 kHz."""
    assert performance.waveform is not None and performance.sample_rate is not None
    return resample(Sound(performance.waveform, performance.sample_rate), SPEECH_RATE).waveform


def landmark_displacements(performance: Performance, start: int = 0, stop: int | None = None) -> Tensor:
    """(stop - start, 68, 3) of the mesh's landmarks from the neutral, head-local.

    In units of the distance between the eyes, so that no head's size plays a part.
    """
    marks = landmark_vertices(performance.neutral)
    rest = performance.neutral.vertices[marks]
    apart = torch.dist(*rest[torch.tensor(_EYES)].mean(dim=1))
    return (performance.vertices(start, stop)[:, marks] - rest) / apart
