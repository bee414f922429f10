"""Readers of published audiovisual speech: GRID, TCD-TIMIT, CREMA-D.

Each checks a folder as its owner publishes it and lists its clips; picture and sound stay on disk until they
are asked for, ``read_video(clip.video)`` frame by frame.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meshanim._check import InputError, check_seed
from meshanim.datasets._layout import at_least_one, beside, corpus_folder, read_lines, visible

VIDEO_SUFFIXES = (".mpg", ".mp4", ".flv", ".avi", ".mov")

GRID_WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four"}
    | {"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""Command, colour, preposition, letter, digit and adverb, by what stands for them in a file name."""
_GRID_TICKS = 25_000
"""Ticks per second of GRID's alignments: a thousand a frame."""

_TEST_WOMEN = ("08F", "09F", "15F", "33F", "36F", "44F", "45F", "49F", "55F", "58F")
_TEST_MEN = ("18M", "25M", "28M", "34M", "41M", "54M", "56M")
TCD_TIMIT_TEST = (*_TEST_WOMEN, *_TEST_MEN)
"""The 17 volunteers of the recommended test set (Harte and Gillen 2015)."""
_HTK_TICKS = 10_000_000
"""Ticks per second of HTK's label files."""

CREMA_D_SENTENCES = {
    "DFA": "don't forget a jacket",
    "IEO": "it's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "maybe tomorrow it will be cold",
    "TAI": "the airplane is almost full",
    "TIE": "that is exactly what happened",
    "TSI": "the surface is slick",
    "WSI": "we'll stop in a couple of minutes",
}
CREMA_D_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
CREMA_D_LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}


@dataclass(frozen=True)
class TimedLabel:
    """A word or phone, and when it is said.

    Attributes:
        label: the word, or the phone in the owner's alphabet.
        start: seconds from the beginning of the clip.
        end: seconds.
    """

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class SpokenClip:
    """One person says one sentence.

    Attributes:
        name: the owner's name of the clip, unique for its speaker.
        speaker: the owner's name of the person.
        text: the sentence, where it is known.
        video: picture, mostly with sound.
        sound: sound file; the video, where it holds the sound.
        words: words with their times, silence as ``sil``, where an alignment is there.
        phones: phones with their times, where there are labels.
        emotion: acted emotion, where there is one.
        level: its strength: low, medium or high, where it is given.
        split: part of the published split that the clip belongs to, where there is one.
    """

    name: str
    speaker: str
    text: str | None
    video: Path
    sound: Path
    words: tuple[TimedLabel, ...] = ()
    phones: tuple[TimedLabel, ...] = ()
    emotion: str | None = None
    level: str | None = None
    split: str | None = None


def split_by_speaker(
    clips: Iterable[SpokenClip], shares: tuple[float, float, float] = (0.5, 0.2, 0.3), seed: int = 0
) -> dict[str, list[SpokenClip]]:
    """Divide clips into ``train``, ``validation`` and ``test``, nobody in two of them.

    Papers name the shares, not the speakers: polynomial fusion (Kefalas et al. 2020) divides GRID as 50, 20
    and 30 percent and CREMA-D as 70, 15 and 15; TCSAN gives 27 of GRID's 33 speakers and 49 of TCD-TIMIT's 59
    to training, the others to the test. Who is where is drawn here from ``seed``, from the sorted names.

    Args:
        clips: clips of any number of speakers.
        shares: of the speakers, for the three parts; they sum to one.
        seed: of the draw.
    """
    if len(shares) != 3 or not (min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-6):
        raise InputError(f"shares must be three numbers, at least 0, that sum to 1, got {shares}")
    check_seed(seed)
    every = list(clips)
    names = sorted({clip.speaker for clip in every})
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    borders = [round(sum(shares[:part]) * len(names)) for part in range(4)]
    parts = zip(("train", "validation", "test"), borders, borders[1:], strict=False)
    chosen = {part: set(order[low:high]) for part, low, high in parts}
    return {part: [clip for clip in every if clip.speaker in who] for part, who in chosen.items()}


def grid_sentence(name: str) -> str | None:
    """The sentence that a file name of GRID spells: ``bbaf2n`` is "bin blue at f two now"."""
    if len(name) != len(GRID_WORDS):
        return None
    words = [known.get(letter) for known, letter in zip(GRID_WORDS, name.lower(), strict=True)]
    return None if None in words else " ".join(word for word in words if word)


def read_grid(folder: str | Path) -> Iterator[SpokenClip]:
    """GRID (Cooke et al. 2006): 33 filmed speakers, 1,000 sentences of six words each, 25 frames/s, 3 s.

    Args:
        folder: one folder a speaker, ``s1`` to ``s34``, with ``bbaf2n.mpg`` (or ``.mp4``) anywhere in it, of
            several the largest file, since GRID comes in two qualities; and, where present, the alignments
            ``bbaf2n.align``, anywhere in it too or in ``alignments/s1`` or ``align/s1``.
    """
    layout = "<speaker>/<sentence>.mpg"
    root = corpus_folder(folder, layout)
    speakers = [place for place in sorted(root.iterdir(), key=_natural) if re.fullmatch(r"s\d+", place.name)]
    found = (clip for place in speakers if place.is_dir() for clip in _grid_speaker(root, place))
    return at_least_one(found, root, layout, "videos named by their sentence")


