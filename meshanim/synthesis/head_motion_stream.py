"""Head motion while the sound still comes in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_range, check_shape
from meshanim.audio import SPEECH_RATE, frames_beside
from meshanim.audio.sound import check_samples
from meshanim.synthesis.timing import GrowingTrack, read_motion_smoothly

if TYPE_CHECKING:
    from meshanim.synthesis.head_motion import HeadMotionModel

AT_ONCE = 250
"""Frames that are heard at once: ten seconds."""
FRAME_RATE = 25
"""Frames per second at which the network runs."""
_FRAME = SPEECH_RATE // FRAME_RATE
_AHEAD = 2
"""Of the model's own frames, those after a moment that its curve runs through."""


class HeadMotionStream:
    """One voice, as far as it has been heard.

    The model's own frames are heard as soon as the sound that they depend on is there; frames at the wanted
    rate are read on a smooth curve through four of them. Of both no more is kept than what follows can
    depend on.

    Args:
        model: which moves.
        style: (S,) in which.
        fps: frames per second of the result.
    """

    def __init__(self, model: HeadMotionModel, style: Tensor, fps: float) -> None:
        check_range("fps", fps, 0, open_low=True)
        self.model, self.fps = model, fps
        self._style = style[None]
        self._sound = style.new_zeros(model.context)  # from the context of frame self._heard on
        self._track = GrowingTrack(style.new_zeros(0, 6), FRAME_RATE, fps, read_motion_smoothly)
        self._samples = self._heard = 0

    def push(self, waveform: Tensor) -> Tensor:
        """Hear more of the voice, (n,) at 16 kHz; gives the head motion (m, 6) that is settled now.

        Raises:
            InputError: not one channel, or a sample that is not finite.
        """
        check_shape("waveform", waveform, (None,))
        check_samples("waveform", waveform)
        self._samples += len(waveform)
        self._sound = torch.cat([self._sound, waveform.to(self._sound)])
        reach = self.model.context - _FRAME // 2
        self._hear((self._samples - reach) // _FRAME)
        return self._track.settled()

    def finish(self) -> Tensor:
        """The head motion (m, 6) that is left; after the end is silence."""
        count = frames_beside(self._samples, self.fps)
        frames = math.floor((count - 1) * FRAME_RATE / self.fps) + 1 + _AHEAD
        missing = self.model.samples(frames - self._heard) - len(self._sound)
        self._sound = functional.pad(self._sound, (0, max(0, missing)))
        self._hear(frames)
        return self._track.until(count)

    @torch.no_grad()
    def _hear(self, stop: int) -> None:
        """Go on to the model's own frame ``stop``, which is not heard itself."""
        start = 0
        while self._heard < stop:
            count = min(AT_ONCE, stop - self._heard)
            heard = self._sound[start : start + self.model.samples(count)]
            features = self.model.describe(self.model.spectra(heard)[None])
            self._track.add(self.model.move(features, self._style)[0])
            self._heard, start = self._heard + count, start + count * _FRAME
        self._sound = self._sound[start:].clone()
