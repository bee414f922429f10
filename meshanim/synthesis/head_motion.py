"""How a head moves while it speaks: from the sound, and from a clip of whom to move like."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_finite, check_range, check_shape
from meshanim._pretrained import Pretrained, settings_from
from meshanim.audio import SPEECH_RATE, Sound, resample
from meshanim.audio.spectra import WINDOW, log_energies
from meshanim.nn import HeadMotionNet
from meshanim.synthesis.head_motion_stream import FRAME_RATE, HeadMotionStream
from meshanim.synthesis.timing import read_motion_smoothly

STEPS = 2
"""Spectra of each frame."""
REFERENCE = 64
"""Frames of the paper's reference clips, 2.56 s; the network is trained on as many and takes any."""
COEFFICIENTS = 6
LIMITS = (0.6, 0.6, 0.6, 0.15, 0.15, 0.15)
"""Radians and metres that no head goes beyond, whatever it hears."""
_HOP = round(SPEECH_RATE / FRAME_RATE / STEPS)
_LEAST_SPREAD = 1e-4


@dataclass(frozen=True)
class HeadMotionConfig:
    """Sizes of a :class:`HeadMotionModel`.

    Attributes:
        bands: of the mel spectra that it hears, 50 in a second.
        features: of each frame, an even number.
        style_size: of what a reference is known by.
    """

    bands: int = 20
    features: int = 256
    style_size: int = 128

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_range(name, value, 1)
        if self.features % 2:
            raise InputError(f"features must be an even number, got {self.features}")


