"""Features of several kinds, frame by frame, made one track: five ways with one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_choice, check_range
from meshanim.nn.element_attention import ElementAttention, ElementCoAttention


class DilatedConv(nn.Module):
    r"""Dilated non-causal convolution in time (Chen et al. 2022, eq 1): as much before a frame as after it.

    .. math::
        T(s) = \sum_{i=0}^{k-1} F(i) \, X_{s + d (\frac{k-1}{2} - i)}

    Before the track and after it there are zeros. ``weight`` counts as PyTorch does, from the past to the
    future: F(i) is ``weight[..., k - 1 - i]``.

    Args:
        width: of the features.
        out_width: of what comes back.
        dilation: d, frames.
        kernel: k, an odd number of frames.

    Shapes:
        features (B, T, width) to (B, T, out_width).
    """

    def __init__(self, width: int, out_width: int, dilation: int = 1, kernel: int = 3) -> None:
        super().__init__()
        for name, value in {"width": width, "out_width": out_width, "dilation": dilation}.items():
            check_range(name, value, 1)
        if kernel < 1 or kernel % 2 == 0:
            raise InputError(f"kernel must be an odd number, so that it has a middle, got {kernel}")
        self.reach = dilation * (kernel // 2)
        self.conv = nn.Conv1d(width, out_width, kernel, padding=self.reach, dilation=dilation)
        # a ReLU follows; He et al. 2015, eq 10
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """Convolve along time."""
        return self.conv(features.mT).mT


class TemporalFusion(nn.Module, ABC):
    """From features of all kinds, side by side in each frame, to one track.

    Shapes:
        features (B, T, width) to (B, T, hidden).
    """

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Fuse a whole track."""

    @abstractmethod
    def stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Fuse a track that comes in chunks (B, n, width): the same numbers as of the whole, in chunks."""


class GruFusion(TemporalFusion):
    """A gated recurrent unit: each frame knows those before it."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, hidden, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        """Fuse a whole track."""
        return self.gru(features)[0]

    def stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Go on from chunk to chunk."""
        state = None
        for chunk in chunks:
            fused, state = self.gru(chunk, state)
            yield fused


class ConvFusion(TemporalFusion):
    """Layers of dilated convolution, d = 1, 2, 4, ..., each after a mixer of what is in one frame.

    Args:
        width: of the features.
        hidden: of every layer's output.
        mixers: one a layer, (B, T, C) to (B, T, C), frames apart; ``nn.Identity()`` mixes nothing.

    Attributes:
        reach: frames before and after a frame that it is told from.
    """

    def __init__(self, width: int, hidden: int, mixers: Sequence[nn.Module]) -> None:
        super().__init__()
        widths = [width] + [hidden] * len(mixers)
        self.mixers = nn.ModuleList(mixers)
        self.convolutions = nn.ModuleList(
            DilatedConv(before, hidden, 2**layer) for layer, before in enumerate(widths[:-1])
        )
        self.reach = 2 ** len(mixers) - 1

    def forward(self, features: Tensor) -> Tensor:
        """Fuse a whole track."""
        for mixer, convolution in zip(self.mixers, self.convolutions, strict=True):
            features = functional.relu(convolution(mixer(features)))
        return features

    def stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Fuse spans that overlap by :attr:`reach` on both sides; it comes as much later."""
        held, known = None, 0
        for chunk in chunks:
            held = chunk if held is None else torch.cat([held, chunk], dim=1)
            ready = held.shape[1] - self.reach
            if ready > known:
                yield self(held)[:, known:ready]
                start = max(0, ready - self.reach)
                held, known = held[:, start:], ready - start
        if held is not None and held.shape[1] > known:
            yield self(held)[:, known:]


def _still(count: int) -> list[nn.Module]:
    return [nn.Identity() for _ in range(count)]


def _attention_first(width: int, hidden: int, layers: int, first: int) -> TemporalFusion:
    return ConvFusion(width, hidden, [ElementAttention(width), *_still(layers - 1)])


def _co_attention_first(width: int, hidden: int, layers: int, first: int) -> TemporalFusion:
    return ConvFusion(width, hidden, [ElementCoAttention(width, first), *_still(layers - 1)])


def _attention_in_all(width: int, hidden: int, layers: int, first: int) -> TemporalFusion:
    widths = [width] + [hidden] * (layers - 1)
    return ConvFusion(width, hidden, [ElementAttention(each) for each in widths])


TEMPORAL_FUSIONS: Mapping[str, Callable[[int, int, int, int], TemporalFusion]] = {
    "gru": lambda width, hidden, layers, first: GruFusion(width, hidden),
    "tcn": lambda width, hidden, layers, first: ConvFusion(width, hidden, _still(layers)),
    "attention-tcn": _attention_first,
    "co-attention-tcn": _co_attention_first,
    "tcsan": _attention_in_all,
}
"""The fusions of Chen et al. 2022, table 3, by name."""


def temporal_fusion(name: str, width: int, hidden: int, layers: int = 3, first: int = 512) -> TemporalFusion:
    """One of :data:`TEMPORAL_FUSIONS`.

    ``tcsan`` is the dilated non-causal temporal convolutional self-attention network of Chen et al. 2022,
    section 3.1: a residual attention block before each convolution, so that the first one attends to the
    elements of the fused features themselves; ``attention-tcn`` has that one only.

    Args:
        name: of the fusion.
        width: of the features in a frame.
        hidden: of what comes back.
        layers: of convolution; a GRU has one layer.
        first: numbers at the front of the features that are one side of the co-attention.
    """
    check_choice("fusion", name, TEMPORAL_FUSIONS)
    check_range("layers", layers, 1)
    return TEMPORAL_FUSIONS[name](width, hidden, layers, first)
