"""Squares about faces: what is cut out is where it is said to be."""

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import Camera
from meshanim.rendering.face_cutting import cut_out, detected_square, square_about, uncut
from meshanim.vision import Box

RAMP = np.stack(np.broadcast_arrays(np.arange(80)[None], np.arange(60)[:, None], 7), -1).astype(np.uint8)
"""Colours that tell the column and the row of each pixel."""


def test_a_square_shows_its_part_of_the_picture():
    cut = 255 * cut_out(RAMP, Box(40.0, 30.0, 16.0), 16)
    torch.testing.assert_close(cut[0, :, 0], torch.arange(32.0, 48))
    torch.testing.assert_close(cut[:, 0, 1], torch.arange(22.0, 38))
    assert cut_out(RAMP, Box(40.3, 30.6, 33.3), 32).shape == (32, 32, 3)


def test_beyond_the_border_its_pixels_go_on():
    cut = 255 * cut_out(RAMP, Box(0.0, 60.0, 20.0), 20)
    assert (cut[:, :10, 0] == 0).all() and (cut[11:, :, 1] == 59).all()
    torch.testing.assert_close(cut[0, 10:, 0], torch.arange(10.0))


def test_a_cameras_places_in_a_square_are_those_in_the_picture():
    matrix = torch.tensor([[[60.0, 0, 32], [0, 60, 32], [0, 0, 1]]])
    camera = Camera(matrix, torch.eye(3)[None], torch.tensor([[0.1, 0.0, 1.0]]), (64, 64), perspective=False)
    points = torch.tensor([[0.0, 0.0, 0.0], [0.2, -0.1, 0.3]])
    square = Box(100.0, 50.0, 32.0)
    whole = uncut(camera, square, (120, 200))
    inside = camera.project(points)[0, :, :2]
    wanted = inside * (32 / 64) + torch.tensor([84.0, 34.0])
    torch.testing.assert_close(whole.project(points)[:, :2], wanted)
    assert whole.size == (120, 200) and not whole.perspective


def test_a_head_takes_its_share_of_the_square():
    found = square_about(torch.tensor([[10.0, 20.0], [30.0, 61.0]]))
    assert (found.column, found.row, found.side) == (20.0, 40.5, pytest.approx(50.0))


def test_a_picture_without_a_face_is_named():
    pytest.importorskip("dlib")
    with pytest.raises(InputError, match="image must show a face"):
        detected_square(np.zeros((100, 100, 3), np.uint8))
