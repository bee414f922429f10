"""What the loop asks of those who learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


class Task(Protocol):
    """What is learned: a model, samples by number, losses in a unit that people read."""

    @property
    def model(self) -> nn.Module: ...  # noqa: D102

    def __len__(self) -> int: ...

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Losses of a batch of samples by name; their sum is minimised."""

    def validate(self) -> dict[str, float]:
        """Scores after an epoch by name; may be empty."""


@dataclass(frozen=True)
class Turn:
    """What one player does in a step: which losses it brings down, by which of the model's parameters.

    Attributes:
        losses: losses of a batch of samples by name; their sum is minimised.
        parameters: this player's; no other turn has them. All others' stand still meanwhile.
        learning_rate: of its Adam in the first epoch.
        betas: of its Adam.
    """

    losses: Callable[[Sequence[int]], dict[str, Tensor]]
    parameters: Sequence[nn.Parameter]
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)


@runtime_checkable
class Contest(Task, Protocol):
    """A task of several players, such as a generator and those who judge it; ``losses`` is not asked for."""

    def turns(self) -> Sequence[Turn]:
        """What is done with every batch, in order."""


@runtime_checkable
class Pictured(Task, Protocol):
    """A task that can show what its model makes."""

    def sample_pictures(self) -> dict[str, Tensor]:
        """(H, W, 3) uint8 by name, after an epoch."""
