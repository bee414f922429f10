"""Heat colours are ordered, and sheets put pictures where they belong."""

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import colour_bar, contact_sheet, heat_colours


def luminance(colours):
    linear = torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ torch.tensor([0.2126, 0.7152, 0.0722])


def test_more_is_always_darker():
    colours = heat_colours(torch.linspace(0, 3, 400), 3.0)
    assert colours.shape == (400, 3)
    assert float(colours.min()) >= 0 and float(colours.max()) <= 1
    assert (luminance(colours).diff() < 0).all()


def test_steps_look_equal():
    """CIE lightness falls by about the same amount everywhere, which a rainbow map does not do."""
    bright = luminance(heat_colours(torch.linspace(0, 1, 11), 1.0))
    lightness = 116 * torch.where(bright > 0.008856, bright ** (1 / 3), 7.787 * bright + 16 / 116) - 16
    steps = -lightness.diff()
    assert float(steps.max() / steps.min()) < 2.0


def test_above_the_maximum_stays_at_its_colour():
    assert torch.equal(heat_colours(torch.tensor([2.0]), 2.0), heat_colours(torch.tensor([9.0]), 2.0))
    with pytest.raises(InputError, match="maximum must be above 0"):
        heat_colours(torch.zeros(3), 0.0)
    with pytest.raises(InputError, match="values must be finite"):
        heat_colours(torch.tensor([float("nan")]), 1.0)


def test_bar_shows_the_scale_with_the_largest_on_top():
    bar = colour_bar(5.0, "mm", (256, 64))
    assert bar.shape == (256, 64, 3)
    column = bar[:, 12].astype(float).mean(1)
    scale = column[24:236]
    assert scale[10] < scale[-10]


def test_a_bar_needs_room_and_two_ends():
    assert colour_bar(5.0, "mm", (64, 16), ticks=2).shape == (64, 16, 3)
    with pytest.raises(InputError, match="height must be at least 64, got 20"):
        colour_bar(5.0, "mm", (20, 20))
    with pytest.raises(InputError, match="width must be at least 16, got 8"):
        colour_bar(5.0, "mm", (64, 8))
    with pytest.raises(InputError, match="ticks must be at least 2, got 1"):
        colour_bar(5.0, "mm", ticks=1)


def test_sheet_puts_pictures_in_rows():
    pictures = [np.full((40, 30, 3), 10 * (i + 1), np.uint8) for i in range(5)]
    sheet = contact_sheet(pictures, 3)
    assert sheet.shape == (80, 90, 3)
    assert sheet[20, 15, 0] == 10 and sheet[20, 75, 0] == 30 and sheet[60, 45, 0] == 50
    assert (sheet[60, 75] == 255).all()


def test_labels_are_written_outside_the_pictures():
    pictures = [np.full((100, 100, 3), 128, np.uint8)] * 4
    under = contact_sheet(pictures, 2, ["a", "b", "c", "d"])
    over = contact_sheet(pictures, 2, ["left", "right"], ["truth", "model"])
    assert (under[:100, :100] == 128).all() and (under[100:120] < 100).any()
    assert (over[-1, -1] == 128).all() and (over[:20] < 100).any()
    with pytest.raises(InputError, match="labels must be 4"):
        contact_sheet(pictures, 2, ["a", "b", "c"])
    with pytest.raises(InputError, match="row_labels must be 2"):
        contact_sheet(pictures, 2, row_labels=["a"])
    with pytest.raises(InputError, match="at least one picture"):
        contact_sheet([], 2)
    with pytest.raises(InputError, match="picture 1 must have shape"):
        contact_sheet([pictures[0], pictures[0][:50]], 2)
