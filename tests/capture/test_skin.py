"""The square of the picture that a capture looks at."""

import numpy as np
import torch

from meshanim.capture.skin import Window


def window_of(side):
    """Around landmarks that lie in a square of so many pixels, whose middle is (1200, 1200)."""
    corners = torch.tensor([[1200.0 - side / 2] * 2, [1200.0 + side / 2] * 2])
    return Window(corners.repeat(34, 1)[None])


def test_a_window_is_not_enlarged():
    window = window_of(40)
    assert window.pixels == 60 and abs(window.scale - 1) < 0.01


def test_stripes_finer_than_its_pixels_are_one_grey():
    image = np.zeros((2400, 2400, 3), np.uint8)
    image[:, 1::2] = 255
    window = window_of(1400)
    assert window.scale < 0.3
    inside = window.cut(image)[2:-2, 2:-2]
    assert float(inside.max() - inside.min()) < 0.02


def test_a_smaller_picture_is_in_the_same_place():
    rows, columns = np.mgrid[:2400, :2400]
    image = np.stack([columns / 10, rows / 10, 0 * rows], axis=2).round().astype(np.uint8)
    window = window_of(1400)
    half = torch.arange(window.pixels) + 0.5
    x, y = (half / window.scale + float(edge) for edge in window.corner)
    wanted = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=2) / 10 / 255
    seen = window.cut(image)[..., :2]
    display = torch.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen.clamp(min=1e-9) ** (1 / 2.4) - 0.055)
    assert float((display - wanted).abs().max()) < 1.5 / 255
