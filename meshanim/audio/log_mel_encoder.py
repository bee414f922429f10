"""A small listener that is trained here and hears a fixed time ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range, check_shape
from meshanim.audio.features import MEL_BANDS
from meshanim.audio.sound import SPEECH_RATE
from meshanim.audio.spectra import WINDOW, log_energies

STEPS_PER_FRAME = 4
"""Mel spectra of a frame: two convolutions halve their number."""
_KERNEL = 5
_LEVEL, _SPREAD = -9.0, 5.0
"""About the mean and twice the deviation of speech's log energies; silence is at -18.4."""


class _ResidualBlock(nn.Module):
    """A convolution over three frames, ``dilation`` apart: one on each side, or two behind.

    No frame is made up at the ends: the output is 2 * dilation frames shorter than the input.
    """

    def __init__(self, width: int, dilation: int, ahead: bool) -> None:
        super().__init__()
        self.dilation, self.ahead = dilation, ahead
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, dilation=dilation)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T - 2 * dilation, C)."""
        behind = self.dilation if self.ahead else 2 * self.dilation
        kept = x[:, behind : x.shape[1] - 2 * self.dilation + behind]
        return kept + self.mix(functional.gelu(self.conv(self.norm(x).mT).mT))

    def extra_repr(self) -> str:
        """Where it looks."""
        return f"dilation={self.dilation}, ahead={self.ahead}"


class LogMelEncoder(nn.Module):
    """Speech to features at a steady frame rate, by convolutions over its log-mel spectrum.

    Frame t is seen at t / fps seconds and hears from :attr:`left_context` before to :attr:`look_ahead` after
    that moment, nothing else: silence stands before the sound and after it, so features of a piece that
    reaches that far are those of the whole. :class:`EncoderStream` rests on this.

    Args:
        width: C, features of a frame.
        fps: frames per second; a frame must be a multiple of four samples at 16 kHz.
        bands: of the mel spectrum.
        ahead: dilations, in frames, of the blocks that look to both sides.
        behind: dilations of the blocks after them, which only look back.

    Shapes:
        waveform (B, N) at 16 kHz; features (B, T, C), T as :meth:`meshanim.audio.Sound.frame_count` has it.
    """

    def __init__(
        self,
        width: int = 128,
        fps: float = 25.0,
        bands: int = MEL_BANDS,
        ahead: Sequence[int] = (1, 2),
        behind: Sequence[int] = (1, 2, 4),
    ) -> None:
        super().__init__()
        check_range("fps", fps, 0, open_low=True)
        hop = SPEECH_RATE / (fps * STEPS_PER_FRAME)
        if hop != int(hop):
            raise InputError(
                f"fps must make a frame a multiple of {STEPS_PER_FRAME} samples at 16 kHz, got {fps:g}"
            )
        self.width, self.fps, self.bands, self.hop = width, fps, bands, int(hop)
        self.narrow = nn.ModuleList([nn.Conv1d(size, width, _KERNEL, stride=2) for size in (bands, width)])
        self.blocks = nn.ModuleList(
            [_ResidualBlock(width, dilation, True) for dilation in ahead]
            + [_ResidualBlock(width, dilation, False) for dilation in behind]
        )
        self.norm = nn.LayerNorm(width)
        # half a kernel of the first convolution, in steps, and of the second, whose steps are twice as long
        sides = (_KERNEL // 2) * 3 * self.hop + WINDOW // 2
        self.frame_samples = STEPS_PER_FRAME * self.hop
        self.samples_before = sides + self.frame_samples * (sum(ahead) + 2 * sum(behind))
        self.samples_after = sides + self.frame_samples * sum(ahead)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.norm.weight.device

    @property
    def left_context(self) -> float:
        """Seconds before its moment that a frame hears."""
        return self.samples_before / SPEECH_RATE

    @property
    def look_ahead(self) -> float:
        """Seconds after its moment that a frame hears."""
        return self.samples_after / SPEECH_RATE

    def forward(self, waveform: Tensor) -> Tensor:
        """Features (B, T, C) of whole sounds (B, N)."""
        check_shape("waveform", waveform, (None, None))
        count = max(1, round(waveform.shape[1] / self.frame_samples))
        return self.piece(self.padded(waveform, count))

    def padded(self, waveform: Tensor, frames: int) -> Tensor:
        """The waveform (B, N) with the silence about it that its first ``frames`` frames hear."""
        after = (frames - 1) * self.frame_samples + self.samples_after - waveform.shape[1]
        return functional.pad(waveform, (self.samples_before, after))

    def piece(self, waveform: Tensor) -> Tensor:
        """Features of a piece of sound (B, N), only those of frames that hear nothing beyond it.

        The first is that of the moment :attr:`samples_before` into the piece.
        """
        x = (log_energies(waveform.unfold(-1, WINDOW, self.hop), self.bands) - _LEVEL) / _SPREAD
        for narrow in self.narrow:
            x = functional.gelu(narrow(x.mT)).mT
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class SteadyEncoder(Protocol):
    """Hears frames a fixed time before and after their moments; see :class:`LogMelEncoder`."""

    width: int
    samples_before: int
    samples_after: int
    frame_samples: int

    @property
    def device(self) -> torch.device: ...  # noqa: D102

    def piece(self, waveform: Tensor) -> Tensor:
        """Features (B, T, C) of the frames of a piece of sound (B, N) that hear nothing beyond it."""


class EncoderStream:
    """Sound in pieces of any length to an encoder; out come the features that the whole would give.

    It holds no more than what the next frame hears.

    Args:
        encoder: in evaluation.
        batch: B, sounds side by side.
    """

    def __init__(self, encoder: SteadyEncoder, batch: int = 1) -> None:
        self.encoder = encoder
        self._held = torch.zeros(batch, encoder.samples_before, device=encoder.device)
        self._samples = self._frames = 0

    def push(self, waveform: Tensor) -> Tensor:
        """Features (B, t, C) of the frames that can be known with the next samples (B, n); t may be 0."""
        check_shape("waveform", waveform, (len(self._held), None))
        self._samples += waveform.shape[1]
        self._held = torch.cat([self._held.to(waveform), waveform], dim=1)
        reach = self.encoder.samples_before + self.encoder.samples_after
        return self._take((self._held.shape[1] - reach) // self.encoder.frame_samples + 1)

    def finish(self) -> Tensor:
        """Features (B, t, C) of the frames that are left, silence following the sound."""
        wanted = max(1, round(self._samples / self.encoder.frame_samples)) - self._frames
        reach = self.encoder.samples_before + self.encoder.samples_after
        missing = reach + (wanted - 1) * self.encoder.frame_samples - self._held.shape[1]
        self._held = functional.pad(self._held, (0, max(0, missing)))
        return self._take(wanted)

    def _take(self, frames: int) -> Tensor:
        """The next frames; what only they hear is let go."""
        if frames < 1:
            return self._held.new_zeros(len(self._held), 0, self.encoder.width)
        step = self.encoder.frame_samples
        reach = self.encoder.samples_before + self.encoder.samples_after
        features = self.encoder.piece(self._held[:, : reach + (frames - 1) * step])
        self._held, self._frames = self._held[:, frames * step :], self._frames + frames
        return features
