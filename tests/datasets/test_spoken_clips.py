"""Readers of published audiovisual speech, on small folders in their layout and on real clips of GRID."""

from pathlib import Path

import numpy as np
import pytest

from meshanim._check import InputError
from meshanim.audio import read_sound
from meshanim.datasets import TimedLabel, read_crema_d, read_grid, read_tcd_timit, split_by_speaker
from meshanim.datasets.spoken_clips import CREMA_D_SENTENCES, TCD_TIMIT_TEST, grid_sentence
from meshanim.vision import read_video, write_video

ALIGNMENT = """0 14500 sil
14500 23250 bin
23250 30000 blue
30000 35000 at
35000 38750 f
38750 46250 two
46250 53250 now
53250 74500 sil
"""
LABELS = """#!MLF!#
"Q:/Videos/TCD-TIMIT/volunteers/01M/Clips/straightcam/sa1.rec"
0 3400000 sil
3400000 4100000 sh
.
"C:\\TCD-TIMIT\\volunteers\\08F\\Clips\\straightcam\\SI459.rec"
0 1250000 sil -71.5
.
"""


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_grid_is_read_with_speakers_texts_and_words_in_time(tmp_path: Path) -> None:
    touch(tmp_path / "s10/lgbi1s.mp4", tmp_path / "s2/video/mpg_6000/bbaf2n.mpg", tmp_path / "s2/notes.mpg")
    (tmp_path / "align/s2").mkdir(parents=True)
    (tmp_path / "align/s2/bbaf2n.align").write_text(ALIGNMENT)
    first, second = read_grid(tmp_path)
    assert (first.speaker, first.name, first.text) == ("s2", "bbaf2n", "bin blue at f two now")
    assert first.video == first.sound == tmp_path / "s2/video/mpg_6000/bbaf2n.mpg"
    assert first.words[1] == TimedLabel("bin", 0.58, 0.93) and first.words[-1].end == 2.98
    assert " ".join(word.label for word in first.words[1:-1]) == first.text
    assert (second.speaker, second.text, second.words) == ("s10", "lay green by i one soon", ())


def test_grid_in_two_qualities_has_every_clip_once(tmp_path: Path) -> None:
    good, fair = tmp_path / "s1/mpg_6000/bbaf2n.mpg", tmp_path / "s1/mpg_vcd/bbaf2n.mpg"
    touch(good, fair)
    good.write_bytes(bytes(9))
    (tmp_path / "alignments/s1").mkdir(parents=True)
    (tmp_path / "alignments/s1/bbaf2n.align").write_text(ALIGNMENT)
    (clip,) = read_grid(tmp_path)
    assert clip.video == good and clip.words[1].label == "bin"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("swwz9p", "set white with z nine please"),
        ("PRIAZA", "place red in a zero again"),
        ("bbaw2n", None),
        ("bbaf2", None),
        ("holiday", None),
    ],
)
def test_grid_names_spell_their_sentence(name: str, text: str | None) -> None:
    assert grid_sentence(name) == text


def test_real_clips_of_grid(shared_data: Path) -> None:
    clips = list(read_grid(shared_data / "grid_sample"))
    assert {clip.speaker for clip in clips} == {"s1"} and len(clips) == 108
    assert next(clip for clip in clips if clip.name == "bbaf2n").text == "bin blue at f two now"
    video = read_video(clips[0].video)
    assert video.fps == 25 and video.size == (288, 360)
    assert read_sound(clips[0].sound).sample_rate == 44100


def test_a_damaged_alignment_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "s1/bbaf2n.mpg")
    (tmp_path / "s1/bbaf2n.align").write_text("0 sil\n")
    with pytest.raises(
        InputError, match=r"bbaf2n\.align must have rows of start, end and label, got '0 sil'"
    ):
        list(read_grid(tmp_path))


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "grid/s1/bbaf2n.mpg", tmp_path / "tcd/volunteers/01M/Clips/straightcam/sa1.mp4")
    (tmp_path / "grid/s1/bbaf2n.align").write_bytes(b"\xff\xfe0")
    with pytest.raises(InputError, match=r"bbaf2n\.align must be a text file"):
        list(read_grid(tmp_path / "grid"))
    for place in ("labelfiles.mlf", "volunteers/01M/Clips/straightcam/sa1.txt"):
        (tmp_path / "tcd" / place).write_bytes(b"\xff\xfe0")
        with pytest.raises(InputError, match=r"\.(mlf|txt) must be a text file"):
            list(read_tcd_timit(tmp_path / "tcd"))
        (tmp_path / "tcd" / place).unlink()


def test_what_macos_leaves_beside_files_is_passed_over(tmp_path: Path) -> None:
    touch(*(tmp_path / f"volunteers/01M/Clips/straightcam/{name}sa1.mp4" for name in ("", "._")))
    (tmp_path / "._volunteer_labelfiles.mlf").write_bytes(b"\0\5\x16\7")
    assert [clip.name for clip in read_tcd_timit(tmp_path)] == ["sa1"]


