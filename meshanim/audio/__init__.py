"""Sound, and what speech sounds like: reading, spectra, encoders, action units. Knows no mesh."""

from meshanim.audio.features import log_mel, mfcc_windows
from meshanim.audio.noise import NOISE_DECIBELS, mix_noise
from meshanim.audio.sound import SPEECH_RATE, Sound, find_sound, read_sound, resample
from meshanim.audio.wav import encode_wav, write_sound

__all__ = [
    "NOISE_DECIBELS",
    "SPEECH_RATE",
    "Sound",
    "encode_wav",
    "find_sound",
    "log_mel",
    "mfcc_windows",
    "mix_noise",
    "read_sound",
    "resample",
    "write_sound",
]
