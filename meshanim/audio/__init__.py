"""Sound, and what speech sounds like: reading, spectra, encoders, action units. Knows no mesh."""

from meshanim.audio.sound import SPEECH_RATE, Sound, find_sound, read_sound, resample
from meshanim.audio.wav import encode_wav, write_sound

__all__ = [
    "SPEECH_RATE",
    "Sound",
    "encode_wav",
    "find_sound",
    "read_sound",
    "resample",
    "write_sound",
]
