"""Real clips in, performances out; and what happens where there is no face, no sound, or half a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from meshanim._check import InputError
from meshanim.capture import Captured, Clip, Overlay, capture, interocular
from meshanim.faces import AnnyFace
from meshanim.rendering import Surroundings, Texture, render
from meshanim.rendering.shading import to_display
from meshanim.vision import read_image, read_video, write_image, write_video

pytest.importorskip("dlib", reason="the extra vision is not installed")

CLIP, FRAMES = "bbaf2n", 40


@pytest.fixture(scope="module")
def anny(cache_folder) -> AnnyFace:
    return AnnyFace()


@pytest.fixture(scope="module")
def images(shared_data: Path) -> list[np.ndarray]:
    frames = read_video(shared_data / "grid_sample" / "speakers" / f"{CLIP}.mpg").frames()
    return [frame for frame, _ in zip(frames, range(FRAMES), strict=False)]


@pytest.fixture(scope="module")
def clip(images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of a man who blinks and speaks, without his voice."""
    path = tmp_path_factory.mktemp("clips") / "man.mp4"
    write_video(path, images, 25)
    return path


@pytest.fixture(scope="module")
def captured(anny, clip) -> Captured:
    return capture(clip, anny)


def seen_landmarks(captured: Captured, anny: AnnyFace) -> torch.Tensor:
    """(T, 51, 2) where the captured mesh has the landmarks within the face."""
    performance = captured.performance
    index = [anny.neutral.landmarks[f"landmark68_{place:02d}"] for place in range(17, 68)]
    posed = performance.pose(performance.vertices()[:, index])
    assert captured.appearance.camera is not None
    return captured.appearance.camera.project(posed)[..., :2]


def test_the_mesh_lies_on_the_face(captured, anny) -> None:
    truth = captured.landmarks
    error = (seen_landmarks(captured, anny) - truth[:, 17:]).norm(dim=-1) / interocular(truth)[:, None]
    assert float(error.mean()) < 0.04


def test_the_performance_has_what_was_seen(captured) -> None:
    performance = captured.performance
    assert performance.frame_count == FRAMES and performance.fps == 25
    assert performance.face_model == "anny" and performance.waveform is None
    weights = performance.weights
    assert float(weights.min()) >= 0 and float(weights.max()) <= 1
    assert float(performance.head_motion[:, 3:].abs().max()) < 0.1


def test_motion_does_not_jitter_and_blinks_survive(captured) -> None:
    performance = captured.performance
    bends = performance.head_motion[2:, :3] - 2 * performance.head_motion[1:-1, :3]
    bends = bends + performance.head_motion[:-2, :3]
    assert float(bends.abs().mean()) < 0.004
    names = list(performance.weight_names)
    blink = performance.weights[:, names.index("eyeBlinkLeft")]
    opening = (captured.landmarks[:, 37] - captured.landmarks[:, 41]).norm(dim=-1)
    assert float(blink.max()) > 0.4 or float(opening.min() / opening.median()) > 0.6


def test_the_appearance_has_reference_frames(captured) -> None:
    appearance = captured.appearance
    assert appearance.frames.shape[1:] == (256, 256, 3)
    assert 1 < len(appearance.frames) <= 8
    placed = appearance.landmarks @ appearance.crop[:, :, :2].mT + appearance.crop[:, None, :, 2]
    assert float(placed.min()) > 0 and float(placed.max()) < 256
    assert appearance.texture is not None and bool(appearance.texture.isfinite().all())
    assert appearance.light is not None and float(appearance.light[0].min()) > 0


def test_the_renderer_draws_the_captured_face_as_it_was(captured, images) -> None:
    performance, appearance = captured.performance, captured.appearance
    mesh, vertices = performance.neutral, performance.pose(performance.vertices(0, 1), 0)[0]
    looks = Texture(appearance.texture, mesh.uv, mesh.uv_faces)
    picture = render(vertices, mesh.faces, appearance.camera, looks, Surroundings(appearance.light))
    # From cheek to cheek, between the eyes and the upper lip.
    (left, _), (right, _) = captured.landmarks[0, [36, 45]].round().int().tolist()
    (_, top), (_, bottom) = captured.landmarks[0, [29, 50]].round().int().tolist()
    drawn = to_display(picture.image)[top:bottom, left:right].float()
    seen = torch.from_numpy(images[0].copy())[top:bottom, left:right].float()
    # Levels of 255; a plain field of the mean colour is twice as far.
    error, plain = (drawn - seen).abs().mean(), (seen - seen.mean(dim=(0, 1))).abs().mean()
    assert float(error) < 0.5 * float(plain) and float(error) < 12


