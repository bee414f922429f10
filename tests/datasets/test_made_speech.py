"""Made speech: the same each time, nothing shared between splits, lips that close and open when they must."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio.phones import BILABIALS, OPEN_VOWELS
from meshanim.datasets import MadeSpeech
from meshanim.datasets.coarticulation import LipCloser
from meshanim.datasets.made_speech import ACCENTS, HELD_OUT_ACCENTS, VARIANTS
from meshanim.datasets.sentences import GRID, SENTENCES, grid_sentence, sentences
from meshanim.datasets.visemes import GLIDES, VISEMES
from meshanim.faces import load_face

SIZE = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, own_cache: Callable[[Path], str]):
    pytest.importorskip("espeakng_loader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MESHANIM_CACHE", own_cache(tmp_path_factory.mktemp("cache")))
        yield MadeSpeech("test", SIZE)


def _gaps(made: MadeSpeech):
    """Each utterance with the gap of its lips in mm, on its own face."""
    face = load_face("anny")
    for utterance in made:
        yield utterance, 1000 * LipCloser(face, utterance.identity).gap(utterance.weights)


def test_tracks_and_sound_last_equally_long(made: MadeSpeech) -> None:
    assert len(made) == 2
    for utterance in made:
        assert 2 <= utterance.duration <= 12
        assert utterance.frame_count == utterance.sound.frame_count(utterance.fps)
        assert utterance.phones[0].start == 0
        assert utterance.phones[-1].end == pytest.approx(utterance.sound.duration)
        assert utterance.sound.sample_rate == 16000
        assert utterance.sound.waveform.abs().max() > 0.05


def test_lips_meet_for_p_b_m_and_part_for_open_vowels(made: MadeSpeech) -> None:
    closed, opened = [], []
    for utterance, gap in _gaps(made):
        for phone in utterance.phones:
            if phone.symbol in BILABIALS:
                closed.append(float(gap[round(phone.centre * utterance.fps)]))
            if phone.symbol in OPEN_VOWELS:
                first, last = round(phone.start * utterance.fps), round(phone.end * utterance.fps)
                opened.append(float(gap[first : last + 1].max()))
    assert len(closed) >= 5 and len(opened) >= 5
    assert max(closed) < 1.0
    # a vowel of 50 ms between two closures may fall between frames
    assert sum(gap > 4.0 for gap in opened) >= 0.9 * len(opened)


def test_silence_is_rest(made: MadeSpeech) -> None:
    for utterance, gap in _gaps(made):
        last = next(phone.end for phone in reversed(utterance.phones) if not phone.symbol.startswith("_"))
        silent = torch.arange(len(gap)) / utterance.fps > last + 0.15
        rest = 1000 * LipCloser(load_face("anny"), utterance.identity).gap(torch.zeros(1, 52))
        assert silent.any() and (gap[silent] - rest).abs().max() < 0.5
        assert (gap[0] - rest).abs() < 0.5


def test_the_same_seed_gives_the_same_bytes(
    made: MadeSpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("MESHANIM_CACHE", own_cache(tmp_path))
    seen: list[tuple[int, int]] = []
    again = MadeSpeech("test", SIZE, progress=lambda done, count: seen.append((done, count)))
    assert seen == [(1, 2), (2, 2)]
    for file in made.folder.iterdir():
        assert (again.folder / file.name).read_bytes() == file.read_bytes()


def test_it_reads_as_a_sequence(made: MadeSpeech) -> None:
    assert [one.name for one in made[:2]] == [made[0].name, made[-1].name]
    with pytest.raises(IndexError):
        made[2]
    with pytest.raises(InputError, match="split must be one of"):
        MadeSpeech("dev")
    with pytest.raises(InputError, match="seed must be at least 0"):
        MadeSpeech("train", seed=-1)


def test_splits_share_no_sentence_and_no_voice() -> None:
    parts = [set(sentences(split)) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(SENTENCES) == len(set().union(*parts))
    assert all(len(part) >= 10 for part in parts)
    voices = [{name for sex in VARIANTS[split] for name in sex} for split in VARIANTS]
    assert sum(map(len, voices)) == len(set().union(*voices))
    assert not set(ACCENTS) & set(HELD_OUT_ACCENTS)
    generator = torch.Generator().manual_seed(0)
    said = {split: {grid_sentence(split, generator) for _ in range(300)} for split in VARIANTS}
    assert not said["train"] & said["test"] and not said["train"] & said["validation"]


def test_the_sentences_hold_all_sounds_of_english() -> None:
    speak = pytest.importorskip("meshanim.audio.espeak")
    pytest.importorskip("espeakng_loader")
    words = " ".join(word for place in GRID for word in place)
    for voice in ("en-gb", "en-us"):
        heard = {phone.symbol for phone in speak.speak_text(" ".join(sentences("train")), voice).phones}
        wanted = "p b t d k g tS dZ f v T D s z S Z h m n N l r w j i: I E a V 0 U u: 3: @ eI aI OI aU"
        assert set(wanted.split()) - heard <= ({"0"} if voice == "en-us" else set())
        heard |= {phone.symbol for phone in speak.speak_text(words, voice).phones}
        assert heard <= VISEMES.keys() | GLIDES.keys()
