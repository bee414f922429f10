"""The network of the talking head by polynomial fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import torch
from torch import Tensor, nn

from meshanim._check import check_shape
from meshanim._pretrained import Pretrained, settings_from
from meshanim.nn import make_fusion
from meshanim.talking_heads.polynomial_config import HEIGHT, WIDTH, PolynomialConfig
from meshanim.talking_heads.polynomial_encoders import (
    AudioEncoder,
    IdentityEncoder,
    MotionEncoder,
    NoiseEncoder,
)
from meshanim.talking_heads.polynomial_generator import PolynomialGenerator

SPONTANEOUS = tuple(
    f"{unit}{side}"
    for unit in ("eyeBlink", "eyeWide", "eyeSquint", "browDown", "browOuterUp")
    for side in ("Left", "Right")
)
"""ARKit's names of the n tracks that the noise encoder gives: what eyes and brows do by themselves."""


class PolynomialModel(Pretrained):
    r"""A talking head whose views are fused by a polynomial (Kefalas et al. 2020).

    Audio and identity, and the mesh's motion where it is a third view, are fused; what the face does by
    itself is put beside their joint encoding (eqs 1 and 2), and a U-Net draws the frame:

    .. math:: z = [f(z_a, z_d), z_n]

    One thing is not the paper's. There a generator has to find out, from judges alone, what noise may stand
    for, hours on a GPU; here the n numbers have a meaning, deviations of the tracks :data:`SPONTANEOUS`
    from their means in units of their spreads. The noise encoder is trained to give such tracks, and the
    generator to draw them, from what captured faces did.

    Args:
        config: the sizes.
    """

    kind = "PolynomialModel"
    halved = True

    track_mean: Tensor
    track_spread: Tensor

    def __init__(self, config: PolynomialConfig | None = None) -> None:
        super().__init__()
        self.config = config or PolynomialConfig()
        sizes = self.config
        self.identity_encoder = IdentityEncoder(sizes.width, sizes.identity)
        self.audio_encoder = AudioEncoder(sizes.audio)
        self.noise_encoder = NoiseEncoder(sizes.noise)
        self.motion_encoder = MotionEncoder(sizes.motion) if sizes.motion else None
        self.fusion = make_fusion(
            sizes.fusion, sizes.views, sizes.joint, sizes.rank, sizes.ranks, sizes.order
        )
        self.generator = PolynomialGenerator(sizes.joint + sizes.noise, sizes.width)
        self.register_buffer("track_mean", torch.zeros(sizes.noise))
        self.register_buffer("track_spread", torch.ones(sizes.noise))

    @property
    def encoders(self) -> list[nn.Module]:
        """Those of identity, audio and noise, which are trained first and then stay as they are."""
        return [self.identity_encoder, self.audio_encoder, self.noise_encoder]

    def normalised(self, tracks: Tensor) -> Tensor:
        """Tracks (..., n) of weights as the generator is told of them."""
        return (tracks - self.track_mean) / self.track_spread

    def look(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Identity (B, d) of pictures (B, 3, 128, 96), and what they add to all frames of each level."""
        check_shape("pictures", pictures, (None, 3, HEIGHT, WIDTH))
        identity, features = self.identity_encoder(pictures)
        return identity, self.generator.shares(pictures, features)

    def draw(
        self,
        heard: Tensor,
        identity: Tensor,
        shares: Sequence[Tensor],
        tracks: Tensor,
        displacements: Tensor | None = None,
    ) -> Tensor:
        """Frames (B, T, 3, 128, 96), [-1, 1] being black to white.

        Args:
            heard: (B, T, a) of the audio encoder.
            identity: (B, d), of :meth:`look`.
            shares: of :meth:`look`.
            tracks: (B, T, n) of the noise encoder, or :meth:`normalised` ones.
            displacements: (B, T, 68, 3) of the mesh's landmarks, head-local, in units of the distance
                between the eyes, where their motion is a view.
        """
        views = [heard, identity[:, None]]
        if self.motion_encoder is not None:
            assert displacements is not None
            views.append(self.motion_encoder(displacements))
        return self.generator(torch.cat([self.fusion(*views), tracks], dim=-1), shares)

    def _settings(self) -> dict[str, Any]:
        return {"settings": asdict(self.config)}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings_from(PolynomialConfig, settings["settings"]))
