"""What faces did when it sounded like this: kernel ridge regression on windows of sound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_finite, check_shape
from meshanim.audio import SPEECH_RATE, LogMelEncoder
from meshanim.audio.log_mel_encoder import STEPS_PER_FRAME
from meshanim.audio.spectra import WINDOW, log_energies
from meshanim.mesh.precision import exact

REACH = 26
"""Spectra before a frame's moment, and from it on: 0.26 s to each side at 25 frames per second."""
BANDS = 40
COMPONENTS = 128
_TAPER = 14.0
"""Spectra after which a window counts less, by a Gaussian about its middle."""
_LENGTH = 0.8
"""Of the kernel, the root mean square distance of a window from the mean being 1."""
_RIDGE, _JITTER = 0.15, 1e-3
_WHO = 0.2
"""How far people are apart by who they are, at a root mean square distance of 1 of their coefficients."""
_SHARE = 0.7
"""Of what is said where a window is just like one of the memory."""
_MEMBERS = 4
"""Windows, at least, that one of the memory is the mean of: none is kept as it was heard."""
_ROUNDS = 8


def joined(said: Tensor, recalled: Tensor) -> Tensor:
    """Expressions (B, T, E) between what a network says of frames and what a memory does.

    The two err in different ways: on real clips that began with a word held out of the training, both
    together erred by 3 % less than the memory and by 4 % less than the network.

    Args:
        said: (B, T, E).
        recalled: (B, T, E + 1), as a :class:`SpeechMemory` gives it: expressions and, last, their share.
    """
    return torch.lerp(said.to(recalled), recalled[..., :-1], recalled[..., -1:])


