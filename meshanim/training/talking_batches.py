"""Stretches of talking clips, side by side, as the talking head by polynomial fusion learns from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE
from meshanim.datasets import TalkingClip
from meshanim.faces import ARKIT_NAMES
from meshanim.talking_heads.pictures import to_network
from meshanim.talking_heads.polynomial_config import FRAME_RATE
from meshanim.talking_heads.polynomial_encoders import sound_windows
from meshanim.talking_heads.polynomial_model import SPONTANEOUS
from meshanim.training.voices import Voices

BEFORE = 16
"""Frames of sound at most that are heard before a stretch begins."""
_BLANK = 2.0
"""Standard deviation of a frame's grey levels up to which it shows nothing, as where decoding failed."""
_TRACKS = [ARKIT_NAMES.index(name) for name in SPONTANEOUS]

Displace = Callable[[TalkingClip], Tensor]
"""Gives displacements (T, 68, 3) of a mesh's landmarks in units of the distance between the eyes."""


@dataclass(frozen=True, eq=False)
class SeenClip:
    """A clip from its first frame on that shows something.

    Attributes:
        frames: (T, 128, 96, 3) uint8; the first one is the reference.
        waveform: (N,) at 16 kHz.
        weights: (T, 52) of the captured face.
        displacements: (T, 68, 3) of its landmarks, where they are asked for.
    """

    frames: Tensor
    waveform: Tensor
    weights: Tensor
    displacements: Tensor | None = None

    @classmethod
    def of(cls, clip: TalkingClip, displace: Displace | None = None) -> SeenClip:
        """What there is to learn from a clip.

        Raises:
            InputError: another frame rate than 25, sound at another than 16 kHz, no captured weights, or no
                frame that shows anything.
        """
        if clip.fps != FRAME_RATE:
            raise InputError(f"clips must have {FRAME_RATE:g} fps, got {clip.name} with {clip.fps:g}")
        if clip.sound.sample_rate != SPEECH_RATE:
            rate = clip.sound.sample_rate
            raise InputError(f"clips must have {SPEECH_RATE} samples/s, got {clip.name} with {rate}")
        if clip.weights is None:
            raise InputError(f"clips must come with captured weights, got {clip.name} without")
        shown = (clip.frames.flatten(1).float().std(dim=1) > _BLANK).nonzero().flatten()
        if len(shown) == 0:
            raise InputError(f"clips must show a face, got {clip.name}, which is blank")
        first = int(shown[0])
        moved = None if displace is None else displace(clip)[first:]
        waveform = clip.sound.waveform[round(first * SPEECH_RATE / clip.fps) :]
        return cls(clip.frames[first:], waveform, clip.weights[first:], moved)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def tracks(self) -> Tensor:
        """(T, 10) what the face does by itself."""
        return self.weights[:, _TRACKS]


class TalkingBatch(NamedTuple):
    """B stretches of T frames, and the sound before them.

    Attributes:
        reference: (B, 3, 128, 96) in [-1, 1].
        frames: (B, T, 3, 128, 96).
        windows: (B, before + T, 3200).
        tracks: (B, T, 10) in units of the weights.
        displacements: (B, T, 68, 3), where they are known.
        still_tracks: (B, 1, 10) of the reference.
        still_displacements: (B, 1, 68, 3) of the reference, where they are known.
    """

    reference: Tensor
    frames: Tensor
    windows: Tensor
    tracks: Tensor
    still_tracks: Tensor
    displacements: Tensor | None = None
    still_displacements: Tensor | None = None

    @property
    def heard_frames(self) -> Tensor:
        """(B, T, 3200) the sound of the frames themselves."""
        return self.windows[:, -self.frames.shape[1] :]

    @classmethod
    def cut(
        cls,
        clips: Sequence[SeenClip],
        start: int,
        count: int,
        before: int = BEFORE,
        voices: Voices | None = None,
    ) -> TalkingBatch:
        """Frames ``start`` to ``start + count`` of all clips, and up to ``before`` frames of sound more."""
        stop, heard = start + count, max(0, start - before)
        waveforms = [clip.waveform for clip in clips]
        if voices is None:
            windows = torch.stack([sound_windows(each, heard, stop) for each in waveforms])
        else:
            windows = voices.windows(waveforms, heard, stop)
        tracks = torch.stack([torch.cat([clip.tracks[:1], clip.tracks[start:stop]]) for clip in clips])
        batch = cls(
            to_network(torch.stack([clip.frames[0] for clip in clips])),
            to_network(torch.stack([clip.frames[start:stop] for clip in clips])),
            windows,
            tracks[:, 1:],
            tracks[:, :1],
        )
        moved = [clip.displacements for clip in clips if clip.displacements is not None]
        if not moved:
            return batch
        still = torch.stack([each[:1] for each in moved])
        return batch._replace(
            displacements=torch.stack([each[start:stop] for each in moved]), still_displacements=still
        )

    @classmethod
    def draw(cls, clips: Sequence[SeenClip], count: int, voices: Voices | None = None) -> TalkingBatch:
        """A stretch of ``count`` frames at random, the same of all clips, heard in other ``voices``."""
        last = min(map(len, clips)) - count
        if last < 0:
            raise InputError(f"clips must have at least {count} frames, got {last + count}")
        return cls.cut(clips, int(torch.randint(last + 1, ())), count, voices=voices)

    def silenced(self, share: float) -> TalkingBatch:
        """A share of the stretches, at random, as silence: nothing is heard, and the reference stays."""
        mute = torch.rand(len(self.frames)) < share

        def muted(sounding: Tensor, silent: Tensor) -> Tensor:
            return torch.where(mute.view(-1, *[1] * (sounding.ndim - 1)), silent, sounding)

        batch = self._replace(
            frames=muted(self.frames, self.reference[:, None]),
            windows=muted(self.windows, torch.zeros(())),
            tracks=muted(self.tracks, self.still_tracks),
        )
        if self.displacements is None or self.still_displacements is None:
            return batch
        return batch._replace(displacements=muted(self.displacements, self.still_displacements))

    def to(self, device: torch.device) -> TalkingBatch:
        """The batch on a device."""
        moved = {name: part.to(device) for name, part in self._asdict().items() if part is not None}
        return self._replace(**moved)
