"""A transformer's decoder that keeps in step with what it listens to."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from meshanim.nn.aligned_attention import AlignedAttention
from meshanim.nn.biased_attention import AttentionCache, BiasedCausalAttention
from meshanim.nn.periodic_encoding import PeriodicPositionalEncoding


class DecoderCache(NamedTuple):
    """What a block keeps of the steps before: how many there were, and the attention's cache."""

    position: int = 0
    attention: AttentionCache | None = None


class AlignedDecoderBlock(nn.Module):
    """Periodic positions, biased causal self-attention, aligned cross-attention, feed-forward layer.

    Huang et al. 2023, supplement, section 1.1; residuals and normalisation after each part, as in a
    transformer's decoder (Vaswani et al. 2017) and in Fan et al. 2022.

    Args:
        width: of features and memory.
        heads: of both attentions.
        feed_forward: width of the hidden layer.
        period: of the positions and of the bias, in steps.
        window: steps that self-attention sees.
        dropout: share that is dropped of each part's result.

    Shapes:
        features (B, T, width), memory (B, T, width) to (B, T, width).
    """

    def __init__(
        self,
        width: int = 1024,
        heads: int = 4,
        feed_forward: int = 2048,
        period: int = 25,
        window: int = 100,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.position = PeriodicPositionalEncoding(width, period)
        self.look_back = BiasedCausalAttention(width, heads, period, window)
        self.listen = AlignedAttention(width, heads)
        self.think = nn.Sequential(
            nn.Linear(width, feed_forward), nn.ReLU(), nn.Dropout(dropout), nn.Linear(feed_forward, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, features: Tensor, memory: Tensor, cache: DecoderCache | None = None
    ) -> tuple[Tensor, DecoderCache]:
        """Decode steps that follow those in the cache; step by step comes to the same as all at once.

        Returns:
            The features, and the cache with which the next steps go on.
        """
        cache = cache or DecoderCache()
        features = self.position(features, cache.position)
        seen, attention = self.look_back(features, cache.attention)
        features = self.norms[0](features + self.dropout(seen))
        features = self.norms[1](features + self.dropout(self.listen(features, memory)))
        features = self.norms[2](features + self.dropout(self.think(features)))
        return features, DecoderCache(cache.position + features.shape[1], attention)