def _grid_speaker(root: Path, place: Path) -> Iterator[SpokenClip]:
    shared = [(root / folder / place.name).glob("*.align") for folder in ("align", "alignments")]
    aligned = {path.stem: path for path in itertools.chain(*shared, place.rglob("*.align"))}
    largest = {path.stem: path for path in sorted(_videos(place.rglob("*")), key=_size)}
    for video in sorted(largest.values()):
        text = grid_sentence(video.stem)
        if text is not None:
            path = aligned.get(video.stem)
            words = _grid_words(path) if path else ()
            yield SpokenClip(video.stem, place.name, text, video, video, words)


def _grid_words(path: Path) -> tuple[TimedLabel, ...]:
    return _timed(path, read_lines(path), _GRID_TICKS)


def read_tcd_timit(folder: str | Path) -> Iterator[SpokenClip]:
    """TCD-TIMIT (Harte and Gillen 2015): 59 volunteers and 3 lipspeakers, TIMIT's sentences, seen frontally.

    The split is the recommended one for volunteers, see :data:`TCD_TIMIT_TEST`; lipspeakers belong to no
    part.

    Args:
        folder: ``volunteers/01M/Clips/straightcam/sa1.mp4`` and ``lipspeakers/Lipspkr1/...``, with
            ``sa1.wav`` and ``sa1.txt`` beside them where present; the phones are in
            ``volunteer_labelfiles.mlf`` and ``lipspeaker_labelfiles.mlf``, where present.
    """
    layout = "volunteers/<speaker>/Clips/straightcam/<sentence>.mp4"
    root = corpus_folder(folder, layout)
    labels: dict[tuple[str, str], tuple[TimedLabel, ...]] = {}
    for path in sorted(visible(root.glob("*.mlf"))):
        labels |= _master_labels(path)
    places = (place for group in ("volunteers", "lipspeakers") for place in sorted((root / group).glob("*")))
    found = (
        _tcd_clip(video, place, labels)
        for place in places
        for video in _videos((place / "Clips" / "straightcam").glob("*"))
    )
    return at_least_one(found, root, layout, "videos")


def _tcd_clip(video: Path, place: Path, labels: dict[tuple[str, str], tuple[TimedLabel, ...]]) -> SpokenClip:
    text, speaker = beside(video.with_suffix(".txt")), place.name
    split = None
    if place.parent.name == "volunteers":
        split = "test" if speaker.upper() in TCD_TIMIT_TEST else "train"
    return SpokenClip(
        video.stem,
        speaker,
        " ".join(" ".join(read_lines(text)).lower().split()) if text else None,
        video,
        beside(video.with_suffix(".wav")) or video,
        phones=labels.get((speaker.lower(), video.stem.lower()), ()),
        split=split,
    )


def _master_labels(path: Path) -> dict[tuple[str, str], tuple[TimedLabel, ...]]:
    """Phones by speaker and sentence, of one of HTK's master label files."""
    lines = read_lines(path)
    if not lines or lines[0].strip() != "#!MLF!#":
        raise InputError(f"{path} must begin with #!MLF!#, as HTK's master label files do")
    labels: dict[tuple[str, str], tuple[TimedLabel, ...]] = {}
    for block in "\n".join(lines[1:]).split("\n.\n"):
        head, *rows = block.strip().removesuffix("\n.").splitlines() or [""]
        place = re.search(r"([^/\\]+)[/\\]Clips[/\\]straightcam[/\\]([^/\\]+)\.\w+\"?$", head, re.IGNORECASE)
        if place:
            labels[place[1].lower(), place[2].lower()] = _timed(path, rows, _HTK_TICKS)
    return labels


def read_crema_d(folder: str | Path) -> Iterator[SpokenClip]:
    """CREMA-D (Cao et al. 2014): 91 actors, 12 sentences, six emotions at up to three levels.

    Args:
        folder: ``VideoFlash`` with ``1001_DFA_ANG_XX.flv`` (or any other video of that name) and, where
            present, ``AudioWAV`` with ``1001_DFA_ANG_XX.wav``.
    """
    layout = "VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv"
    root = corpus_folder(folder, layout)
    clips = (_crema_clip(root, video) for video in _videos((root / "VideoFlash").glob("*")))
    return at_least_one((clip for clip in clips if clip), root, layout, "videos so named")


def _crema_clip(root: Path, video: Path) -> SpokenClip | None:
    named = re.fullmatch(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})", video.stem)
    if named is None or named[2] not in CREMA_D_SENTENCES or named[3] not in CREMA_D_EMOTIONS:
        return None
    return SpokenClip(
        video.stem,
        named[1],
        CREMA_D_SENTENCES[named[2]],
        video,
        beside(root / "AudioWAV" / f"{video.stem}.wav") or video,
        emotion=CREMA_D_EMOTIONS[named[3]],
        level=CREMA_D_LEVELS.get(named[4]),
    )


def _videos(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in visible(paths) if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())


def _size(path: Path) -> int:
    return path.stat().st_size


def _natural(path: Path) -> tuple[int, str]:
    """``s2`` before ``s10``."""
    return len(path.name), path.name


def _timed(path: Path, rows: list[str], ticks: int) -> tuple[TimedLabel, ...]:
    """Rows "start end label" in ticks."""
    spoken = []
    for row in filter(str.strip, rows):
        try:
            start, end, label, *_ = row.split()
            spoken.append(TimedLabel(label, int(start) / ticks, int(end) / ticks))
        except ValueError:
            raise InputError(f"{path} must have rows of start, end and label, got {row.strip()!r}") from None
    return tuple(spoken)