class SpeechMemory(nn.Module):
    r"""Expressions of windows of sound and who speaks, learned at once from some minutes of speech.

    .. math:: e(x) = \bar e + k(x, P) A, \qquad
              A = (K_{PN} W K_{NP} + \lambda K_{PP})^{-1} K_{PN} W (E_N - \bar e)

    with a Gaussian kernel k on the principal components of tapered log-mel windows and on identities: kernel
    ridge regression on N windows with weights W by way of M places P (the Nystroem method; Rasmussen and
    Williams 2006, section 8.3.2). It has no time but the window, and knows a few minutes of one voice better
    than a network that learned them by steps. The places are means of windows that are alike, by k-means.

    Args:
        count: M.
        size: E, of an expression.
        identity_size: I, of standardised identities.
        encoder: whose frames it keeps in step with: it asks for the same sound around them.
    """

    mean: Tensor
    components: Tensor
    places: Tensor
    answers: Tensor
    level: Tensor
    share: Tensor

    def __init__(self, count: int, size: int, identity_size: int, encoder: LogMelEncoder) -> None:
        super().__init__()
        self.width = size + 1
        self.hop, self.frame_samples = encoder.hop, encoder.frame_samples
        self.samples_before, self.samples_after = encoder.samples_before, encoder.samples_after
        needed = REACH * self.hop + WINDOW // 2
        self._before = self.samples_before - needed
        if self._before < 0 or self.samples_after < needed - self.hop:
            heard = min(encoder.left_context, encoder.look_ahead)
            wanted = f"{needed / SPEECH_RATE:.2f} s to each side"
            raise InputError(f"an encoder with a memory must hear {wanted}, got {heard:.2f} s")
        width = 2 * REACH * BANDS
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("components", torch.zeros(width, COMPONENTS))
        # sums of many answers that nearly cancel: in float32 a stream would differ from the whole by 1e-4
        self.register_buffer("places", torch.zeros(count, COMPONENTS + identity_size, dtype=torch.float64))
        self.register_buffer("answers", torch.zeros(count, size, dtype=torch.float64))
        self.register_buffer("level", torch.zeros(size))
        self.register_buffer("share", torch.tensor(0.0))  # nothing is known yet

    def windows(self, piece: Tensor) -> Tensor:
        """Tapered log-mel windows (B, T, BANDS * 2 * REACH) of the frames of a piece of sound (B, N)."""
        frames = (piece.shape[1] - self.samples_before - self.samples_after) // self.frame_samples + 1
        spectra = log_energies(piece[:, self._before :].unfold(-1, WINDOW, self.hop), BANDS)
        windows = spectra.unfold(1, 2 * REACH, STEPS_PER_FRAME)[:, :frames]
        step = torch.arange(2 * REACH).to(piece) - REACH + 0.5
        return (windows * torch.exp(-0.5 * (step / _TAPER).square())).flatten(2)

    def forward(self, piece: Tensor, identity: Tensor) -> Tensor:
        """Of the frames of a piece of sound that hear nothing beyond it, as an encoder's ``piece``.

        Args:
            piece: (B, N); the first frame is that of the moment ``samples_before`` into it.
            identity: (B, I), standardised.

        Returns:
            (B, T, E + 1): expressions and, last, the share of what is said that they should have.
        """
        with exact(piece):
            heard = (self.windows(piece) - self.mean) @ self.components
        who = _apart(identity)[:, None].expand(-1, heard.shape[1], -1)
        near = _kernel(torch.cat([heard, who], dim=-1).to(self.places), self.places)
        said = (near @ self.answers).to(heard) + self.level
        return torch.cat([said, self.share * near.amax(dim=-1, keepdim=True).to(heard)], dim=-1)

    @torch.no_grad()
    def fit(
        self, sounds: Sequence[Tensor], identities: Tensor, expressions: Sequence[Tensor], counts: Tensor
    ) -> None:
        """Learn, in place of what was known.

        Args:
            sounds: S pieces (1, N).
            identities: (S, I), standardised.
            expressions: (T, E) of the frames of each.
            counts: (S,), how much the frames of each count.

        Raises:
            InputError: there are fewer frames than places, or some are not finite.
        """
        heard = [self.windows(sound)[0] for sound in sounds]
        frames = torch.tensor([len(part) for part in heard], device=counts.device)
        windows, wanted = torch.cat(heard), torch.cat([*expressions]).double()
        count, size = self.answers.shape
        check_shape("expressions", wanted, (len(windows), size))
        check_finite("sounds", windows)
        check_finite("expressions", wanted)
        if len(windows) < count:
            raise InputError(f"memory must be at most the {len(windows)} frames to learn from, got {count}")
        who, counted = (each.repeat_interleave(frames, dim=0) for each in (identities, counts))
        centred = (windows - windows.mean(dim=0)).double()
        _, axes = torch.linalg.eigh(centred.mT @ centred)
        components = axes[:, -COMPONENTS:] / centred.square().sum(dim=1).mean().sqrt()
        known = torch.cat([centred @ components, _apart(who).double()], dim=1)
        places = cluster_means(known, count)
        near, own = _kernel(known, places), _kernel(places, places)
        level, weighed = wanted.mean(dim=0), near.mT * counted.double()
        own = _RIDGE * own + _JITTER * torch.eye(count).to(own)
        self.answers.copy_(torch.linalg.solve(weighed @ near + own, weighed @ (wanted - level)))
        for buffer, value in (
            (self.mean, windows.mean(dim=0)),
            (self.components, components),
            (self.places, places),
            (self.level, level),
        ):
            buffer.copy_(value)
        self.share.fill_(_SHARE)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"{len(self.places)} places of {2 * REACH * self.hop / SPEECH_RATE:g} s"


def _apart(identity: Tensor) -> Tensor:
    return identity * (_WHO / identity.shape[-1] ** 0.5)


def _kernel(places: Tensor, others: Tensor) -> Tensor:
    return torch.exp(torch.cdist(places, others).square() / (-2 * _LENGTH**2))


def cluster_means(samples: Tensor, count: int) -> Tensor:
    """Means (M, D) of clusters of samples (N, D), by k-means, each of four samples or more.

    A smaller cluster gives way to the four samples about its mean.
    """
    means = samples[torch.linspace(0, len(samples) - 1, count).round().long()].clone()
    for step in range(_ROUNDS + 1):
        nearest = torch.cdist(samples, means).argmin(dim=1)
        members = torch.bincount(nearest, minlength=count)
        if step < _ROUNDS:
            sums = torch.zeros_like(means).index_add_(0, nearest, samples)
            means = torch.where(members[:, None] > 0, sums / members[:, None].clamp(min=1), means)
    few = members < _MEMBERS
    around = torch.cdist(means[few], samples).topk(min(_MEMBERS, len(samples)), largest=False).indices
    means[few] = samples[around].mean(dim=1)
    return means


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
