"""The WAV that the browser plays, read by the standard library."""

import base64
import io
import wave

import numpy as np
import torch

from meshanim.export.sound import wav
from meshanim.viewer.sound import audio_element


def samples(file: bytes) -> tuple[int, np.ndarray]:
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        return reader.getframerate(), np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32767


def test_sound_comes_back_to_half_a_step() -> None:
    tone = torch.linspace(-1.2, 1.2, 4000)
    rate, back = samples(wav(tone, 8000))
    assert rate == 8000
    assert np.abs(back - tone.clamp(-1, 1).numpy()).max() <= 0.5 / 32767 + 1e-6


def test_sound_begins_where_the_playhead_is() -> None:
    tone = torch.arange(8000) / 8000
    _, back = samples(wav(tone, 8000, start=0.25))
    assert len(back) == 6000 and abs(back[0] - 0.25) < 1e-4
    assert len(samples(wav(tone, 8000, start=9.0))[1]) == 0


def test_the_element_has_the_sound_in_it_and_when_it_began() -> None:
    first = audio_element(torch.zeros(80), 8000, 0.0, 1_700_000_000.25)
    assert "Date.now() / 1000 - 1700000000.250" in first
    assert samples(base64.b64decode(first.split("base64,")[1].split('"')[0]))[0] == 8000
