"""Sound to features, at once or while it comes in, whichever encoder hears it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.audio import SPEECH_RATE, frames_beside
from meshanim.audio.wav2vec2 import LARGE, Wav2Vec2Encoder
from meshanim.synthesis.speech_config import SpeechConfig


class Hearing(Protocol):
    """Sound in pieces in, features of the frames that are settled out."""

    def push(self, waveform: Tensor) -> Tensor:
        """Features (1, t, C) that the next samples (1, n) settle."""

    def finish(self) -> Tensor:
        """Features (1, t, C) of the frames that are left; after the end is silence."""


def paper_encoder(config: SpeechConfig) -> Wav2Vec2Encoder:
    """The untrained transformer of a configuration, with the proportions of the published large model."""
    sizes = {
        "hidden_size": config.encoder_width,
        "num_hidden_layers": config.encoder_layers,
        "num_attention_heads": config.encoder_heads,
        "intermediate_size": LARGE["intermediate_size"] * config.encoder_width // LARGE["hidden_size"],
    }
    return Wav2Vec2Encoder.from_settings(**{**LARGE, **sizes})


class OverlappingHearing:
    """wav2vec 2.0 on sound without an end: windows of some seconds that overlap.

    Of every window only the middle is answered for; the frames on both sides are heard for their context, and
    answered by the neighbours. The transformer attends to a whole file and the sound's level is measured over
    all of it, so that a stream is near the whole and not the same: see
    :meth:`meshanim.synthesis.SpeechModel.stream`.

    Args:
        encoder: in evaluation mode.
        fps: frames per second.
        answered: frames that a window answers for; ten seconds.
        context: frames on each side; two seconds.
    """

    def __init__(self, encoder: Wav2Vec2Encoder, fps: float, answered: int = 250, context: int = 50) -> None:
        self.encoder, self.fps, self.answered, self.context = encoder, fps, answered, context
        self._sound = torch.zeros(1, 0)  # from the context of frame self._frames on, or from the beginning
        self._samples = self._frames = 0

    def _sample(self, frame: int) -> int:
        return round(frame * SPEECH_RATE / self.fps)

    def push(self, waveform: Tensor) -> Tensor:
        """Features (1, t, C) of windows that are whole with the next samples (1, n)."""
        self._sound = torch.cat([self._sound.to(waveform), waveform], dim=1)
        self._samples += waveform.shape[1]
        heard = [waveform.new_zeros(1, 0, self.encoder.width)]
        while self._samples >= self._sample(self._frames + self.answered + self.context):
            heard.append(self._answer(self._frames + self.answered, self.context))
        return torch.cat(heard, dim=1)

    def finish(self) -> Tensor:
        """Features (1, t, C) of the frames that are left."""
        return self._answer(frames_beside(self._samples, self.fps), 0)

    def _answer(self, stop: int, after: int) -> Tensor:
        """Frames up to ``stop``, with ``after`` frames of context behind them."""
        first = max(0, self._frames - self.context)
        end = self._sample(stop + after) - self._sample(first)
        missing = max(0, end - self._sound.shape[1])
        near = functional.pad(self._sound, (0, missing))[:, :end]
        heard = self.encoder(near, self.fps)[:, self._frames - first : stop - first]
        kept = max(0, stop - self.context)
        self._sound = self._sound[:, self._sample(kept) - self._sample(first) :].clone()
        self._frames = stop
        return heard
