"""Sound, and what speech sounds like: reading, spectra, encoders, action units. Knows no mesh."""

from meshanim.audio.audio_to_units import SPEECH_UNITS, AudioToUnits
from meshanim.audio.features import log_mel, log_mel_windows, mfcc_windows, stream_mfcc_windows
from meshanim.audio.log_mel_encoder import EncoderStream, LogMelEncoder
from meshanim.audio.noise import NOISE_DECIBELS, mix_noise
from meshanim.audio.sound import SPEECH_RATE, Sound, find_sound, frames_beside, read_sound, resample
from meshanim.audio.wav import encode_wav, write_sound
from meshanim.audio.wav2vec2 import Wav2Vec2Encoder

__all__ = [
    "NOISE_DECIBELS",
    "SPEECH_RATE",
    "SPEECH_UNITS",
    "AudioToUnits",
    "EncoderStream",
    "LogMelEncoder",
    "Sound",
    "Wav2Vec2Encoder",
    "encode_wav",
    "find_sound",
    "frames_beside",
    "log_mel",
    "log_mel_windows",
    "mfcc_windows",
    "mix_noise",
    "read_sound",
    "resample",
    "stream_mfcc_windows",
    "write_sound",
]