def test_tcd_timit_is_read_with_speakers_texts_and_phones(tmp_path: Path) -> None:
    clips = "Clips/straightcam"
    touch(tmp_path / f"volunteers/01M/{clips}/sa1.mp4", tmp_path / f"volunteers/01M/{clips}/sa1.wav")
    touch(tmp_path / "volunteers/01M/Clips/30degcam/sa1.mp4", tmp_path / f"volunteers/08F/{clips}/si459.mp4")
    touch(tmp_path / f"lipspeakers/Lipspkr1/{clips}/sa2.mp4")
    (tmp_path / f"volunteers/01M/{clips}/sa1.txt").write_text("She had your\ndark suit")
    (tmp_path / "volunteer_labelfiles.mlf").write_text(LABELS)
    man, woman, lipspeaker = read_tcd_timit(tmp_path)
    assert (man.speaker, man.name, man.text, man.split) == ("01M", "sa1", "she had your dark suit", "train")
    assert man.sound == man.video.with_suffix(".wav")
    assert man.phones == (TimedLabel("sil", 0, 0.34), TimedLabel("sh", 0.34, 0.41))
    assert (woman.text, woman.split, woman.phones) == (None, "test", (TimedLabel("sil", 0, 0.125),))
    assert woman.sound == woman.video
    assert (lipspeaker.speaker, lipspeaker.split, lipspeaker.phones) == ("Lipspkr1", None, ())
    assert len(TCD_TIMIT_TEST) == 17


def test_labels_of_another_kind_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "volunteers/01M/Clips/straightcam/sa1.mp4")
    (tmp_path / "labels.mlf").write_text("0 1 sil\n")
    with pytest.raises(InputError, match=r"labels\.mlf must begin with #!MLF!#"):
        read_tcd_timit(tmp_path)


def test_crema_d_is_read_with_emotions_and_levels(tmp_path: Path) -> None:
    names = ("1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1040_ITH_SAD_X", "finished_responses")
    touch(*(tmp_path / "VideoFlash" / f"{name}.flv" for name in names))
    touch(tmp_path / "AudioWAV/1001_DFA_ANG_XX.wav")
    angry, happy, sad = read_crema_d(tmp_path)
    assert (angry.speaker, angry.text, angry.emotion, angry.level) == (
        "1001",
        "don't forget a jacket",
        "anger",
        None,
    )
    assert angry.sound == tmp_path / "AudioWAV/1001_DFA_ANG_XX.wav"
    assert (happy.emotion, happy.level, happy.sound) == ("happy", "high", happy.video)
    assert (sad.emotion, sad.level) == ("sad", None)
    assert len(CREMA_D_SENTENCES) == 12


def test_a_clip_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "VideoFlash").mkdir()
    path = tmp_path / "VideoFlash" / "1001_DFA_ANG_XX.mp4"
    tone = 0.3 * np.sin(np.arange(1600) / 4)
    write_video(path, [np.full((16, 16, 3), 90, np.uint8)] * 5, 25, tone, 8000)
    (clip,) = read_crema_d(tmp_path)
    assert len(list(read_video(clip.video).frames())) == 5
    path.write_bytes(b"noise")
    (clip,) = read_crema_d(tmp_path)
    with pytest.raises(InputError, match="must be a video"):
        read_video(clip.video)


def test_nobody_is_in_two_parts(tmp_path: Path) -> None:
    touch(*(tmp_path / f"s{number}/{name}.mpg" for number in range(1, 34) for name in ("bbaf2n", "lgbi1s")))
    clips = list(read_grid(tmp_path))
    parts = split_by_speaker(clips)
    speakers = {part: {clip.speaker for clip in found} for part, found in parts.items()}
    assert [len(speakers[part]) for part in ("train", "validation", "test")] == [16, 7, 10]
    assert sum(map(len, parts.values())) == len(clips) == 66
    assert len(set.union(*speakers.values())) == 33
    assert split_by_speaker(clips) == parts != split_by_speaker(clips, seed=1)
    tcsan = split_by_speaker(clips, (27 / 33, 0, 6 / 33))
    assert [len({clip.speaker for clip in found}) for found in tcsan.values()] == [27, 0, 6]
    with pytest.raises(InputError, match=r"shares must be three numbers, at least 0, that sum to 1"):
        split_by_speaker(clips, (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="shares must be three numbers"):
        split_by_speaker(clips, (float("nan"), 0.5, 0.5))
    with pytest.raises(InputError, match="seed must be at least 0"):
        split_by_speaker(clips, seed=-1)


@pytest.mark.parametrize("reader", [read_grid, read_tcd_timit, read_crema_d])
def test_another_layout_is_named_at_the_door(reader, tmp_path: Path) -> None:
    touch(tmp_path / "holiday.mp4")
    with pytest.raises(InputError, match=r"must be laid out as .* but no videos"):
        reader(tmp_path)
    with pytest.raises(InputError, match="there is no such folder"):
        reader(tmp_path / "missing")
