"""wav2vec 2.0 (Baevski et al. 2020) as a listener, with its features at the frame rate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, MissingExtra, check_range, check_shape
from meshanim.audio.sound import SPEECH_RATE, frames_beside
from meshanim.audio.timing import read_linearly

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "conv_bias": True,
}
"""Settings of the published large models: the 24 blocks, 16 heads and 1024 features of Huang et al. 2023."""


class Wav2Vec2Encoder(nn.Module):
    """Speech to features at any frame rate (Huang et al. 2023, section 1.1).

    Between the convolutions and the transformer, features are read at the frames' moments, linearly between
    the two nearest, so that the transformer itself works at the frame rate. It attends to the whole sound.

    Args:
        model: of ``transformers``; see :meth:`from_pretrained` and :meth:`from_settings`.

    Shapes:
        waveform (B, N) at 16 kHz; features (B, T, C), T as :meth:`meshanim.audio.Sound.frame_count` has it.
    """

    def __init__(self, model: Wav2Vec2Model) -> None:
        super().__init__()
        self.model = model
        strides, kernels = model.config.conv_stride, model.config.conv_kernel
        apart = [math.prod(strides[:layer]) for layer in range(len(strides))]
        self.stride = math.prod(strides)
        self.reach = 1 + sum((size - 1) * step for size, step in zip(kernels, apart, strict=True))

    @property
    def width(self) -> int:
        """C, features of a frame."""
        return int(self.model.config.hidden_size)

    @property
    def settings(self) -> dict[str, Any]:
        """What :meth:`from_settings` needs to make the same network again, as JSON values."""
        return self.model.config.to_diff_dict()

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """A trained network, from the Hugging Face hub by name or from a local folder.

        Weights are read from safetensors only, never from a pickle.

        Raises:
            InputError: nothing of that name, or no safetensors in it.
            MissingExtra: transformers is not installed.
        """
        try:
            model = _transformers().Wav2Vec2Model.from_pretrained(str(name), use_safetensors=True)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(
                f"the speech encoder must be a folder with config.json and model.safetensors, or a name on "
                f"the Hugging Face hub, got {str(name)!r}: {first}"
            ) from error
        return cls(model.eval())

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        """An untrained network of the given sizes, such as ``**LARGE``.

        Raises:
            MissingExtra: transformers is not installed.
        """
        library = _transformers()
        return cls(library.Wav2Vec2Model(library.Wav2Vec2Config(**settings)))

    def forward(self, waveform: Tensor, fps: float) -> Tensor:
        """Features (B, T, C) of sounds (B, N), one for each frame at ``fps``."""
        check_shape("waveform", waveform, (None, None))
        check_range("fps", fps, 0, open_low=True)
        count = frames_beside(waveform.shape[1], fps)
        heard = self.model.feature_extractor(self._prepared(waveform)).mT
        projected, _ = self.model.feature_projection(self._at_frames(heard, count, fps))
        return self.model.encoder(projected).last_hidden_state

    def _prepared(self, waveform: Tensor) -> Tensor:
        """Of mean 0 and deviation 1, as in training, with silence about it for the first and last frame."""
        deviation = (waveform.var(dim=1, keepdim=True, correction=0) + 1e-7).sqrt()
        normal = (waveform - waveform.mean(dim=1, keepdim=True)) / deviation
        return functional.pad(normal, (self.reach // 2, self.reach // 2 + self.stride))

    def _at_frames(self, heard: Tensor, count: int, fps: float) -> Tensor:
        """(B, T, F) of (B, M, F), of which feature m is centred on sample m * stride + (reach - 1) / 2."""
        moments = torch.arange(count, dtype=torch.float64, device=heard.device) * (SPEECH_RATE / fps)
        place = (moments + self.reach // 2 - (self.reach - 1) / 2) / self.stride
        return read_linearly(heard, place)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "speech") from error
    return transformers
