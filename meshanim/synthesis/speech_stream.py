"""Expressions while the sound still comes in."""

from __future__ import annotations

from torch import Tensor

from meshanim._check import check_range, check_shape
from meshanim.audio import SPEECH_RATE, frames_beside
from meshanim.audio.sound import check_samples
from meshanim.synthesis.speech_encoding import Hearing
from meshanim.synthesis.speech_memory import joined
from meshanim.synthesis.speech_network import SpeechNetwork, SpeechState
from meshanim.synthesis.timing import GrowingTrack

AT_ONCE = 10 * SPEECH_RATE
"""Samples that are heard at once."""


class SpeechStream:
    """One voice, as far as it has been heard.

    Frames at another rate than the model's are read on a smooth curve through four of the model's own. No
    more is kept than what follows depends on.

    Args:
        model: in evaluation mode.
        hearing: gives the model's encoder's features.
        identity: (I,) of who speaks.
        fps: frames per second of the result.
        recalling: gives what the model's memory says of the same frames.
    """

    def __init__(
        self,
        model: SpeechNetwork,
        hearing: Hearing,
        identity: Tensor,
        fps: float,
        recalling: Hearing | None = None,
    ) -> None:
        check_range("fps", fps, 0, open_low=True)
        self.model, self.hearing, self.recalling, self.fps = model, hearing, recalling, fps
        self._style, self._habit = model.styled(identity[None]), model.habit(identity[None])
        self._state: SpeechState | None = None
        none = self._style.new_zeros(0, model.config.expression_size)
        self._track = GrowingTrack(none, model.config.frame_rate, fps)
        self._samples = 0

    def push(self, waveform: Tensor) -> Tensor:
        """Hear more of the voice: (n,) at 16 kHz; gives the expressions (m, E) that are settled now."""
        check_shape("waveform", waveform, (None,))
        check_samples("waveform", waveform)
        self._samples += len(waveform)
        for part in waveform.to(self._style).split(AT_ONCE):
            recalled = self.recalling.push(part[None]) if self.recalling else None
            self._say(self.hearing.push(part[None]), recalled)
        return self._track.settled()

    def finish(self) -> Tensor:
        """The expressions (m, E) that are left; after the end is silence."""
        self._say(self.hearing.finish(), self.recalling.finish() if self.recalling else None)
        return self._track.until(frames_beside(self._samples, self.fps))

    def _say(self, features: Tensor, recalled: Tensor | None) -> None:
        if features.shape[1]:
            heard = self.model.project(features)
            said, self._state = self.model.roll(heard, self._style, self._state)
            said = said if recalled is None else joined(said, recalled)
            self._track.add(said[0] + self._habit)
