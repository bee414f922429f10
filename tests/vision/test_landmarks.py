"""Landmarks and embeddings on real clips; what has no face, and a machine without the extra."""

import importlib

import numpy as np
import pytest

from meshanim._check import InputError, MissingExtra
from meshanim.vision import (
    Box,
    embed_face,
    find_faces,
    find_landmarks,
    follow_landmarks,
    read_video,
    whole_track,
)
from meshanim.vision import _dlib as door

BLANK = np.full((120, 160, 3), 90, np.uint8)


def grid_frames(shared_data, name, count):
    pytest.importorskip("dlib")
    frames = read_video(shared_data / "grid_sample" / "speakers" / f"{name}.mpg").frames()
    return [frame for frame, _ in zip(frames, range(count), strict=False)]


def landmarks_of(image):
    points = find_landmarks(image)
    assert points is not None
    return points


@pytest.fixture(scope="module")
def man(shared_data):
    return grid_frames(shared_data, "bbaf2n", 8)


@pytest.fixture(scope="module")
def woman(shared_data):
    return grid_frames(shared_data, "brbk7n", 4)


def test_boxes_overlap_as_squares_do():
    box = Box(10, 10, 4)
    assert box.overlap(box) == 1
    assert box.overlap(Box(12, 10, 4)) == pytest.approx(8 / 24)
    assert box.overlap(Box(30, 10, 4)) == 0
    assert box.overlap(Box(10, 10, 2)) == pytest.approx(4 / 16)


def test_landmarks_lie_as_on_a_face(man):
    points = landmarks_of(man[0])
    assert points.shape == (68, 2)
    eyes = [points[36:42].mean(axis=0), points[42:48].mean(axis=0)]
    nose, mouth, chin = points[30], points[48:60].mean(axis=0), points[8]
    assert eyes[0][0] < nose[0] < eyes[1][0]
    assert eyes[0][1] < nose[1] < mouth[1] < chin[1]


def test_landmarks_move_with_the_picture_and_not_by_whole_pixels(man):
    image = man[0]
    start = landmarks_of(image)
    shifted = landmarks_of(np.roll(image, (5, -7), axis=(0, 1)))
    distance = np.linalg.norm(start[36] - start[45])
    # The detector's own grid is 4 to 8 pixels wide, and landmarks lean on its boxes.
    assert np.abs(shifted - start - [-7, 5]).mean() < 0.02 * distance
    assert len({round(float(value % 1), 3) for value in start.flatten()}) > 20


def test_a_face_is_followed_without_jitter(man):
    track = np.stack([points for points in follow_landmarks(man) if points is not None])
    assert len(track) == len(man)
    distance = np.linalg.norm(track[0, 36] - track[0, 45])
    shake = np.abs(track[2:] - 2 * track[1:-1] + track[:-2]).mean() / distance
    assert shake < 0.01


def test_frames_without_a_face_are_none(man):
    found = list(follow_landmarks([BLANK, man[0], BLANK, man[1]]))
    assert [points is None for points in found] == [True, False, True, False]
    assert find_landmarks(BLANK) is None
    assert find_faces(np.zeros((1, 1, 3), np.uint8)) == []


def test_pictures_of_other_types_are_named():
    pytest.importorskip("dlib")
    with pytest.raises(InputError, match=r"must be \(H, W, 3\) uint8"):
        find_landmarks(np.full((8, 8, 3), np.nan))


def test_of_two_faces_the_larger_is_followed(man):
    image = man[0]
    small = image[::2, ::2]
    canvas = np.full((288, 560, 3), 90, np.uint8)
    canvas[100:244, :180] = small
    canvas[:, 200:] = image
    assert len(find_faces(canvas)) == 2
    assert (landmarks_of(canvas)[:, 0] > 200).all()


def test_embeddings_tell_people_apart(man, woman):
    codes = [embed_face(image, landmarks_of(image)) for image in (man[0], man[-1], woman[0])]
    assert all(code.shape == (128,) for code in codes)
    assert np.linalg.norm(codes[0] - codes[1]) < 0.4
    assert np.linalg.norm(codes[0] - codes[2]) > 0.6


def test_a_missing_extra_is_named(monkeypatch):
    def absent(name, *_):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"meshanim\[vision\]"):
        door.dlib()
    monkeypatch.setattr(door, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"face-recognition-models.*meshanim\[vision\]"):
        door._weights("shape_predictor_68_face_landmarks.dat")


def test_frames_without_a_face_are_read_from_their_neighbours():
    first, last = np.zeros((68, 2)), np.full((68, 2), 3.0)
    track = whole_track([None, first, None, None, last, last])
    assert track[:, 5, 1].tolist() == [0, 0, 1, 2, 3, 3]
    with pytest.raises(InputError, match="film must show a face in half its frames or more, got one in 1 of"):
        whole_track([None, first, None], "film")
    with pytest.raises(InputError, match="clip must show a face, got none in 0 frames"):
        whole_track([])
