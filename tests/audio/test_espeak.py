"""Text to speech: the same bytes each time, and timings that the sound itself bears out."""

import sys
from itertools import pairwise

import pytest
import torch

from meshanim._check import InputError, MissingExtra
from meshanim.audio.espeak import Spoken, speak_text
from meshanim.audio.phones import BILABIALS, STOPS, Phone


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    pytest.importorskip("espeakng_loader")
    return speak_text("Happy puppies stop near one big map. Keep up, Bob!", "en-gb")


def _level(spoken: Spoken, start: float, end: float) -> float:
    rate = spoken.sound.sample_rate
    return float(spoken.sound.waveform[round(start * rate) : round(end * rate)].abs().max())


def test_the_same_text_gives_the_same_bytes_whatever_was_spoken_before(spoken: Spoken) -> None:
    first = speak_text("Hello there.", "en-us+f2")
    speak_text("Something else altogether, by somebody else.", "en-gb-scotland+m3")
    again = speak_text("Hello there.", "en-us+f2")
    assert torch.equal(first.sound.waveform, again.sound.waveform)
    assert first.phones == again.phones and first.words == again.words


def test_another_default_type_speaks_the_same(spoken: Spoken, doubles) -> None:
    with doubles():
        said = speak_text("Happy puppies stop near one big map. Keep up, Bob!", "en-gb")
    assert torch.equal(said.sound.waveform, spoken.sound.waveform)


def test_sounds_follow_each_other_from_beginning_to_end(spoken: Spoken) -> None:
    phones = spoken.phones
    assert phones[0].start == 0
    assert phones[-1].end == pytest.approx(spoken.sound.duration)
    assert all(one.end == other.start for one, other in pairwise(phones))
    assert all(phone.end > phone.start for phone in phones)


@pytest.mark.parametrize("speed", [80, 449])
def test_no_sound_begins_before_the_last_ends_at_any_speed(spoken: Spoken, speed: float) -> None:
    said = speak_text("Peter put a big bag back.", speed=speed)
    assert all(before.end == after.start for before, after in pairwise(said.phones))
    assert [phone.symbol for phone in said.phones].count("p") == 2


def test_voiceless_stops_are_silent_until_they_burst(spoken: Spoken) -> None:
    inside = [
        (before, phone)
        for before, phone in pairwise(spoken.phones)
        if phone.symbol == "p" and phone.release is not None and phone.release > phone.start
    ]
    assert len(inside) >= 5
    for before, phone in inside:
        assert phone.release is not None
        assert _level(spoken, phone.start + 0.001, phone.release - 0.008) < 1e-3
        assert _level(spoken, phone.release, phone.end) > 5e-3
        if not before.symbol.startswith("_"):
            assert _level(spoken, before.start, phone.start) > 5e-3


def test_only_stops_have_a_release_and_it_lies_within(spoken: Spoken) -> None:
    for phone in spoken.phones:
        assert (phone.release is not None) == (phone.symbol in STOPS)
        assert phone.release is None or phone.start <= phone.release <= phone.end
    assert {"p", "b", "m"} == BILABIALS & {phone.symbol for phone in spoken.phones}


def test_the_centre_of_a_stop_is_that_of_its_closure() -> None:
    stop = Phone("p", 1.0, 1.2, release=1.1)
    assert stop.centre == pytest.approx(1.05)
    assert stop.later(0.5).centre == pytest.approx(1.55)
    assert Phone("a", 1.0, 1.2).centre == pytest.approx(1.1)


def test_words_come_in_order_and_end_before_pauses(spoken: Spoken) -> None:
    texts = [word.text for word in spoken.words]
    assert texts == ["Happy", "puppies", "stop", "near", "one", "big", "map.", "Keep", "up,", "Bob!"]
    assert all(one.end <= other.start for one, other in pairwise(spoken.words))
    assert spoken.words[7].start - spoken.words[6].end > 0.2


def test_stress_and_emphasis_are_marked(spoken: Spoken) -> None:
    plain, marked = (speak_text(text, "en-gb") for text in ("I really mean it", "I *really* mean it"))
    vowel = next(phone for phone in spoken.phones if phone.stress)
    assert vowel.symbol == "a" and vowel.stress == 2
    loudest = [
        _level(said, said.words[1].start, said.words[1].end) / _level(said, *said.words[2][1:])
        for said in (plain, marked)
    ]
    assert loudest[1] > 1.2 * loudest[0]
    assert marked.words[1].text == "really"


def test_marks_of_other_languages_are_read_as_text(spoken: Spoken) -> None:
    assert speak_text("a < b & c", "en-gb").sound.duration > speak_text("a b c", "en-gb").sound.duration


def test_speed_and_volume_are_obeyed(spoken: Spoken) -> None:
    slow, fast = (speak_text("Five foxes", "en-gb", speed=speed) for speed in (100, 240))
    assert slow.sound.duration > 1.5 * fast.sound.duration
    soft, loud = (speak_text("Five foxes", "en-gb", volume=volume) for volume in (20, 70))
    assert loud.sound.waveform.abs().max() > 2 * soft.sound.waveform.abs().max()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"text": ""}, "something to pronounce"),
        ({"text": " ... !?"}, "something to pronounce"),
        ({"text": "caf\udce9"}, r"text must be Unicode that UTF-8 can hold, without zeros, got 'caf\\udce9'"),
        ({"text": "one\0two"}, "text must be Unicode that UTF-8 can hold, without zeros"),
        ({"voice": "klingon-gb"}, "voice of espeak-ng must be one it has"),
        ({"voice": "en-gb+f99"}, "variant of espeak-ng must be one it has"),
        ({"speed": 20.0}, "speed must be at least 80"),
        ({"speed": 450.0}, "speed must be at least 80 and at most 449"),
        ({"pitch": float("nan")}, "pitch must be"),
    ],
)
def test_bad_input_is_one_sentence(spoken: Spoken, wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        speak_text(**{"text": "Hello", **wrong})


def test_without_the_extra_its_name_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtra, match=r"meshanim\[speech\]"):
        speak_text("Hello")
