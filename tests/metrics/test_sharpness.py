"""Blur that people notice: widths by hand, and that it grows with the blur of a real picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from meshanim._check import InputError
from meshanim.metrics import cpbd
from meshanim.metrics.sharpness import edge_widths, upright_edges
from meshanim.vision import read_video


def ramp(width: int) -> np.ndarray:
    """(64, 64) dark on the left, light on the right, with so many pixels between the two."""
    row = np.concatenate([np.zeros(32 - width // 2), np.linspace(0, 200, width + 1), np.full(64, 200.0)])
    return np.tile(row[:64], (64, 1))


def test_widths_are_those_between_valley_and_peak() -> None:
    row = np.array([[5.0, 5, 6, 9, 20, 20, 8, 30]])
    # It rises from column 1 to 4, is flat to 5, falls to 6 and rises to 7.
    assert edge_widths(row).tolist() == [[0, 3, 3, 3, 3, 1, 1, 1]]
    assert edge_widths(row[:, ::-1]).tolist() == [[1, 1, 1, 3, 3, 3, 3, 0]]


def test_edges_stand_where_the_row_changes_most() -> None:
    image = np.zeros((5, 9))
    image[:, 4], image[:, 5:] = 60, 100
    found = upright_edges(image)
    assert found.sum(axis=1).tolist() == [1] * 5 and found[:, 4].all()


def test_edges_stand_out_by_more_than_twice_the_root_mean_square() -> None:
    """Of two steps, whose squares are the picture's power, with eight times as many columns as edges have."""
    faint, found = np.zeros((5, 40)), {}
    for share in (0.45, 0.55):
        image = faint.copy()
        image[:, 10:30] += 100
        image[:, 30:] += 100 + 100 * share
        found[share] = upright_edges(image).sum(axis=1).tolist()
    # Each step is in two of the 40 columns: the fainter counts from a half on, sqrt(3.2 / 12.8).
    assert found == {0.45: [1] * 5, 0.55: [2] * 5}


@pytest.mark.parametrize(("width", "share"), [(1, 1.0), (3, 0.0), (6, 0.0)])
def test_an_edge_is_sharp_up_to_the_width_that_is_just_noticed(width: int, share: float) -> None:
    # At 3 pixels, the width that is just noticed, the probability is 1 - 1/e = 0.632, above 0.63.
    assert cpbd(torch.from_numpy(ramp(width)).byte()[None]) == share


def test_low_contrast_hides_blur() -> None:
    faint = torch.from_numpy(ramp(4) / 5).byte()[None]
    assert cpbd(faint) == 1 and cpbd(torch.from_numpy(ramp(4)).byte()[None]) == 0


def test_frames_count_alike_and_flat_ones_are_not_sharp() -> None:
    flat, sharp = torch.full((1, 64, 64), 90, dtype=torch.uint8), torch.from_numpy(ramp(1)).byte()[None]
    assert cpbd(flat) == 0
    assert cpbd(torch.cat([flat, sharp])) == 0.5
    assert cpbd(sharp[..., None].expand(-1, -1, -1, 3)) == 1


@pytest.mark.parametrize("size", [(1, 1), (9, 1), (1, 9)])
def test_frames_of_one_pixel_have_no_edges(size: tuple[int, int]) -> None:
    assert cpbd(torch.full((2, *size), 7, dtype=torch.uint8)) == 0


def test_it_falls_as_a_real_picture_is_blurred(shared_data: Path) -> None:
    image = next(read_video(shared_data / "grid_sample" / "speakers" / "brbk7n.mpg").frames())
    blurred = [gaussian_filter(image.astype(float), (d, d, 0)).round().astype(np.uint8) for d in (0, 1, 2, 4)]
    scores = [cpbd(torch.from_numpy(each)[None]) for each in blurred]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1] + 0.2


def test_what_are_no_frames_is_named() -> None:
    with pytest.raises(InputError, match="frames must be uint8 frames"):
        cpbd(torch.zeros(1, 8, 8))
    with pytest.raises(InputError, match=r"frames must have shape \(any, any, any, 3\)"):
        cpbd(torch.zeros(1, 8, 8, 1, dtype=torch.uint8))
