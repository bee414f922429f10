"""``meshanim capture``: what it makes of a clip and a photo, and one sentence for whatever does not fit."""

from pathlib import Path

import numpy as np
import pytest

from meshanim.export import read_performance
from meshanim.vision import read_video, write_image, write_video

from .commands import call, one_sentence

pytest.importorskip("dlib", reason="the extra vision is not installed")


@pytest.fixture
def images(shared_data: Path) -> list[np.ndarray]:
    frames = read_video(shared_data / "grid_sample" / "speakers" / "brbk7n.mpg").frames()
    return [frame for frame, _ in zip(frames, range(4), strict=False)]


def test_a_clip_becomes_motion_and_overlay(images, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", images, 25)
    outputs = [
        part for name in ("a.npz", "a.glb", "overlay.mp4", "a.png") for part in ("-o", str(tmp_path / name))
    ]
    assert call("capture", tmp_path / "clip.mp4", *outputs, "-q") == 0
    assert read_performance(tmp_path / "a.npz").frame_count == 4
    assert read_video(tmp_path / "overlay.mp4").size == (576, 720)
    assert (tmp_path / "a.glb").stat().st_size > 0 and (tmp_path / "a.png").stat().st_size > 0


def test_a_photo_becomes_a_neutral_face_that_takes_on_an_expression(images, tmp_path: Path) -> None:
    write_image(tmp_path / "photo.png", images[0])
    neutral = tmp_path / "neutral.obj"
    assert call("capture", tmp_path / "photo.png", "-o", neutral, "-q") == 0
    short = ["--duration", "0.4", "--fps", "10"]
    assert call("animate", "--face", neutral, *short, "-o", tmp_path / "smile.npz", "-q") == 0
    performance = read_performance(tmp_path / "smile.npz")
    assert float((performance.vertices() - performance.neutral.vertices).norm(dim=-1).max()) > 2e-3


def test_a_photo_of_two_is_refused(images, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(tmp_path / "two.png", np.concatenate([images[0], images[0]], axis=1))
    assert call("capture", tmp_path / "two.png", "-o", tmp_path / "out.npz", "-q") == 2
    assert "two.png must show one face, got 2 of like size" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.mpg", None, "missing.mpg does not exist"),
        ("text.mpg", b"once upon a time", "text.mpg must be a video"),
        ("text.jpg", b"once upon a time", "text.jpg must be a picture"),
    ],
)
def test_what_is_no_clip_is_one_sentence(
    name: str, content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert call("capture", tmp_path / name, "-o", tmp_path / "out.npz", "-q") == 2
    assert said in one_sentence(capsys)
    assert not (tmp_path / "out.npz").exists()


def test_the_clip_itself_is_not_written_over(
    images, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, images, 25)
    (tmp_path / "link.mp4").symlink_to(clip)
    before = clip.read_bytes()
    for same in (clip, tmp_path / "link.mp4"):
        assert call("capture", clip, "-o", tmp_path / "a.npz", "-o", same) == 2
        assert f"{same.name} must be another file than" in capsys.readouterr().err
    assert clip.read_bytes() == before and not (tmp_path / "a.npz").exists()


def test_an_unknown_suffix_is_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("capture", tmp_path / "clip.mpg", "-o", tmp_path / "out.avi") == 2
    assert ".obj" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.obj", "out.png", "out.npz"])
def test_a_folder_where_a_file_should_go_is_named_before_any_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir()
    assert call("capture", tmp_path / "clip.mpg", "-o", tmp_path / name) == 2
    assert f"{name} must be a file to write, but it is a folder" in capsys.readouterr().err
