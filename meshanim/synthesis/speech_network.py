"""The network from what is heard, and who speaks, to expressions, and all that it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from meshanim._check import InputError, check_shape
from meshanim._pretrained import Pretrained, settings_from
from meshanim.audio import SPEECH_RATE, LogMelEncoder, Wav2Vec2Encoder
from meshanim.nn import AlignedDecoderBlock, DecoderCache
from meshanim.synthesis.expression_space import ExpressionSpace
from meshanim.synthesis.speech_config import SPEECH_CONFIGS, SpeechConfig
from meshanim.synthesis.speech_encoding import paper_encoder
from meshanim.synthesis.speech_habits import fit_habits
from meshanim.synthesis.speech_memory import SpeechMemory, joined

_LEAST_SPREAD = 1e-2
"""Of an identity coefficient, so that one that never varied in training means little."""
_RIM = 2.2
"""Root mean square, in deviations, of the coefficients of an identity whose habit can be told."""


class SpeechState(NamedTuple):
    """Where the decoder stands: the last expression (B, E), and what each block keeps."""

    expression: Tensor
    caches: tuple[DecoderCache, ...]


class SpeechNetwork(Pretrained):
    r"""Contextual audio to expression encoding (Huang et al. 2023, supplement, section 1).

    .. math:: e_t = D(S(z_{id}) + E(e_{t-1}), A_t \mid \text{all before}), \qquad e_1 = D(S(z_{id}), A_1)

    A encodes the sound, S the identity as a style, E the expression before; D are transformer blocks that
    keep in step with the sound, and a linear layer. Two things are not in the paper, and not there unless
    they were measured. To all expressions of a person :meth:`habit` is added (:meth:`settle`). And what is
    said is drawn to what was said when it sounded alike (:meth:`remember`).

    Args:
        config: the architecture.
        encoder: wav2vec 2.0 in place of the untrained one that a configuration with it begins with.
    """

    kind = "SpeechModel"

    identity_mean: Tensor
    identity_spread: Tensor
    habits: Tensor

    def __init__(
        self, config: SpeechConfig = SPEECH_CONFIGS["small"], encoder: Wav2Vec2Encoder | None = None
    ) -> None:
        super().__init__()
        if encoder is not None and encoder.width != config.encoder_width:
            raise InputError(f"encoder must have width {config.encoder_width}, got {encoder.width}")
        self.config = config
        self.space = ExpressionSpace(config.expression_size)
        self.encoder: LogMelEncoder | Wav2Vec2Encoder
        if config.encoder == "wav2vec2":
            self.encoder = paper_encoder(config) if encoder is None else encoder
        else:
            self.encoder = LogMelEncoder(
                config.encoder_width, config.frame_rate, ahead=config.ahead, behind=config.behind
            )
        self.memory: SpeechMemory | None = None
        if config.memory:
            assert isinstance(self.encoder, LogMelEncoder)
            self.memory = SpeechMemory(
                config.memory, config.expression_size, config.identity_size, self.encoder
            )
        self.project = nn.Linear(config.encoder_width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.style = nn.Linear(config.identity_size, config.width)
        self.expression_encoder = nn.Linear(config.expression_size, config.width)
        self.blocks = nn.ModuleList(
            AlignedDecoderBlock(
                config.width, config.heads, config.feed_forward, config.period, config.window, config.dropout
            )
            for _ in range(config.blocks)
        )
        self.expression_decoder = nn.Linear(config.width, config.expression_size)
        self.register_buffer("identity_mean", torch.zeros(config.identity_size))
        self.register_buffer("identity_spread", torch.ones(config.identity_size))
        self.register_buffer("habits", torch.zeros(config.identity_size, config.expression_size))

    @torch.no_grad()
    def calibrate(self, weights: Tensor, identities: Tensor) -> None:
        """Set what is measured and not learned.

        Args:
            weights: (T, 52) ARKit weights of training frames.
            identities: (S, I) identity coefficients of the speakers.
        """
        self.space.fit(weights)
        self._measure(identities)

    @torch.no_grad()
    def settle(self, identities: Tensor, weights: Tensor) -> None:
        """Measure what identities do to expressions, in place of the style that was learned.

        Few people do not teach a style by steps: it learns them by heart. A person's mean expression as a
        linear function of the identity is found at once, held back as far as people left out ask for
        (:func:`meshanim.synthesis.speech_habits.fit_habits`). The style is then the same for everyone, and
        the network predicts how speech moves a face from its own mean.

        Args:
            identities: (S, I) of at least three people, or of one person measured as often.
            weights: (S, 52) mean ARKit weights of each.
        """
        self._measure(identities)
        self.style.weight.zero_()
        self.habits.copy_(fit_habits(self._standard(identities), weights) @ self.space.inverse)

    @torch.no_grad()
    def remember(
        self,
        sounds: Sequence[Tensor],
        weights: Sequence[Tensor],
        identities: Tensor,
        counts: Tensor | None = None,
    ) -> None:
        """Fill the memory with whole utterances, after :meth:`settle` where habits are measured too.

        What is kept are means of windows of the sound's spectrum, each of four or more.

        Args:
            sounds: S waveforms (N,) at 16 kHz.
            weights: (T, 52) ARKit weights of each, at the model's frame rate.
            identities: (S, I) of who says each.
            counts: (S,), how much each counts; by default 1.

        Raises:
            InputError: the configuration has no memory, it is larger than what there is to remember, or what
                is given does not belong together.
        """
        if self.memory is None or not isinstance(self.encoder, LogMelEncoder):
            raise InputError("memory must be part of the configuration, got 0 windows")
        check_shape("identities", identities, (len(sounds), self.config.identity_size))
        if len(weights) != len(sounds):
            raise InputError(f"weights must be those of {len(sounds)} sounds, got {len(weights)}")
        for sound in sounds:
            check_shape("sounds", sound, (None,))
        pieces = [
            self.encoder.padded(sound[None], len(track)) for sound, track in zip(sounds, weights, strict=True)
        ]
        habits = self.habit(identities)
        said = [self.space.encode(track) - habit for track, habit in zip(weights, habits, strict=True)]
        even = identities.new_ones(len(sounds)) if counts is None else counts
        check_shape("counts", even, (len(sounds),))
        self.memory.fit(pieces, self._standard(identities), said, even)

    def _measure(self, identities: Tensor) -> None:
        self.identity_mean.copy_(identities.mean(dim=0))
        self.identity_spread.copy_(identities.std(dim=0, correction=0).clamp(min=_LEAST_SPREAD))

    def _standard(self, identity: Tensor) -> Tensor:
        check_shape("identity", identity, (None, self.config.identity_size))
        return (identity - self.identity_mean) / self.identity_spread

    @property
    def frame_samples(self) -> int:
        """Samples between two of the model's own frames."""
        return round(SPEECH_RATE / self.config.frame_rate)

    @property
    def samples_around(self) -> tuple[int, int]:
        """Samples that :meth:`listen` needs before the first frame's moment and after the last one's."""
        if isinstance(self.encoder, LogMelEncoder):
            return self.encoder.samples_before, self.encoder.samples_after
        return 0, self.frame_samples

    def listen(self, piece: Tensor) -> Tensor:
        """What the decoder hears (B, T, C) of a piece of sound (B, N) at 16 kHz, with what lies around it."""
        if isinstance(self.encoder, LogMelEncoder):
            return self.dropout(self.project(self.encoder.piece(piece)))
        return self.dropout(self.project(self.encoder(piece, self.config.frame_rate)))

    def styled(self, identity: Tensor) -> Tensor:
        """Styles (B, C) of identities (B, I)."""
        return self.style(self._standard(identity))

    def habit(self, identity: Tensor) -> Tensor:
        """What is added to all expressions (B, E) of people with identities (B, I).

        The further anyone is from all people of the training, the less is told: beyond the rim a habit falls
        with the distance.
        """
        standard = self._standard(identity)
        away = standard.square().mean(dim=-1, keepdim=True).sqrt()
        return (standard * (_RIM / away.clamp(min=_RIM)).square()) @ self.habits

    def forward(self, heard: Tensor, style: Tensor, previous: Tensor, known: Tensor | None = None) -> Tensor:
        """Expressions (B, T, E) beyond the habit, where those before are told.

        Args:
            heard: (B, T, C), as :meth:`listen` gives it.
            style: (B, C).
            previous: (B, T, E), the expression beyond the habit before each frame.
            known: (B, T), False where there is none before; by default before the first frame of each.
        """
        if known is None:
            known = torch.arange(heard.shape[1], device=heard.device) > 0
        features = style[:, None] + self.expression_encoder(previous) * known[..., None]
        for block in self.blocks:
            features, _ = block(features, heard)
        return self.expression_decoder(features)

    def roll(
        self, heard: Tensor, style: Tensor, state: SpeechState | None = None
    ) -> tuple[Tensor, SpeechState]:
        """Expressions (B, T, E) beyond the habit, each frame from the one before, and the state after them.

        Args:
            heard: (B, T, C), as :meth:`listen` gives it.
            style: (B, C).
            state: of the frames before; None at the beginning.
        """
        expression, caches = state or (None, (DecoderCache(),) * len(self.blocks))
        said = []
        for frame in heard.split(1, dim=1):
            token = style if expression is None else style + self.expression_encoder(expression)
            features, kept = token[:, None], []
            for block, cache in zip(self.blocks, caches, strict=True):
                features, cache = block(features, frame, cache)
                kept.append(cache)
            expression, caches = self.expression_decoder(features[:, 0]), tuple(kept)
            said.append(expression)
        assert expression is not None
        return torch.stack(said, dim=1), SpeechState(expression, caches)

    def perform(self, piece: Tensor, identity: Tensor) -> Tensor:
        """Expressions (B, T, E), the habit with them, of people (B, I) who begin to say a piece (B, N).

        The piece is as :meth:`listen` needs it.
        """
        said, _ = self.roll(self.listen(piece), self.styled(identity))
        if self.memory is not None:
            said = joined(said, self.memory(piece, self._standard(identity)))
        return said + self.habit(identity)[:, None]

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"settings": asdict(self.config)}
        if isinstance(self.encoder, Wav2Vec2Encoder):
            settings["encoder"] = self.encoder.settings
        return settings

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        known = settings.get("encoder")
        encoder = None if known is None else Wav2Vec2Encoder.from_settings(**known)
        return cls(settings_from(SpeechConfig, settings["settings"]), encoder)
