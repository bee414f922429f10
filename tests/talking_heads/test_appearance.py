"""An appearance checks what it is given."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from meshanim._check import InputError
from meshanim.rendering import Camera
from meshanim.talking_heads import Appearance
from meshanim.vision import POLYNOMIAL_CROP, cut_crop, read_video, write_image, write_video


def parts(count: int = 2) -> dict:
    return {
        "frames": torch.zeros(count, 8, 8, 3, dtype=torch.uint8),
        "crop": torch.zeros(count, 2, 3),
        "landmarks": torch.zeros(count, 68, 2),
        "head_motion": torch.zeros(count, 6),
        "weights": torch.zeros(count, 5),
        "camera": Camera.looking_at((0, 0, 1), (0, 0, 0)),
        "face_model": "anny",
        "identity": torch.zeros(3),
    }


def test_repr_says_what_is_known() -> None:
    assert repr(Appearance(**parts())) == "Appearance(2 frames of anny)"
    lit = Appearance(**parts(), light=torch.zeros(9, 3), texture=torch.zeros(4, 4, 3))
    assert repr(lit) == "Appearance(2 frames of anny, texture, light)"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("frames", torch.zeros(0, 8, 8, 3, dtype=torch.uint8), "at least one frame"),
        ("frames", torch.zeros(2, 8, 8, 3), "frames must be uint8"),
        ("landmarks", torch.zeros(2, 60, 2), "landmarks must have shape"),
        ("head_motion", torch.zeros(3, 6), "head_motion must have shape"),
        ("crop", torch.full((2, 2, 3), torch.nan), "crop must be finite"),
        ("light", torch.zeros(4, 3), "light must have shape"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: torch.Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Appearance(**(parts() | {name: value}))


def test_the_head_in_space_may_be_unknown() -> None:
    flat = {name: parts()[name] for name in ("frames", "crop", "landmarks")}
    assert repr(Appearance(**flat)) == "Appearance(2 frames of a person)"


def test_landmarks_that_are_one_point_have_no_place_for_a_crop() -> None:
    one = parts() | {"crop": torch.eye(2, 3).expand(2, 2, 3), "landmarks": torch.full((2, 68, 2), 0.1)}
    with pytest.raises(
        InputError, match="landmarks must lie apart, got eyes and nose at one point in frame 0"
    ):
        Appearance(**one).reference(POLYNOMIAL_CROP)


CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "grid_sample" / "speakers"
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="needs ../shared/data/grid_sample")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    pytest.importorskip("dlib")
    return next(read_video(sorted(CLIPS.glob("*.mpg"))[0]).frames())


@needs_clips
def test_a_picture_s_person_comes_to_a_model_s_place(picture: np.ndarray, tmp_path: Path) -> None:
    write_image(tmp_path / "face.png", picture)
    appearance = Appearance.from_image(tmp_path / "face.png")
    assert appearance.frames.shape == (1, 256, 256, 3)
    shown = appearance.reference(POLYNOMIAL_CROP)
    assert shown.shape == (128, 96, 3)
    straight = cut_crop(
        picture, POLYNOMIAL_CROP.places(appearance.landmarks.double().numpy())[0], POLYNOMIAL_CROP.size
    )
    assert np.abs(shown.astype(int) - straight).mean() < 3  # cut twice, so a little softer


@needs_clips
def test_a_video_gives_several_frames() -> None:
    appearance = Appearance.from_video(sorted(CLIPS.glob("*.mpg"))[0], count=3)
    assert appearance.frames.shape == (3, 256, 256, 3)
    assert not torch.equal(appearance.frames[0], appearance.frames[1])


def test_a_short_video_is_seen_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = 20 + 24 * np.random.default_rng(0).random((68, 2))
    monkeypatch.setattr(f"{Appearance.__module__}.follow_landmarks", lambda frames: [points] * len(frames))
    monkeypatch.setattr(f"{Appearance.__module__}._only_face", lambda *_: points)
    levels = [np.full((64, 64, 3), 15 * number, np.uint8) for number in range(15)]
    write_video(tmp_path / "short.mp4", levels, 25)
    middles = Appearance.from_video(tmp_path / "short.mp4").frames[:, 128, 128, 0]
    assert (middles / 15).round().tolist() == [0, 1, 3, 5, 7, 9, 11, 13]


@needs_clips
def test_pictures_without_one_clear_face_are_refused(picture: np.ndarray, tmp_path: Path) -> None:
    faces = {
        "none": (np.full_like(picture, 90), "must show a face that looks towards the camera, got none"),
        "two": (np.concatenate([picture, picture], axis=1), "must show one face, got 2 of like size"),
        "small": (picture[:10, :10].copy(), "must have at least 32 pixels along each side, got 10 x 10"),
    }
    for name, (image, said) in faces.items():
        write_image(tmp_path / f"{name}.png", image)
        with pytest.raises(InputError, match=said):
            Appearance.from_image(tmp_path / f"{name}.png")


@needs_clips
@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P"])
def test_pictures_of_any_mode_are_taken(mode: str, picture: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(picture).convert(mode).save(tmp_path / "face.png")
    assert Appearance.from_image(tmp_path / "face.png").frames.shape == (1, 256, 256, 3)
