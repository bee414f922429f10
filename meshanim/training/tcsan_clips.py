"""Talking clips as TCSAN learns from them: spans of frames with what is heard about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, SPEECH_UNITS, Sound, mfcc_windows
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.facs import action_units_from_arkit, occurring_units
from meshanim.talking_heads.pictures import to_network
from meshanim.talking_heads.tcsan import FRAME_RATE
from meshanim.training.face_frames import FilmedClip
from meshanim.training.lips import LIPS

PITCHES = (0.86, 0.93, 1.07, 1.14)
"""Factors by which a voice is higher or lower, and faster or slower within a window."""
HISS = (1e-5, 5e-3)
"""Amplitudes of the noise that is heard where nobody speaks: least and most."""


class TcsanClip(NamedTuple):
    """A clip of T frames.

    Attributes:
        frames: (T, H, W, 3) uint8.
        voices: (P, T, 12, 28) windows of sound, first as recorded, then in other pitches.
        intensities: (T, 5) of the action units that speech moves, zeros where they are not known.
        labels: (T, 5) 1 where they occur.
        lips: (T, L) captured weights of jaw and mouth, zeros where they are not known.
    """

    frames: Tensor
    voices: Tensor
    intensities: Tensor
    labels: Tensor
    lips: Tensor

    @property
    def windows(self) -> Tensor:
        """(T, 12, 28) of sound as recorded."""
        return self.voices[0]

    @classmethod
    def of(cls, clip: FilmedClip, pitches: Sequence[float] = ()) -> TcsanClip:
        """What is learned from a filmed clip.

        Args:
            clip: at 25 frames/s.
            pitches: such as :data:`PITCHES`, in which it is heard too.

        Raises:
            InputError: its frame rate is not the model's.
        """
        if clip.fps != FRAME_RATE:
            raise InputError(f"clips must have {FRAME_RATE:g} frames/s, got {clip.fps:g} in {clip.name}")
        voices = torch.stack([_in_pitch(clip, pitch) for pitch in (1.0, *pitches)])
        unknown = torch.zeros(len(clip.frames), len(ARKIT_NAMES))
        weights = unknown if clip.weights is None else clip.weights
        return cls(
            clip.frames,
            voices,
            action_units_from_arkit(weights, ARKIT_NAMES, SPEECH_UNITS),
            occurring_units(weights, ARKIT_NAMES, SPEECH_UNITS).float(),
            weights[:, LIPS],
        )

    def silent(self, frame: int) -> TcsanClip:
        """The person keeps still as in one frame, and nothing but faint noise is heard."""
        count = len(self.frames)
        low, high = (torch.tensor(bound).log() for bound in HISS)
        level = torch.exp(low + (high - low) * torch.rand(()))
        noise = Sound(level * torch.randn(round(count / FRAME_RATE * SPEECH_RATE)), SPEECH_RATE)
        tracks = (self.frames, self.intensities, self.labels, self.lips)
        frames, *known = [track[frame].expand_as(track) for track in tracks]
        return TcsanClip(frames, mfcc_windows(noise, FRAME_RATE)[None, :count], *known)


class TcsanBatch(NamedTuple):
    """B clips of which W frames are drawn.

    Attributes:
        identity: (B, 3, H, W) pictures in [-1, 1] of who speaks.
        windows: (B, T, 12, 28) of whole clips, the last repeated where a clip is shorter than another.
        intensities: (B, T, 5).
        span: (B, L) frames of each clip that the fusion sees.
        kept: (B, W) those of the span that are drawn, counted from its beginning.
        truth: (B, W, 3, H, W) what they show, in [-1, 1].
        labels: (B, W, 5).
        speaks: (B,) whether speech is heard.
    """

    identity: Tensor
    windows: Tensor
    intensities: Tensor
    span: Tensor
    kept: Tensor
    truth: Tensor
    labels: Tensor
    speaks: Tensor


def draw_batch(
    clips: Sequence[TcsanClip], window: int, reach: int, silent: float = 0.0, any_reference: float = 0.0
) -> TcsanBatch:
    """A window of each clip at random, with what the fusion looks at before and after it.

    Near a clip's ends there is less, as when the whole clip is drawn. What is random comes from PyTorch's own
    state.

    Args:
        clips: B clips.
        window: W, frames that are drawn of each, or as many as the shortest has.
        reach: frames before and after the window that the fusion sees.
        silent: share of the clips that are silent and still.
        any_reference: share of the clips whose identity picture is any frame, not the first.
    """
    references = [_draw(len(clip.frames)) if float(torch.rand(())) < any_reference else 0 for clip in clips]
    speaks = torch.rand(len(clips)) >= silent
    told = [
        clip if speaking else clip.silent(frame)
        for clip, frame, speaking in zip(clips, references, speaks, strict=True)
    ]
    length = min(len(clip.frames) for clip in told)
    window, seen = min(window, length), min(window + 2 * reach, length)
    starts = torch.tensor([_draw(len(clip.frames) - window + 1) for clip in told])
    latest = torch.tensor([len(clip.frames) - seen for clip in told])
    begins = (starts - reach).clamp(min=0).minimum(latest)
    drawn = starts[:, None] + torch.arange(window)
    longest = torch.arange(max(len(clip.frames) for clip in told))
    rows = [longest.clamp(max=len(clip.frames) - 1) for clip in told]
    pairs = list(zip(told, rows, strict=True))
    return TcsanBatch(
        to_network(torch.stack([clip.frames[at] for clip, at in zip(clips, references, strict=True)])),
        torch.stack([clip.voices[_draw(len(clip.voices))][row] for clip, row in pairs]),
        torch.stack([clip.intensities[row] for clip, row in pairs]),
        begins[:, None] + torch.arange(seen),
        drawn - begins[:, None],
        to_network(torch.stack([clip.frames[row] for clip, row in zip(told, drawn, strict=True)])),
        torch.stack([clip.labels[row] for clip, row in zip(told, drawn, strict=True)]),
        speaks,
    )


def heard_otherwise(windows: Tensor, deviation: Tensor, noise: float) -> Tensor:
    """MFCC windows (B, T, 12, 28) as if from another voice through another channel, and with noise.

    Every coefficient of a clip gets a factor and a shift of its own, every number in a window noise.

    Args:
        windows: of B clips.
        deviation: (12, 1) of the coefficients.
        noise: standard deviation of the shifts and the noise, in ``deviation``; half of it that of the
            factors' logarithms.
    """
    clip = (len(windows), 1, windows.shape[2], 1)
    factor, shift = torch.exp(0.5 * noise * torch.randn(clip)), torch.randn(clip)
    return windows * factor + noise * deviation * (shift + torch.randn(windows.shape))


def _in_pitch(clip: FilmedClip, pitch: float) -> Tensor:
    """(T, 12, 28) windows of a clip as if it were played ``pitch`` times as fast, beside its T frames."""
    sound = Sound(clip.sound.waveform, round(pitch * clip.sound.sample_rate))
    windows = mfcc_windows(sound, clip.fps * sound.sample_rate / clip.sound.sample_rate)
    return windows[torch.arange(len(clip.frames)).clamp(max=len(windows) - 1)]


def _draw(count: int) -> int:
    return int(torch.randint(count, ()))
