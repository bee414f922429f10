"""Crops take the face to the same place, wherever it is."""

import numpy as np
import pytest

from meshanim._check import InputError
from meshanim.vision import (
    POLYNOMIAL_CROP,
    TCSAN_CROP,
    FaceCrop,
    cut_clip,
    cut_crop,
    move_points,
    square_around,
)
from meshanim.vision.cropping import _PLACES, STABLE

RNG = np.random.default_rng(0)


def face(turn: float = 0.0, scale: float = 60.0, middle: tuple[float, float] = (180.0, 140.0)) -> np.ndarray:
    """(68, 2) landmarks whose stable points lie as a crop wants them, turned, scaled and moved."""
    points = RNG.normal(size=(68, 2))
    points[list(STABLE)] = _PLACES
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + middle


@pytest.mark.parametrize("crop", [POLYNOMIAL_CROP, TCSAN_CROP])
def test_the_stable_points_come_to_their_places(crop: FaceCrop) -> None:
    turn = 0.0 if crop.upright else 0.3
    clip = np.stack([face(turn)] * 5)
    places = crop.places(clip)
    wanted = crop.stable_places
    moved = move_points(clip, places)[:, list(STABLE)]
    np.testing.assert_allclose(moved, np.broadcast_to(wanted, moved.shape), atol=1e-9)


def test_an_upright_crop_does_not_turn() -> None:
    place = TCSAN_CROP.places(face(0.3)[None])[0]
    assert place[0, 1] == place[1, 0] == 0 and place[0, 0] == place[1, 1] > 0


def test_jitter_is_smoothed() -> None:
    clip = np.stack([face()] * 40)
    clip += RNG.normal(size=(40, 68, 2)) * [[[1.0, 1.0]]]
    shaken = POLYNOMIAL_CROP.places(clip)[:, :, 2]
    alone = np.stack([POLYNOMIAL_CROP.places(frame[None])[0, :, 2] for frame in clip])
    assert np.diff(shaken, axis=0).std() < 0.3 * np.diff(alone, axis=0).std()


@pytest.mark.parametrize("scale", [1.0, 0.21])
def test_a_cut_shows_what_the_map_says(scale: float) -> None:
    """A bright square comes to where its corners are mapped, of its brightness, at any scale."""
    image = np.zeros((400, 500, 3), dtype=np.uint8)
    image[100:200, 200:300] = 250
    place = np.array([[scale, 0.0, -150 * scale], [0.0, scale, -50 * scale]])
    cut = cut_crop(image, place, (round(200 * scale), round(200 * scale)))
    inside, edge = round(100 * scale), round(50 * scale)
    assert (cut[edge + 2 : edge + inside - 2, edge + 2 : edge + inside - 2] == 250).all()
    assert (cut[: edge - 2] == 0).all() and (cut[:, edge + inside + 2 :] == 0).all()


def test_a_shrunk_cut_averages() -> None:
    stripes = np.zeros((400, 400, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    cut = cut_crop(stripes, np.array([[0.1, 0, 0], [0, 0.1, 0]]), (40, 40))
    assert abs(cut[4:-4, 4:-4].astype(int) - 100).max() <= 2


def test_the_square_holds_all_landmarks() -> None:
    landmarks = face()
    place = square_around(landmarks, 1.5, 64)
    moved = move_points(landmarks, place)
    span = moved.max(axis=0) - moved.min(axis=0)
    assert span.max() == pytest.approx(64 / 1.5)
    np.testing.assert_allclose((moved.max(axis=0) + moved.min(axis=0)) / 2, 32)


def test_wrong_landmarks_are_refused() -> None:
    with pytest.raises(InputError, match=r"landmarks must have shape \(any, 68, 2\)"):
        POLYNOMIAL_CROP.places(np.zeros((3, 5, 2)))


def test_a_clip_is_cut_frame_by_frame_and_its_landmarks_go_along() -> None:
    images = RNG.integers(0, 256, (4, 280, 360, 3), np.uint8)
    landmarks = np.stack([face(middle=(180.0 + step, 140.0)) for step in range(3)])
    frames, moved = cut_clip(iter(images), landmarks, TCSAN_CROP)
    assert frames.shape == (3, 112, 112, 3) and moved.shape == (3, 68, 2)
    places = TCSAN_CROP.places(landmarks)
    np.testing.assert_array_equal(frames[2], cut_crop(images[2], places[2], TCSAN_CROP.size))
    np.testing.assert_array_equal(moved, move_points(landmarks, places))
