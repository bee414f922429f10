"""The performance's sound, for the browser to play."""

from __future__ import annotations

import base64
import io
import wave

import torch
from torch import Tensor

TOLERANCE = 10
"""Seconds that a browser may take to have a sound; if it says more, its clock is another."""


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


def audio_element(waveform: Tensor, sample_rate: int, start: float, began: float) -> str:
    """HTML that plays the sound from ``start`` seconds on, as it was to be heard at the time ``began``.

    ``began`` counts in seconds since 1970. By the time that the browser has the sound, some of it is over;
    where its clock and ours agree, that part is left out, so that sound and picture keep step.
    """
    data = base64.b64encode(wav(waveform, sample_rate, start)).decode()
    late = f"const late = Date.now() / 1000 - {began:.3f}"
    skip = f"if (late > 0 && late < {TOLERANCE}) this.currentTime = late"
    return f'<audio onloadeddata="{late}; {skip}; this.play()" src="data:audio/wav;base64,{data}"></audio>'
