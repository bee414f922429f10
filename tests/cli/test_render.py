"""``meshanim render``: one performance, any renderer, one sentence for what does not fit."""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim.export import export, read_performance
from meshanim.faces import load_face
from meshanim.mesh import Mesh
from meshanim.rendering import render_mesh
from meshanim.vision import read_video, write_image, write_video

from .commands import call, one_sentence

SPEAKERS = Path(__file__).parents[2].parent / "shared" / "data" / "grid_sample" / "speakers"
pytestmark = pytest.mark.skipif(not SPEAKERS.is_dir(), reason="needs ../shared/data/grid_sample")


@pytest.fixture(scope="module")
def smile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("performance") / "smile.npz"
    assert call("animate", "--duration", "0.4", "--fps", "25", "-o", path, "-q") == 0
    return path


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("dlib")
    path = tmp_path_factory.mktemp("face") / "face.png"
    write_image(path, next(read_video(sorted(SPEAKERS.glob("*.mpg"))[0]).frames()))
    return path


def write_sound(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(
            (3000 * np.random.default_rng(0).normal(size=round(seconds * 16000))).astype("<i2").tobytes()
        )
    return path


def test_the_mesh_wears_the_picture_s_skin_and_holds_its_last_frame(
    smile: Path, face: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = write_sound(tmp_path / "long.wav", 0.6)
    out = tmp_path / "talk.mp4"
    assert call("render", smile, "--reference", face, "--audio", sound, "-o", out) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "the motion ends after 0.40 s; its last frame is held to 0.60 s" in said
    assert "goes without" not in said and "no eye" not in said
    video = read_video(out)
    frames = list(video.frames())
    assert len(frames) == 15 and video.size == (512, 512)
    middle = (slice(150, 380), slice(180, 330))
    held = np.abs(frames[14][middle].astype(int) - frames[10][middle]).mean()
    assert held < 1 < np.abs(frames[0][middle].astype(int) - frames[7][middle]).mean()


def test_a_mesh_of_another_kind_goes_without_the_skin_and_the_command_says_so(
    smile: Path, face: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = read_performance(smile)
    other = Mesh(played.neutral.vertices, played.neutral.faces.flip(0))
    export(replace(played, neutral=other, face_model=None), tmp_path / "other.npz")
    assert call("render", tmp_path / "other.npz", "--reference", face, "-o", tmp_path / "other.gif") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "only the built-in head wears a person's skin: this mesh goes without face.png's" in said


def test_eyes_that_are_shut_are_said_to_lend_no_colours(
    smile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dlib")
    head = load_face("anny")
    shut = torch.tensor([float(name.startswith("eyeBlink")) for name in head.weight_names])
    picture = tmp_path / "asleep.png"
    write_image(picture, render_mesh(head.neutral, head.vertices(weights=shut)))
    assert call("render", smile, "--reference", picture, "-o", tmp_path / "talk.gif") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "asleep.png shows no eye that is open and clear: the built-in head's are drawn" in said


def test_short_sound_ends_in_silence_and_the_command_says_so(
    smile: Path, face: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = write_sound(tmp_path / "short.wav", 0.2)
    assert call("render", smile, "--reference", face, "--audio", sound, "-o", tmp_path / "talk.gif") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "the sound ends after 0.20 s; silence follows to 0.40 s" in said


def test_bad_input_is_one_sentence(
    smile: Path, face: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = tmp_path / "blank.png"
    write_image(blank, np.full((80, 80, 3), 128, dtype=np.uint8))
    tiny = tmp_path / "tiny.png"
    write_image(tiny, np.zeros((10, 10, 3), dtype=np.uint8))
    out, film = tmp_path / "talk.mp4", tmp_path / "film.mp4"
    long = write_sound(tmp_path / "long.wav", 2)
    write_video(film, np.zeros((2, 40, 40, 3), dtype=np.uint8), 25)
    cases: dict[str, list[str | Path]] = {
        "must show a face": [smile, "--reference", blank, "-o", out],
        "show a face": [smile, "--reference", blank, "-o", out, "--audio", long],
        "must end in .mp4 or .gif": [smile, "--reference", face, "-o", tmp_path / "talk.glb"],
        "must lie in a folder, but": [smile, "--reference", face, "-o", tiny / "talk.mp4"],
        "film.mp4 must be another file than": [smile, "--reference", face, "--audio", film, "-o", film],
        "film.mp4 must be another file": [smile, "--reference", film, "-o", film],
        "renderer must be one of": [smile, "--reference", face, "-o", out, "--renderer", "neural"],
        "seed must be left out for mesh": [smile, "--reference", face, "-o", out, "--seed", "3"],
        "must have sound": [smile, "--reference", face, "-o", out, "--audio", face],
        "does not exist": [smile, "--reference", tmp_path / "nobody.png", "-o", out],
    }
    for said, arguments in cases.items():
        assert call("render", *arguments) == 2
        assert said in one_sentence(capsys)
    assert call("render", smile, "--reference", tiny, "-o", out) == 2
    one_sentence(capsys)
    assert not out.exists()
