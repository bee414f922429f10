"""Text to speech by espeak-ng, with its own timings of the sounds.

espeak-ng is GPL-3.0, so that the extra ``speech`` brings it and nothing here requires it. Its library keeps
state from one text to the next (a phase, random numbers), so that each text here gets the library freshly
loaded: the same text then gives the same bytes, whatever was spoken before.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

import torch

from meshanim._check import InputError, MissingExtra, check_range
from meshanim.audio.phones import PAUSES, STOPS, Phone, Word
from meshanim.audio.sound import Sound

_SYNCHRONOUS, _NO_EXIT, _PHONEME_EVENTS = 2, 0x8000, 1
_UTF8, _SSML = 1, 0x10
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_END, _WORD, _PHONEME = 0, 1, 7
_SILENT = 2**-11
"""Loudest sample of silence; closures of voiceless stops hold zeros."""
_LATE = 0.006
"""Seconds by which a burst may begin ahead of its event."""
_VOICED_RELEASE = 0.6
"""Share of a voiced stop between vowels after which espeak-ng's recordings burst."""
_VOICED_LEAST = 0.04
"""Seconds below which a voiced stop is its burst alone."""
_STRESS = {",": 1, "'": 2}
_LOCK = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


class _Voice(ctypes.Structure):
    """The beginning of espeak_VOICE of speak_lib.h."""

    _fields_ = (("name", ctypes.c_char_p), ("languages", ctypes.c_char_p), ("identifier", ctypes.c_char_p))


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, eq=False)
class Spoken:
    """A spoken text.

    Attributes:
        sound: the voice, at espeak-ng's own rate.
        phones: the sounds and pauses one after another, from the beginning of ``sound`` to its end.
        words: the words in time.
    """

    sound: Sound
    phones: tuple[Phone, ...]
    words: tuple[Word, ...]


def _installed() -> tuple[str, Path]:
    """Paths of the library and of its data."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingExtra("espeakng-loader", "speech") from error
    return espeakng_loader.get_library_path(), Path(espeakng_loader.get_data_path())


@contextmanager
def _library() -> Iterator[tuple[Any, int]]:
    """espeak-ng as if nobody had spoken yet, with its sample rate; one text at a time."""
    import _ctypes

    path, data = _installed()
    with _LOCK:
        library = ctypes.CDLL(path)
        try:
            options = _PHONEME_EVENTS | _NO_EXIT
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(data.parent).encode(), options)
            if rate <= 0:
                raise InputError(f"espeak-ng must have its data in {data}, got none that it can read")
            yield library, rate
            library.espeak_Terminate()
        finally:
            _ctypes.dlclose(library._handle)


@cache
def _voices() -> dict[str, str]:
    """espeak-ng's own name of each voice, by language tag and by that name."""
    found: dict[str, str] = {}
    with _library() as (library, _):
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        for voice in iter(library.espeak_ListVoices(None)):
            if not voice:
                break
            identifier = voice.contents.identifier.decode()
            # a byte of priority goes before the first of the tags
            tag = voice.contents.languages[1:].decode()
            found |= {name.lower(): identifier for name in (tag, identifier, identifier.split("/")[-1])}
    return found


@cache
def _variants() -> frozenset[str]:
    return frozenset(path.name for path in (_installed()[1] / "voices" / "!v").iterdir())


def _voice(name: str) -> str:
    """What espeak-ng calls a voice, as ``en-gb`` or, with a variant, ``en-us+f2``."""
    language, plus, variant = name.partition("+")
    for kind, given, known in (("voice", language.lower(), _voices()), ("variant", variant, _variants())):
        if given not in known and not (kind == "variant" and not plus):
            usual = ("en-gb", "en-us", "en-gb-scotland") if kind == "voice" else ("f2", "m3", "whisper")
            near = ", ".join(get_close_matches(given, known, n=3, cutoff=0.6) or usual)
            raise InputError(f"{kind} of espeak-ng must be one it has, such as {near}, got {given!r}")
    return _voices()[language.lower()] + plus + variant


def _marked(text: str) -> str:
    """The text as SSML: *words* between asterisks are emphasised."""
    emphasis = r'<emphasis level="strong">\1</emphasis>'
    return re.sub(r"\*([^*]+)\*", emphasis, escape(text))


