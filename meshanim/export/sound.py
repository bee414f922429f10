"""A performance's sound as a file."""

from __future__ import annotations

import io
import wave

import torch
from torch import Tensor


def wav(waveform: Tensor, sample_rate: int, start: float = 0.0) -> bytes:
    """A 16-bit mono WAV file of samples (N,) in [-1, 1], from ``start`` seconds on."""
    samples = waveform[round(start * sample_rate) :].detach().to("cpu", torch.float32).clamp(-1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes((32767 * samples).round().to(torch.int16).numpy().astype("<i2").tobytes())
    return file.getvalue()
