"""Whole sequences of different lengths, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Sequence4D(Protocol):
    """What training needs of a sequence, such as :class:`meshanim.datasets.ExpressionSequence`."""

    @property
    def subject(self) -> int: ...  # noqa: D102
    @property
    def expression(self) -> str: ...  # noqa: D102
    @property
    def neutral(self) -> Tensor: ...  # noqa: D102
    @property
    def labels(self) -> Tensor: ...  # noqa: D102
    @property
    def vertices(self) -> Tensor: ...  # noqa: D102


class Sequences(Protocol):
    """A data set: a length and items; items are asked for in every epoch, so they should come fast."""

    def __len__(self) -> int: ...
    def __getitem__(self, item: int, /) -> Sequence4D: ...


class SequenceBatch(NamedTuple):
    """S sequences; label tracks padded, frames packed, so that nothing is decoded for padding.

    Attributes:
        subjects: whose sequence each is.
        labels: (S, T, 6), zeros after a sequence's end; always from its first frame on.
        starts: first frame of each sequence that is decoded.
        lengths: frames of each sequence that are decoded, from there on.
        neutral: (S, V, 3) metres.
        displacements: (N, V, 3) metres, sequence after sequence, N the sum of ``lengths``.
    """

    subjects: tuple[int, ...]
    labels: Tensor
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    neutral: Tensor
    displacements: Tensor

    @classmethod
    def collate(cls, sequences: Sequence[Sequence4D], window: int | None = None) -> SequenceBatch:
        """Put sequences side by side; of each, all frames or ``window`` successive ones drawn at random."""
        whole = [len(sequence.labels) for sequence in sequences]
        lengths = tuple(length if window is None else min(length, window) for length in whole)
        free = [length - kept + 1 for length, kept in zip(whole, lengths, strict=True)]
        starts = tuple(0 if window is None else int(torch.randint(count, ())) for count in free)
        first = sequences[0].vertices
        displacements = first.new_empty(sum(lengths), *first.shape[1:])
        parts = displacements.split(list(lengths))
        for part, start, sequence in zip(parts, starts, sequences, strict=True):
            torch.sub(sequence.vertices[start : start + len(part)], sequence.neutral, out=part)
        return cls(
            tuple(sequence.subject for sequence in sequences),
            pad_sequence([sequence.labels for sequence in sequences], batch_first=True),
            starts,
            lengths,
            torch.stack([sequence.neutral for sequence in sequences]),
            displacements,
        )

    def packed(self, track: Tensor) -> Tensor:
        """The decoded frames (N, ...) of a padded track (S, T, ...)."""
        spans = zip(track, self.starts, self.lengths, strict=True)
        return torch.cat([row[start : start + length] for row, start, length in spans])