class HeadMotionModel(Pretrained):
    """Head motion that goes with speech, in the manner of a reference clip (Chen et al. 2020, 3.3 and A.1).

    See :class:`meshanim.nn.HeadMotionNet` for the network. The paper listens to raw samples at 50 kHz; this
    one to two mel spectra for each of its frames, 25 in a second, of sound at 16 kHz. Motion is smooth, never
    beyond :data:`LIMITS`, and depends on no more than 0.85 s of sound to either side, so that it streams, and
    begins as if there had been silence before.

    Args:
        config: the sizes.
    """

    kind = "HeadMotionModel"

    sound_mean: Tensor
    sound_deviation: Tensor
    motion_mean: Tensor
    motion_deviation: Tensor
    limits: Tensor

    def __init__(self, config: HeadMotionConfig | None = None) -> None:
        super().__init__()
        self.config = config or HeadMotionConfig()
        sizes = self.config
        self.net = HeadMotionNet(STEPS, sizes.bands, sizes.features, sizes.style_size, COEFFICIENTS)
        self.default_style = nn.Parameter(0.1 * torch.randn(sizes.style_size))
        for part, size in (("sound", sizes.bands), ("motion", COEFFICIENTS)):
            self.register_buffer(f"{part}_mean", torch.zeros(size))
            self.register_buffer(f"{part}_deviation", torch.ones(size))
        self.register_buffer("limits", torch.tensor(LIMITS), persistent=False)

    @property
    def context(self) -> int:
        """Samples at 16 kHz that are heard before a frame's moment."""
        return self.net.context * STEPS * _HOP + WINDOW // 2

    def samples(self, count: int) -> int:
        """Samples at 16 kHz that so many frames depend on, from the context of the first one on."""
        return (count + 2 * self.net.context) * STEPS * _HOP + WINDOW - _HOP

    @torch.no_grad()
    def calibrate(self, sounds: Iterable[Tensor], motions: Iterable[Tensor]) -> None:
        """Measure sound and motion: spectra (T, STEPS * bands) and motions (T, 6) to be trained on."""
        measured = {
            "sound": torch.cat(list(sounds)).view(-1, self.config.bands),
            "motion": torch.cat(list(motions)),
        }
        for part, values in measured.items():
            getattr(self, f"{part}_mean").copy_(values.mean(dim=0))
            getattr(self, f"{part}_deviation").copy_(values.std(dim=0).clamp(min=_LEAST_SPREAD))

    def spectra(self, waveform: Tensor) -> Tensor:
        """Mel spectra (T + 2 context, STEPS * bands) of the samples that T frames depend on."""
        windows = waveform.unfold(-1, WINDOW, _HOP)
        return log_energies(windows, self.config.bands).reshape(-1, STEPS * self.config.bands)

    def describe(self, spectra: Tensor) -> Tensor:
        """Features (B, T, F) of spectra (B, T + 2 context, STEPS * bands)."""
        heard = spectra.unflatten(-1, (STEPS, -1))
        return self.net.describe(((heard - self.sound_mean) / self.sound_deviation).flatten(-2))

    def normalised(self, motion: Tensor) -> Tensor:
        """Motion (..., 6) in standard deviations of the training's."""
        return (motion - self.motion_mean) / self.motion_deviation

    def move(self, features: Tensor, style: Tensor) -> Tensor:
        """Motion (B, T, 6), in radians and metres, of features (B, T, F) in styles (B, S)."""
        free = self.motion_mean + self.motion_deviation * self.net(features, style)
        return self.limits * torch.tanh(free / self.limits)

    @torch.no_grad()
    def style(self, sound: Sound, head_motion: Tensor, fps: float) -> Tensor:
        """The style (S,) of a reference clip.

        Args:
            sound: of the clip, at any rate.
            head_motion: (T, 6) axis-angle in radians, translation in metres, canonical to posed head.
            fps: frames per second of ``head_motion``.

        Raises:
            InputError: a wrong shape, no frame, a value that is not finite.
        """
        check_shape("head_motion", head_motion, (None, COEFFICIENTS))
        check_finite("head_motion", head_motion)
        check_range("fps", fps, 0, open_low=True)
        if len(head_motion) == 0:
            raise InputError("head_motion must have at least one frame, got none")
        count = math.floor((len(head_motion) - 1) * FRAME_RATE / fps) + 1
        own = torch.arange(count, dtype=torch.float64) * (fps / FRAME_RATE)
        motion = read_motion_smoothly(head_motion.to(self.motion_mean), own)
        features = self.describe(self.framed(sound, count)[None].to(motion))
        return self.net.style(features, self.normalised(motion)[None])[0]

    def framed(self, sound: Sound, count: int) -> Tensor:
        """Spectra (count + 2 context, STEPS * bands) about the first ``count`` frames of a sound."""
        waveform = functional.pad(resample(sound, SPEECH_RATE).waveform, (self.context, 0))
        wanted = self.samples(count)
        return self.spectra(functional.pad(waveform, (0, max(0, wanted - len(waveform))))[:wanted])

    @torch.no_grad()
    def head_motion(self, sound: Sound, style: Tensor | None = None, fps: float = FRAME_RATE) -> Tensor:
        """Head motion (T, 6) that goes with a sound, T = duration * fps, rounded, at least 1; no gradients.

        Args:
            sound: at any rate.
            style: (S,) from :meth:`style`; the default style without one.
            fps: frames per second of the result.

        Returns:
            Axis-angle in radians and translation in metres, canonical to posed head.
        """
        stream = HeadMotionStream(self, self._styled(style), fps)
        return torch.cat([stream.push(resample(sound, SPEECH_RATE).waveform), stream.finish()])

    def stream(
        self, blocks: Iterable[Tensor], style: Tensor | None = None, fps: float = FRAME_RATE
    ) -> Iterator[Tensor]:
        """Head motion in blocks (n, 6) while sound comes in, in memory that does not grow.

        Args:
            blocks: waveforms (n,) at 16 kHz, of any lengths.
            style: as in :meth:`head_motion`.
            fps: frames per second of the result.

        Yields:
            Together what :meth:`head_motion` gives of the whole, to rounding; each frame as soon as the sound
            that it depends on is there, about a second behind.
        """
        stream = HeadMotionStream(self, self._styled(style), fps)
        for block in blocks:
            yield stream.push(block)
        yield stream.finish()

    def _styled(self, style: Tensor | None) -> Tensor:
        if style is None:
            return self.default_style.detach()
        check_shape("style", style, (self.config.style_size,))
        return style.to(self.default_style)

    def _settings(self) -> dict[str, Any]:
        return {"settings": asdict(self.config)}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings_from(HeadMotionConfig, settings["settings"]))

    @classmethod
    def from_pretrained(cls, name: str | Path = "head-motion") -> Self:
        """As :meth:`Pretrained.from_pretrained`; the shipped one by default."""
        return super().from_pretrained(name)
