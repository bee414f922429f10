"""The sound that the browser plays, read by the standard library."""

import base64
import io
import wave

import numpy as np
import torch

from meshanim.viewer.sound import audio_element


def samples(element: str) -> tuple[int, np.ndarray]:
    file = base64.b64decode(element.split("base64,")[1].split('"')[0])
    with wave.open(io.BytesIO(file)) as reader:
        return reader.getframerate(), np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32767


def test_sound_begins_where_the_playhead_is() -> None:
    rising = torch.arange(8000) / 8000
    rate, back = samples(audio_element(rising, 8000, 0.25, 0.0))
    assert rate == 8000 and len(back) == 6000 and abs(back[0] - 0.25) < 1e-4
    assert len(samples(audio_element(rising, 8000, 9.0, 0.0))[1]) == 0


def test_the_element_says_when_its_sound_began() -> None:
    assert "Date.now() / 1000 - 1700000000.250" in audio_element(torch.zeros(80), 8000, 0.0, 1_700_000_000.25)
