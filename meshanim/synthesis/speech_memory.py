"""What faces did when it sounded like this: kernel ridge regression on windows of sound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_shape
from meshanim.audio import LogMelEncoder
from meshanim.audio.log_mel_encoder import STEPS_PER_FRAME
from meshanim.audio.spectra import WINDOW, log_energies

REACH = 26
"""Spectra before a frame's moment, and from it on: 0.26 s to each side."""
BANDS = 40
COMPONENTS = 128
_TAPER = 14.0
"""Spectra after which a window counts less, by a Gaussian about its middle."""
_LENGTH = 0.8
"""Of the kernel, the root mean square distance of a window from the mean being 1."""
_RIDGE = 0.15
_WHO = 0.2
"""How far people are apart by who they are, at a root mean square distance of 1 of their coefficients."""
_SHARE = 0.7
"""Of what is said where a window is just like one that is remembered."""


def joined(said: Tensor, recalled: Tensor) -> Tensor:
    """Expressions (B, T, E) between what a network says of frames and what is remembered of them.

    The two err in different ways: on real clips that began with a word held out of the training, both
    together erred by 3 % less than the memory and by 5 % less than the network. What sounds like nothing
    that is remembered is left to the network.

    Args:
        said: (B, T, E).
        recalled: (B, T, E + 1), as a :class:`SpeechMemory` gives it.
    """
    return torch.lerp(said, recalled[..., :-1], _SHARE * recalled[..., -1:])


class SpeechMemory(nn.Module):
    r"""Expressions of windows of sound and who speaks, from those of the windows that are remembered.

    .. math:: e(x) = \bar e + k(x, P) A, \qquad
              A = (K_{PN} K_{NP} + \lambda K_{PP})^{-1} K_{PN} (E_N - \bar e)

    with a Gaussian kernel k on the principal components of tapered log-mel windows and on identities: kernel
    ridge regression on N windows by M of them (the Nystroem method; Rasmussen and Williams 2006, section
    8.3.2). It has no time but the window, and knows a few minutes of one voice better than a network that
    learned them by steps.

    Args:
        count: M, windows remembered.
        size: E, of an expression.
        identity_size: I, of standardised identities.
        encoder: whose frames it keeps in step with: it asks for the same sound around them.
    """

    mean: Tensor
    components: Tensor
    places: Tensor
    answers: Tensor
    level: Tensor

    def __init__(self, count: int, size: int, identity_size: int, encoder: LogMelEncoder) -> None:
        super().__init__()
        self.width = size + 1
        self.hop, self.frame_samples = encoder.hop, encoder.frame_samples
        self.samples_before, self.samples_after = encoder.samples_before, encoder.samples_after
        self._before = self.samples_before - REACH * self.hop - WINDOW // 2
        if min(self._before, self.samples_after - (REACH - 1) * self.hop - WINDOW // 2) < 0:
            heard = min(encoder.left_context, encoder.look_ahead)
            raise InputError(f"an encoder with a memory must hear 0.27 s to each side, got {heard:.2f} s")
        width = 2 * REACH * BANDS
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("components", torch.zeros(width, COMPONENTS))
        self.register_buffer("places", torch.zeros(count, COMPONENTS + identity_size))
        self.register_buffer("answers", torch.zeros(count, size))
        self.register_buffer("level", torch.zeros(size))

    def windows(self, piece: Tensor) -> Tensor:
        """Tapered log-mel windows (B, T, 2 * REACH * BANDS) of the frames of a piece of sound (B, N)."""
        frames = (piece.shape[1] - self.samples_before - self.samples_after) // self.frame_samples + 1
        spectra = log_energies(piece[:, self._before :].unfold(-1, WINDOW, self.hop), BANDS)
        windows = spectra.unfold(1, 2 * REACH, STEPS_PER_FRAME)[:, :frames]
        step = torch.arange(2 * REACH, device=piece.device) - REACH + 0.5
        return (windows * torch.exp(-0.5 * (step / _TAPER).square())).flatten(2)

    def _kernel(self, places: Tensor, others: Tensor) -> Tensor:
        return torch.exp(torch.cdist(places, others).square() / (-2 * _LENGTH**2))

    def forward(self, piece: Tensor, identity: Tensor) -> Tensor:
        """Of the frames of a piece of sound that hear nothing beyond it, as an encoder's ``piece``.

        Args:
            piece: (B, N); the first frame is that of the moment ``samples_before`` into it.
            identity: (B, I), standardised.

        Returns:
            (B, T, E + 1): expressions and, last, how like the nearest remembered window is, 1 for the same.
        """
        heard = (self.windows(piece) - self.mean) @ self.components
        who = (identity * _WHO / identity.shape[-1] ** 0.5)[:, None].expand(-1, heard.shape[1], -1)
        near = self._kernel(torch.cat([heard, who], dim=-1), self.places)
        return torch.cat([self.level + near @ self.answers, near.amax(dim=-1, keepdim=True)], dim=-1)

    @torch.no_grad()
    def fit(self, sounds: Sequence[Tensor], identities: Tensor, expressions: Sequence[Tensor]) -> None:
        """Remember.

        Args:
            sounds: S pieces (1, N).
            identities: (S, I), standardised.
            expressions: (T, E) of the frames of each.

        Raises:
            InputError: the frames are fewer than the windows to remember.
        """
        heard = [self.windows(sound)[0] for sound in sounds]
        windows = torch.cat(heard)
        who = torch.repeat_interleave(identities, torch.tensor([len(part) for part in heard]), dim=0)
        count, size = self.answers.shape
        check_shape("expressions", torch.cat([*expressions]), (len(windows), size))
        if len(windows) < count:
            raise InputError(f"memory must be at most the {len(windows)} frames to learn from, got {count}")
        self.mean.copy_(windows.mean(dim=0))
        centred = (windows - self.mean).double()
        _, axes = torch.linalg.eigh(centred.mT @ centred)
        self.components.copy_(axes[:, -COMPONENTS:] / centred.square().sum(dim=1).mean().sqrt())
        who = who * _WHO / who.shape[1] ** 0.5
        places = torch.cat([centred @ self.components.double(), who.double()], dim=1)
        kept = torch.linspace(0, len(places) - 1, count).round().long()
        wanted = torch.cat([*expressions]).double()
        level = wanted.mean(dim=0)
        known, own = self._kernel(places, places[kept]), self._kernel(places[kept], places[kept])
        # windows that are all but the same, as silent ones are, make the kernel singular
        own = own + 1e-6 * torch.eye(count, dtype=own.dtype)
        self.answers.copy_(torch.linalg.solve(known.mT @ known + _RIDGE * own, known.mT @ (wanted - level)))
        self.places.copy_(places[kept])
        self.level.copy_(level)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"{len(self.places)} windows of {2 * REACH * self.hop / 16000:g} s"


class PersonalMemory:
    """A memory asked about one person, which an :class:`meshanim.audio.EncoderStream` can follow."""

    def __init__(self, memory: SpeechMemory, identity: Tensor) -> None:
        self.memory, self.identity = memory, identity
        self.width, self.frame_samples = memory.width, memory.frame_samples
        self.samples_before, self.samples_after = memory.samples_before, memory.samples_after
        self.device = identity.device

    def piece(self, waveform: Tensor) -> Tensor:
        """As the memory gives it (B, T, E + 1)."""
        return self.memory(waveform, self.identity.expand(len(waveform), -1))