def overlaid(captured: Captured, images: list[np.ndarray], times: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The first frame, so many times as large, with the face on it, and without; whole numbers."""
    appearance, size = captured.appearance, (360 * times, 288 * times)
    assert appearance.camera is not None
    larger = replace(appearance, camera=appearance.camera.scaled(times))
    plain = Image.fromarray(images[0]).resize(size, Image.Resampling.BICUBIC)
    drawn = Overlay(captured.performance, larger).frame(np.array(plain), 0)
    return drawn.astype(int), np.asarray(plain).astype(int)


def test_the_overlay_changes_the_face_and_nothing_else(captured, images) -> None:
    small = Overlay(captured.performance, captured.appearance).frame(images[0], 0)
    assert small.shape == (576, 720, 3)
    drawn, plain = overlaid(captured, images)
    changed = np.abs(drawn - plain).max(axis=2) > 12
    (left, top), (right, bottom) = (2 * captured.landmarks[0].int()).aminmax(dim=0)
    assert changed[top:bottom, left:right].any()
    assert not changed[:40].any() and not changed[:, :60].any()


def test_the_overlay_has_the_skin_and_the_light_of_the_film(captured, images) -> None:
    drawn, plain = overlaid(captured, images)
    # From cheek to cheek, between the eyes and below the nose.
    (left, _), (right, _) = (2 * captured.landmarks[0, [36, 45]]).round().int().tolist()
    (_, top), (_, bottom) = (2 * captured.landmarks[0, [29, 33]]).round().int().tolist()
    # In levels of 255 five; the studio's light makes twelve, the built-in skin twenty-six.
    assert np.abs(drawn - plain)[top:bottom, left:right].mean() < 8


def test_the_overlay_draws_lines_where_the_mesh_has_its_features(captured, anny, images, monkeypatch) -> None:
    """A skin wears lips where the film had them, wherever the mesh has its own."""
    drawn, _ = overlaid(captured, images)
    monkeypatch.setattr("meshanim.capture.overlay._LINE", 0.0)
    lighter = (drawn - overlaid(captured, images)[0]).max(axis=2)
    assert lighter.min() >= 0 and (lighter > 0).mean() < 0.01
    places = (2 * seen_landmarks(captured, anny)[0]).int().tolist()
    near = [lighter[row - 1 : row + 2, column - 1 : column + 2].max() for column, row in places]
    assert min(near) > 20 and np.mean(near) > 80


def test_the_lines_are_as_thick_as_the_picture_is_large(captured, images, monkeypatch) -> None:
    shares = []
    for times in (2, 6):
        monkeypatch.undo()
        drawn, _ = overlaid(captured, images, times)
        monkeypatch.setattr("meshanim.capture.overlay._LINE", 0.0)
        shares.append((drawn - overlaid(captured, images, times)[0]).mean())
    # Of whole samples, four a pixel; a line of one pixel would have a third of the share.
    assert shares[1] == pytest.approx(shares[0], rel=0.2)


def test_sound_goes_along(anny, images, tmp_path) -> None:
    tone = 0.3 * np.sin(np.arange(16_000) / 20)
    write_video(tmp_path / "loud.mp4", images[:5], 25, tone[: 16_000 // 5], 16_000)
    performance = capture(tmp_path / "loud.mp4", anny).performance
    assert performance.sample_rate == 16_000
    assert performance.waveform is not None and len(performance.waveform) >= 3200


def test_a_photo_is_a_clip_of_one_frame(anny, images, tmp_path) -> None:
    write_image(tmp_path / "photo.png", images[0])
    captured = capture(tmp_path / "photo.png", anny)
    assert captured.performance.frame_count == 1
    assert np.array_equal(next(Clip(tmp_path / "photo.png").frames()), read_image(tmp_path / "photo.png"))


def test_frames_without_a_face_are_bridged(anny, images, tmp_path) -> None:
    blank = np.full_like(images[0], 90)
    write_video(tmp_path / "gap.mp4", [*images[:4], blank, blank, *images[6:10]], 25)
    captured = capture(tmp_path / "gap.mp4", anny)
    assert bool(captured.landmarks[4:6].isnan().all())
    motion = captured.performance.head_motion
    assert motion is not None and bool(motion.isfinite().all())


def test_of_two_faces_the_larger_is_captured(anny, images, tmp_path) -> None:
    canvas = np.full((288, 560, 3), 90, np.uint8)
    canvas[100:196, :120] = images[0][::3, ::3]
    canvas[:, 200:] = images[0]
    write_image(tmp_path / "two.png", canvas)
    captured = capture(tmp_path / "two.png", anny)
    assert float(captured.landmarks[..., 0].min()) > 200
    assert float(seen_landmarks(captured, anny)[..., 0].min()) > 200


def test_a_clip_of_one_frame_is_captured(anny, images, tmp_path) -> None:
    write_video(tmp_path / "one.mp4", images[:1], 25)
    performance = capture(tmp_path / "one.mp4", anny).performance
    assert performance.frame_count == 1
    assert bool(performance.vertices().isfinite().all())


def test_a_clip_that_breaks_off_is_captured_as_far_as_it_goes(anny, shared_data, tmp_path) -> None:
    whole = (shared_data / "grid_sample" / "speakers" / f"{CLIP}.mpg").read_bytes()
    (tmp_path / "cut.mpg").write_bytes(whole[: len(whole) // 6])
    performance = capture(tmp_path / "cut.mpg", anny).performance
    assert 1 <= performance.frame_count < 30
    (tmp_path / "head.mp4").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=r"head\.mp4 must be a video, and cannot be read as one"):
        capture(tmp_path / "head.mp4", anny)


def test_no_face_at_all_is_one_sentence(anny, tmp_path) -> None:
    write_video(tmp_path / "wall.mp4", [np.full((96, 96, 3), 90, np.uint8)] * 3, 25)
    with pytest.raises(InputError, match=r"wall\.mp4 must show a face .* got none in any of its 3 frames"):
        capture(tmp_path / "wall.mp4", anny)
    write_image(tmp_path / "dot.png", np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(InputError, match=r"dot\.png must show a face .* got none$"):
        capture(tmp_path / "dot.png", anny)