def _phones(events: list[tuple[str, int]], samples: torch.Tensor, rate: int) -> tuple[Phone, ...]:
    """Sounds from espeak-ng's events, which name a sound and the sample at which it begins.

    Its event of a voiceless stop stands where the breath bursts; here the stop has its silence too.
    """
    loud = samples.abs() > _SILENT
    ends = [start for _, start in events] + [len(samples)]
    found = [Phone("_", 0.0, ends[0] / rate)]
    for (name, start), end in zip(events, ends[1:], strict=True):
        symbol = name.lstrip("',")
        stress = max((_STRESS.get(mark, 0) for mark in name[: len(name) - len(symbol)]), default=0)
        begin, release = start, None
        if symbol in STOPS:
            earliest = round(found[-1].start * rate)
            heard = loud[earliest : max(earliest, start - round(_LATE * rate))].nonzero()
            begin = earliest + (int(heard[-1]) + 1 if len(heard) else 0)
            if start - begin <= 2 * _LATE * rate:
                begin = start
            voiced = begin == start and end - start > _VOICED_LEAST * rate
            release = start + (round(_VOICED_RELEASE * (end - start)) if voiced else 0)
            found[-1] = found[-1]._replace(end=begin / rate)
        opened = None if release is None else release / rate
        found.append(Phone(symbol, begin / rate, end / rate, stress, opened))
    return tuple(phone for phone in found if phone.end > phone.start)


def speak_text(
    text: str,
    voice: str = "en-gb",
    speed: float = 160.0,
    pitch: float = 50.0,
    liveliness: float = 50.0,
    volume: float = 70.0,
) -> Spoken:
    """Speak a text; *words* between asterisks are emphasised.

    Args:
        text: what to say, in the voice's language.
        voice: a voice of espeak-ng by its language, with or without a variant: ``en-gb``, ``en-us+f2``.
        speed: words per minute, 80 to 449; from 450 on espeak-ng's sounds do not begin when it says.
        pitch: 0 to 100.
        liveliness: how far the pitch rises and falls, 0 to 100.
        volume: 0 to 100; at more than about 80 loud vowels are clipped.

    Raises:
        InputError: nothing that can be spoken, or written as UTF-8, an unknown voice, a number out of range.
        MissingExtra: espeakng-loader is not installed.
    """
    for name, value, low, high in (
        ("speed", speed, 80, 449),
        ("pitch", pitch, 0, 100),
        ("liveliness", liveliness, 0, 100),
        ("volume", volume, 0, 100),
    ):
        check_range(name, value, low, high)
    if re.search("[\0\ud800-\udfff]", text):
        raise InputError(f"text must be Unicode that UTF-8 can hold, without zeros, got {text!r}")
    if not any(letter.isalnum() for letter in text):
        raise InputError(f"text must have something to pronounce, got {text!r}")
    samples, sounds, words, rate = _synthesized(
        _marked(text), _voice(voice), {_RATE: speed, _PITCH: pitch, _RANGE: liveliness, _VOLUME: volume}
    )
    phones = _phones(sounds, samples, rate)
    if all(phone.symbol in PAUSES for phone in phones):
        raise InputError(f"text must have something to pronounce, got {text!r}")
    return Spoken(Sound(samples, rate), phones, _words(words, phones, rate))


def _synthesized(
    marked: str, voice: str, parameters: dict[int, float]
) -> tuple[torch.Tensor, list[tuple[str, int]], list[tuple[str, int]], int]:
    """Samples (N,) in [-1, 1]; sounds and words, each with the sample at which it begins; the sample rate."""
    heard, sounds, words = bytearray(), [], []

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, 2 * count))
        for event in events:
            if event.type == _END:
                break
            if event.type == _PHONEME:
                sounds.append((event.id.string.decode(), event.sample))
            elif event.type == _WORD:
                place = event.text_position
                found = re.search(r"&\w+;$", marked[:place]) or re.match(r"[^\s<]+", marked[place - 1 :])
                words.append((unescape(found.group()) if found else "", event.sample))
        return 0

    callback, said = _Callback(receive), marked.encode()
    with _library() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetVoiceByName(voice.encode())
        for number, value in parameters.items():
            library.espeak_SetParameter(number, round(value), 0)
        library.espeak_Synth(said, len(said) + 1, 0, 1, 0, _UTF8 | _SSML, None, None)
    samples = torch.frombuffer(heard, dtype=torch.int16) if heard else torch.zeros(0, dtype=torch.int16)
    return samples.float() / 2**15, sounds, words, rate


def _words(words: list[tuple[str, int]], phones: tuple[Phone, ...], rate: int) -> tuple[Word, ...]:
    """Words, each up to the next one or to the pause after it."""
    spoken = [(text, start / rate) for text, start in words if text]
    pauses = [phone.start for phone in phones if phone.symbol in PAUSES]
    found = []
    for place, (text, start) in enumerate(spoken):
        following = spoken[place + 1][1] if place + 1 < len(spoken) else phones[-1].end
        end = min([following, *(pause for pause in pauses if pause > start)])
        if end > start:
            found.append(Word(text, start, end))
    return tuple(found)
