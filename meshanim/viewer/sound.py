"""The performance's sound, for the browser to play."""

from __future__ import annotations

import base64

from torch import Tensor

from meshanim.export.sound import wav

TOLERANCE = 10
"""Seconds that a browser may take to have a sound; if it says more, its clock is another."""


def audio_element(waveform: Tensor, sample_rate: int, start: float, began: float) -> str:
    """HTML that plays the sound from ``start`` seconds on, as it was to be heard at the time ``began``.

    ``began`` counts in seconds since 1970. By the time that the browser has the sound, some of it is over;
    where its clock and ours agree, that part is left out, so that sound and picture keep step.
    """
    data = base64.b64encode(wav(waveform, sample_rate, start)).decode()
    late = f"const late = Date.now() / 1000 - {began:.3f}"
    skip = f"if (late > 0 && late < {TOLERANCE}) this.currentTime = late"
    return f'<audio onloadeddata="{late}; {skip}; this.play()" src="data:audio/wav;base64,{data}"></audio>'
