"""Writing sound: 16-bit mono WAV, which everything reads."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import torch
from torch import Tensor

from meshanim._files import atomic_path
from meshanim.audio.sound import Sound


def encode_wav(waveform: Tensor, sample_rate: int) -> bytes:
    """The bytes of a WAV file of samples (N,); those beyond [-1, 1] are held there.

    In steps of 1 / 32768, as they are read: samples of 16 bits stay as they are.
    """
    samples = (2**15 * waveform.detach().to("cpu", torch.float32)).round().clamp(-(2**15), 2**15 - 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(samples.to(torch.int16).numpy().astype("<i2").tobytes())
    return file.getvalue()


def write_sound(path: str | Path, sound: Sound) -> Path:
    """Write a WAV file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode_wav(sound.waveform, sound.sample_rate))
    return Path(path)
