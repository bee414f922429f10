"""Clips of faces in a crop: real ones of GRID shortened to some frames, and others that do not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound, write_sound
from meshanim.datasets import (
    GridVideos,
    SpokenClip,
    TalkingClip,
    TalkingClips,
    read_crema_d,
    read_grid,
    read_tcd_timit,
)
from meshanim.datasets._watched import ClipCache
from meshanim.datasets.captured_grid import clip_digest, save_performances
from meshanim.vision import POLYNOMIAL_CROP, TCSAN_CROP, read_video, write_video

FRAMES = 6


def write_clip(path: Path, frames: list[np.ndarray], sound: Sound | None) -> None:
    """A film under any suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film = path.with_suffix(".mp4")
    write_video(film, frames, 25, *((sound.waveform.numpy(), sound.sample_rate) if sound else ()))
    film.rename(path)


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> list[np.ndarray]:
    pytest.importorskip("dlib")
    video = read_video(shared_data / "grid_sample" / "speakers" / "brbk7n.mpg")
    return list(itertools.islice(video.frames(), FRAMES))


@pytest.fixture(scope="module")
def corpus(faces, babble: Callable[..., Sound], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short clips: one whose sound is shorter than its picture, one whose is longer."""
    folder = tmp_path_factory.mktemp("grid")
    write_clip(folder / "s1" / "bbaf2n.mpg", faces, babble(0.2))
    write_clip(folder / "speakers" / "lgbi1s.mpg", faces[::-1], babble(0.5))
    return folder


def test_clips_lie_in_their_crop_beside_their_sound(corpus: Path) -> None:
    told: list[tuple[int, int]] = []
    clips = GridVideos(
        corpus, POLYNOMIAL_CROP, performances=corpus / "none", progress=lambda *it: told.append(it)
    )
    assert repr(clips) == "GridVideos(1 clips of 128 x 96)" and told == [(1, 1)]
    clip = clips[0]
    assert (clip.name, clip.speaker, clip.text) == ("s1/bbaf2n", "s1", "bin blue at f two now")
    assert (clip.split, clip.fps, clip.frame_count, clip.duration) == ("train", 25.0, FRAMES, 0.24)
    assert clip.frames.shape == (FRAMES, 128, 96, 3) and clip.frames.dtype == torch.uint8
    assert len(clip.sound.waveform) == 3840 and clip.weights is None
    eyes = clip.landmarks[:, [36, 45]].mean(dim=(0, 1))
    # The crop asks for the eyes' middle at column 48 and row 42.
    assert torch.allclose(eyes, torch.tensor([48.0, 42.0]), atol=3)
    assert "6 frames of 128 x 96 at 25 fps" in repr(clip)
    assert clips[-1].name == clip.name and len(clips[:3]) == 1


def test_people_of_speakers_are_tested_and_are_each_on_their_own(corpus: Path) -> None:
    clip = GridVideos(corpus, TCSAN_CROP, "test", corpus / "none")[0]
    assert (clip.split, clip.speaker) == ("test", "speakers/lgbi1s")
    assert clip.frames.shape[1:] == (112, 112, 3) and len(clip.sound.waveform) == 3840


def test_a_clip_is_watched_once_and_cut_once_for_every_crop(corpus: Path, monkeypatch) -> None:
    whole = GridVideos(corpus, POLYNOMIAL_CROP, performances=corpus / "none")[0]
    monkeypatch.setattr("meshanim.datasets._watched.follow_landmarks", lambda _: pytest.fail("watched again"))
    other = GridVideos(corpus, replace(TCSAN_CROP, size=(40, 40)), performances=corpus / "none")[0]
    assert torch.equal(other.sound.waveform, whole.sound.waveform)
    monkeypatch.setattr("meshanim.datasets._watched.cut_clip", lambda *_: pytest.fail("cut again"))
    again = GridVideos(corpus, POLYNOMIAL_CROP, performances=corpus / "none")[0]
    assert torch.equal(again.frames, whole.frames)


def test_what_was_stopped_goes_on_with_the_next_clip(corpus: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path))
    clips = [
        SpokenClip(path.stem, path.parent.name, None, path, path) for path in sorted(corpus.glob("*/*.mpg"))
    ]

    def stop(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TalkingClips(clips, POLYNOMIAL_CROP, progress=stop)
    assert [ClipCache().has(clip, POLYNOMIAL_CROP) for clip in clips] == [True, False]
    assert len(TalkingClips(clips, POLYNOMIAL_CROP)) == 2
    assert all(ClipCache().has(clip, POLYNOMIAL_CROP) for clip in clips)


def test_captured_performances_come_beside_the_frames(corpus: Path, tmp_path: Path) -> None:
    tracks = {
        "weights": torch.rand(FRAMES, 52),
        "head_motion": torch.randn(FRAMES, 6),
        "identity": torch.randn(135),
    }
    known = {"fps": 25.0, "sha256": clip_digest(corpus / "s1" / "bbaf2n.mpg")}
    save_performances(tmp_path / "made.safetensors", {"s1/bbaf2n": tracks}, {"s1/bbaf2n": known})
    clip = GridVideos(corpus, POLYNOMIAL_CROP, performances=tmp_path / "made.safetensors")[0]
    assert clip.weights is not None and clip.head_motion is not None and clip.identity is not None
    assert torch.allclose(clip.weights, tracks["weights"], atol=5e-4)
    assert torch.equal(clip.head_motion, tracks["head_motion"])


def test_published_corpora_come_at_any_rate(corpus: Path) -> None:
    clips = TalkingClips(list(read_grid(corpus)), POLYNOMIAL_CROP, fps=50)
    own = TalkingClips(list(read_grid(corpus)), POLYNOMIAL_CROP)[0]
    clip = clips[0]
    assert (clip.speaker, clip.split, clip.fps, clip.frame_count) == ("s1", None, 50, 2 * FRAMES)
    # At 50 frames/s, frame 2 is the film's own frame 1.
    assert torch.equal(clip.frames[2], own.frames[1]) and torch.equal(clip.landmarks[2], own.landmarks[1])
    assert clip.sound.duration == own.sound.duration == 0.24


def test_sound_may_lie_in_a_file_of_its_own(faces, babble: Callable[..., Sound], tmp_path: Path) -> None:
    place = tmp_path / "tcd" / "volunteers" / "08F" / "Clips" / "straightcam"
    write_clip(place / "sa1.mp4", faces, None)
    write_sound(place / "sa1.wav", babble(0.24))
    write_clip(tmp_path / "crema" / "VideoFlash" / "1001_DFA_ANG_XX.flv", faces, babble(0.24))
    write_sound(tmp_path / "crema" / "AudioWAV" / "1001_DFA_ANG_XX.wav", Sound(torch.zeros(3840), 16_000))
    told = TalkingClips(list(read_tcd_timit(tmp_path / "tcd")), TCSAN_CROP)[0]
    assert (told.name, told.speaker, told.split) == ("sa1", "08F", "test")
    assert float(told.sound.waveform.abs().max()) > 0.1
    acted = TalkingClips(list(read_crema_d(tmp_path / "crema")), TCSAN_CROP)[0]
    assert acted.text == "don't forget a jacket" and not bool(acted.sound.waveform.any())


@pytest.mark.parametrize(
    ("shown", "heard", "sentence"),
    [
        ("wall", True, "clip.mp4 must show a face, got none in 4 frames"),
        ("visit", True, "clip.mp4 must show a face in half its frames or more, got one in 1 of 4"),
        ("face", False, "clip.mp4 must have sound"),
    ],
)
def test_clips_that_do_not_fit_are_named(
    shown: str, heard: bool, sentence: str, faces, babble: Callable[..., Sound], tmp_path: Path
) -> None:
    wall = np.full_like(faces[0], 90)
    frames = {"wall": [wall] * 4, "visit": [wall, faces[0], wall, wall], "face": faces[:4]}[shown]
    write_clip(tmp_path / "clip.mp4", frames, babble(0.2) if heard else None)
    clip = SpokenClip("clip", "she", None, tmp_path / "clip.mp4", tmp_path / "clip.mp4")
    with pytest.raises(InputError, match=sentence):
        TalkingClips([clip], POLYNOMIAL_CROP)


def test_places_that_hold_no_clips_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder must hold the clips of GRID"):
        GridVideos(tmp_path / "nowhere", POLYNOMIAL_CROP)
    with pytest.raises(InputError, match="clips must hold at least one, got none"):
        GridVideos(tmp_path, POLYNOMIAL_CROP, performances=tmp_path / "none")
    with pytest.raises(InputError, match="split must be one of"):
        GridVideos(tmp_path, POLYNOMIAL_CROP, "tests")


def test_tracks_of_a_clip_must_be_of_one_length(babble: Callable[..., Sound]) -> None:
    tracks = (torch.zeros(3, 8, 8, 3, dtype=torch.uint8), torch.zeros(3, 68, 2), babble(0.12))
    assert TalkingClip("a", "she", None, None, 25.0, *tracks).duration == pytest.approx(0.12)
    with pytest.raises(InputError, match=r"weights must have shape \(3, 52\)"):
        TalkingClip("a", "she", None, None, 25.0, *tracks, weights=torch.zeros(4, 52))
