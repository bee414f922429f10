"""Architectures of speech models: the published one, and one that trains on two cores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from meshanim._check import InputError, check_choice, check_range


@dataclass(frozen=True)
class SpeechConfig:
    """Architecture of a :class:`SpeechModel`; the defaults are those of Huang et al. 2023, supplement, 1.1.

    Attributes:
        encoder: ``wav2vec2``, a transformer that attends to the whole file, or ``log-mel``, convolutions that
            hear some tenths of a second.
        encoder_width: of its features.
        encoder_layers: N_e, transformer blocks of ``wav2vec2``.
        encoder_heads: attention heads of each.
        ahead: dilations, in frames, of the convolutions of ``log-mel`` that look to both sides.
        behind: dilations of those that look back.
        width: of the decoder.
        heads: of both its attentions.
        feed_forward: width of its hidden layer.
        blocks: N_d.
        period: p of positions and bias, in frames.
        window: k, frames of a training sequence; self-attention sees no further back afterwards either.
        expression_size: of an expression, see :class:`meshanim.synthesis.ExpressionSpace`.
        identity_size: of the identity coefficients that make the style; the built-in face has 135.
        frame_rate: frames per second at which the decoder runs.
        dropout: share of features that is dropped while training, of what is heard and in the decoder.
        memory: M, places of its memory of windows of sound
            (:class:`meshanim.synthesis.speech_memory.SpeechMemory`); none at 0, as in the paper.
    """

    encoder: Literal["wav2vec2", "log-mel"] = "wav2vec2"
    encoder_width: int = 1024
    encoder_layers: int = 24
    encoder_heads: int = 16
    ahead: tuple[int, ...] = (1, 2, 2)
    behind: tuple[int, ...] = (1, 2)
    width: int = 1024
    heads: int = 4
    feed_forward: int = 2048
    blocks: int = 1
    period: int = 25
    window: int = 100
    expression_size: int = 64
    identity_size: int = 135
    frame_rate: float = 25.0
    dropout: float = 0.1
    memory: int = 0

    def __post_init__(self) -> None:
        check_choice("encoder", self.encoder, ("wav2vec2", "log-mel"))
        for item in fields(self):
            if item.type == "int":
                check_range(item.name, getattr(self, item.name), 0 if item.name == "memory" else 1)
        if self.memory and self.encoder != "log-mel":
            raise InputError(f"memory must be 0 with encoder {self.encoder}, got {self.memory}")
        check_range("frame_rate", self.frame_rate, 0, open_low=True)
        check_range("dropout", self.dropout, 0, 0.9)


SPEECH_CONFIGS: dict[str, SpeechConfig] = {
    "paper": SpeechConfig(),
    "small": SpeechConfig(encoder="log-mel", encoder_width=96, width=96, feed_forward=192),
}
"""By name."""
