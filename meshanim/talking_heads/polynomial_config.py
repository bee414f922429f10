"""Sizes of the talking head by polynomial fusion."""

from __future__ import annotations

from dataclasses import dataclass, replace

from meshanim._check import check_choice, check_range
from meshanim.nn import FUSIONS

HEIGHT, WIDTH = 128, 96
"""Pixels of a frame."""
FRAME_RATE = 25.0
WINDOW = 3200
"""Samples at 16 kHz that a frame's sound is heard in: 0.2 s around its moment."""


@dataclass(frozen=True)
class PolynomialConfig:
    """Sizes of a :class:`PolynomialModel`; the defaults are those of Kefalas et al. 2020, section 3.1.

    Attributes:
        fusion: one of :data:`meshanim.nn.FUSIONS`; ``concatenation`` is the model of Vougioukas et al. 2019.
        audio: a, of what is heard in a frame.
        identity: d, of who is seen.
        noise: n, of what the face does by itself, such as blinks; named by :data:`SPONTANEOUS`.
        motion: g, of what the mesh does in a frame, a third view; 0 for none.
        joint: m, of what the views come to; for a concatenation, the sum of their sizes.
        rank: k, of ``cp``, ``cmf`` and ``cmf-sr``.
        ranks: of ``tucker``: the result's, then each view's.
        order: highest number of views that interact; all of them where it is None.
        width: channels at half size, which the paper does not give; other levels are in proportion.
    """

    fusion: str = "cp"
    audio: int = 256
    identity: int = 128
    noise: int = 10
    motion: int = 0
    joint: int = 384
    rank: int = 128
    ranks: tuple[int, ...] = (192, 128, 64)
    order: int | None = None
    width: int = 32

    def __post_init__(self) -> None:
        check_choice("fusion", self.fusion, FUSIONS)
        for name in ("audio", "identity", "joint", "rank"):
            check_range(name, getattr(self, name), 1)
        check_range("noise", self.noise, 1, 10)
        check_range("motion", self.motion, 0)
        check_range("width", self.width, 2)

    @property
    def views(self) -> tuple[int, ...]:
        """Sizes of the views that are fused."""
        return (self.audio, self.identity, *([self.motion] if self.motion else []))

    def fused_by(self, fusion: str) -> PolynomialConfig:
        """The same sizes with another fusion; what a concatenation comes to is as large as its views."""
        joint = sum(self.views) if fusion == "concatenation" else self.joint
        return replace(self, fusion=fusion, joint=joint)


POLYNOMIAL_CONFIGS = {
    "paper": PolynomialConfig(),
    "paper-mesh": PolynomialConfig(motion=64, joint=448, ranks=(192, 128, 64, 32)),
    "small": PolynomialConfig(audio=128, identity=64, joint=192, rank=64, ranks=(96, 64, 32), width=16),
    "small-mesh": PolynomialConfig(
        audio=128, identity=64, motion=32, joint=224, rank=64, ranks=(96, 64, 32, 16), width=16
    ),
}
"""The paper's sizes and half of them; each with the mesh's motion as a third view too."""
