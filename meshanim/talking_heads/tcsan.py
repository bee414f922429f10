"""TCSAN (Chen et al. 2022): a talking head from a picture, speech, and the action units that speech moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_choice, check_range
from meshanim._pretrained import Pretrained, settings_from
from meshanim.audio import SPEECH_UNITS, AudioToUnits
from meshanim.audio.audio_to_units import UNIT_FEATURES
from meshanim.nn import TEMPORAL_FUSIONS, temporal_fusion
from meshanim.talking_heads.tcsan_networks import IdentityEncoder, ImageDecoder, UnitEncoder, WindowEncoder

FRAME_RATE = 25.0
UNIT_SOURCES = ("none", "audio", "mesh")
"""Where action units come from: nowhere, heard by the networks of the paper, or the performance's mesh."""


@dataclass(frozen=True)
class TcsanConfig:
    """Sizes and variant of a :class:`TcsanModel`; the defaults are the paper's where it gives them.

    Attributes:
        fusion: of :data:`meshanim.nn.TEMPORAL_FUSIONS`.
        units: of :data:`UNIT_SOURCES`.
        features: of the person and of the sound, each.
        hidden: of the fusion.
        layers: of the fusion (the paper draws three).
        identity_channels: of the identity encoder's four convolutions.
        audio_channels: of the audio encoder's five convolutions.
        decoder_channels: in front of each of the six transposed convolutions.
        units_hidden: of the LSTM layers of the networks that hear action units.
    """

    fusion: str = "tcsan"
    units: str = "audio"
    features: int = 512
    hidden: int = 512
    layers: int = 3
    identity_channels: tuple[int, ...] = (24, 40, 96, 64)
    audio_channels: tuple[int, ...] = (32, 48, 64, 96, 128)
    decoder_channels: tuple[int, ...] = (128, 128, 96, 48, 16, 8)
    units_hidden: int = 64

    def __post_init__(self) -> None:
        check_choice("fusion", self.fusion, TEMPORAL_FUSIONS)
        check_choice("units", self.units, UNIT_SOURCES)
        check_range("layers", self.layers, 1)
        for name, count in (("identity_channels", 4), ("audio_channels", 5), ("decoder_channels", 6)):
            given = getattr(self, name)
            if len(given) != count or min(given) < 1:
                raise InputError(f"{name} must be {count} positive numbers, got {given}")

    @property
    def width(self) -> int:
        """Of the fused features: identity, sound, and 64 a unit."""
        return 2 * self.features + (0 if self.units == "none" else len(SPEECH_UNITS) * UNIT_FEATURES)


TCSAN_CONFIGS: Mapping[str, TcsanConfig] = {
    "paper": TcsanConfig(),
    "reduced": TcsanConfig(
        features=256,
        hidden=256,
        identity_channels=(16, 32, 48, 48),
        audio_channels=(16, 24, 32, 48, 64),
        decoder_channels=(64, 64, 48, 24, 12, 8),
    ),
}
"""The paper's sizes, and about half of them for comparisons on two cores; pictures are 112 x 112 in both."""


class Person(NamedTuple):
    """What a picture gives once for all frames: features (B, F), and what skips to the decoder's levels."""

    features: Tensor
    shares: list[Tensor]


class TcsanModel(Pretrained):
    """Talking head generation by a dilated non-causal temporal convolutional self-attention network.

    Chen et al. 2022: identity, sound and action units of every frame are fused over time, and drawn with
    what skips from the identity picture. See :mod:`meshanim.talking_heads.tcsan_networks` for the parts and
    :func:`meshanim.nn.temporal_fusion` for the fusion and its rivals.

    Args:
        config: sizes and variant.

    Shapes:
        picture (B, 3, 112, 112) in [-1, 1]; windows (B, T, 12, 28); intensities (B, T, 5) of
        :data:`meshanim.audio.SPEECH_UNITS` where the units come from the mesh; frames (B, T, 3, 112, 112).
    """

    kind = "tcsan"
    halved = True

    def __init__(self, config: TcsanConfig) -> None:
        super().__init__()
        self.config = config
        self.identity = IdentityEncoder(config.identity_channels, config.features)
        self.sound = WindowEncoder(config.audio_channels, config.features)
        self.units: nn.Module | None = None
        if config.units == "audio":
            self.units = AudioToUnits(SPEECH_UNITS, config.units_hidden, FRAME_RATE)
        elif config.units == "mesh":
            self.units = UnitEncoder(len(SPEECH_UNITS))
        self.fusion = temporal_fusion(
            config.fusion, config.width, config.hidden, config.layers, config.features
        )
        self.decoder = ImageDecoder(config.hidden, config.decoder_channels, config.identity_channels)

    def look(self, picture: Tensor) -> Person:
        """What all frames of a person share."""
        features, skips = self.identity(picture)
        return Person(features, self.decoder.shares(skips))

    def unit_features(self, windows: Tensor, intensities: Tensor | None = None) -> Tensor | None:
        """(B, T, 320) of a whole track; None for a model without units."""
        if isinstance(self.units, AudioToUnits):
            return self.units.features(windows).flatten(2)
        if self.units is None:
            return None
        if intensities is None:
            raise _missing()
        return self.units(intensities)

    def fused(self, person: Person, windows: Tensor, units: Tensor | None, dropout: float = 0.0) -> Tensor:
        """Features (B, T, hidden) of frames that hear ``windows`` and have features of units (B, T, 320).

        A share ``dropout`` of what is fused is dropped, in training.
        """
        joined = self._joined(person, windows, units)
        return self.fusion(functional.dropout(joined, dropout, self.training))

    def forward(self, picture: Tensor, windows: Tensor, intensities: Tensor | None = None) -> Tensor:
        """Frames of a whole track."""
        person = self.look(picture)
        fused = self.fused(person, windows, self.unit_features(windows, intensities))
        return self.decoder(fused, person.shares)

    def stream(
        self, picture: Tensor, windows: Iterable[Tensor], intensities: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Frames of a track that comes in chunks (B, n, ...): those of the whole, in chunks.

        They come later than what they are told from by what the fusion looks ahead.
        """
        person = self.look(picture)
        units = self._stream_units(windows, intensities)
        joined = (self._joined(person, heard, known) for heard, known in units)
        for fused in self.fusion.stream(joined):
            yield self.decoder(fused, person.shares)

    def _stream_units(
        self, windows: Iterable[Tensor], intensities: Iterable[Tensor] | None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        if isinstance(self.units, AudioToUnits):
            states = None
            for heard in windows:
                features, states = self.units.go_on(heard, states)
                yield heard, features.flatten(2)
        elif self.units is None:
            yield from ((heard, None) for heard in windows)
        elif intensities is None:
            raise _missing()
        else:
            for heard, known in zip(windows, intensities, strict=True):
                yield heard, self.units(known)

    def _joined(self, person: Person, windows: Tensor, units: Tensor | None) -> Tensor:
        same = person.features[:, None].expand(-1, windows.shape[1], -1)
        known = [] if units is None else [units]
        return torch.cat([same, self.sound(windows), *known], dim=-1)

    def _settings(self) -> dict[str, Any]:
        return asdict(self.config)

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        known = {item.name: settings[item.name] for item in fields(TcsanConfig)}
        return cls(settings_from(TcsanConfig, known))


def _missing() -> InputError:
    return InputError("intensities of action units must be given to a model that takes them, got none")
