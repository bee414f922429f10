"""What every talking head is: a performance and an appearance in, frames out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.mesh import LANDMARKS
from meshanim.performance import Performance
from meshanim.talking_heads.appearance import Appearance

_KNOWN: Mapping[str, Callable[[Performance], bool]] = {
    "audio": lambda performance: performance.waveform is not None and len(performance.waveform) > 0,
    "action_units": lambda performance: performance.action_units is not None,
    "head_motion": lambda performance: performance.head_motion is not None,
    "landmarks": lambda performance: set(LANDMARKS) <= set(performance.neutral.landmarks),
    "mesh": lambda performance: len(performance.neutral.faces) > 0,
}
NEEDS = tuple(_KNOWN)
"""What a renderer may ask of a performance."""


class Renderer(ABC):
    """Draws the person of an appearance as a performance moves.

    A subclass names what it needs and yields chunks in :meth:`_chunks`; how they are cut must not be seen.

    Attributes:
        name: as it is asked for.
        needs: of :data:`NEEDS`, what a performance must have.
        fps: frames per second that it draws; None: the performance's own.
        chance: whether it draws something by chance.
    """

    name: ClassVar[str]
    needs: frozenset[str] = frozenset()
    fps: float | None = None
    chance: ClassVar[bool] = False

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels."""

    @abstractmethod
    def _chunks(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Successive frames (n, H, W, 3) uint8 of a performance that has what is needed, at :attr:`fps`."""

    def check(self, performance: Performance) -> None:
        """Raise unless the performance has what this renderer needs.

        Raises:
            InputError: names everything that is missing.
        """
        missing = [need for need in NEEDS if need in self.needs and not _KNOWN[need](performance)]
        if missing:
            words = " and ".join(need.replace("_", " ") for need in missing)
            raise InputError(
                f"a performance must have {words} to be rendered by {self.name}, got one without"
            )

    def stream(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator | None = None
    ) -> Iterator[Tensor]:
        """Frames as they are drawn, in memory that does not grow with their number.

        A performance at another frame rate than :attr:`fps` is resampled; sound and motion of different
        lengths are made one by :meth:`meshanim.performance.Performance.lasting`. One of another floating type
        is drawn in float32.

        Args:
            performance: what happens.
            appearance: who it looks like.
            generator: of what a renderer draws by chance; one of seed 0 by default.

        Yields:
            (n, H, W, 3) uint8.

        Raises:
            InputError: the performance lacks something; see :meth:`check`.
        """
        self.check(performance)
        steady = performance.to(torch.float32)
        if self.fps is not None and self.fps != performance.fps:
            steady = steady.resample(self.fps)
        return self._chunks(
            steady.lasting(steady.frame_count), appearance, generator or torch.Generator().manual_seed(0)
        )

    def render(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator | None = None
    ) -> Tensor:
        """All frames (T, H, W, 3) uint8; for what :meth:`stream` takes and raises, see there."""
        return torch.cat(list(self.stream(performance, appearance, generator)))
