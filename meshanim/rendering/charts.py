"""Numbers as colours, and pictures side by side with words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_size
from meshanim.rendering.shading import encode_srgb
from meshanim.vision import check_image

HEAT_STOPS = (
    (0.93, 0.000, 0.010),
    (0.82, 0.010, 0.110),
    (0.68, 0.120, 0.120),
    (0.52, 0.170, 0.060),
    (0.37, 0.120, -0.060),
    (0.22, 0.040, -0.080),
)
"""OKLab colours from nothing to most: off-white, yellow, orange, red, purple, dark. Lightness falls steadily,
so that equal steps look equal and the order survives in grey."""

_OKLAB_TO_LMS = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_LMS_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)
"""Björn Ottosson's OKLab (2020): to cube roots of cone responses, and from these to linear RGB."""


def _oklab_to_display(colours: Tensor) -> Tensor:
    """OKLab (..., 3) to sRGB in [0, 1]."""
    cones = (colours @ torch.tensor(_OKLAB_TO_LMS).T) ** 3
    return encode_srgb(cones @ torch.tensor(_LMS_TO_RGB).T)


def heat_colours(values: Tensor, maximum: float) -> Tensor:
    """Colours (..., 3) in [0, 1] for values (...): light for zero, dark for ``maximum`` and all above.

    Args:
        values: numbers from zero up, such as errors in millimetres.
        maximum: where the scale ends, in the values' unit; state it beside the picture (:func:`colour_bar`).
    """
    check_range("maximum", maximum, 0, open_low=True)
    check_finite("values", values)
    stops = torch.tensor(HEAT_STOPS)
    position = (values.to(torch.float32) / maximum).clamp(0, 1) * (len(stops) - 1)
    low = position.floor().long().clamp(max=len(stops) - 2)
    share = (position - low).unsqueeze(-1)
    return _oklab_to_display(torch.lerp(stops[low], stops[low + 1], share))


def _lettered(picture: Image.Image, place: tuple[float, float], text: str, height: int, anchor: str) -> None:
    font = ImageFont.load_default(height)
    ImageDraw.Draw(picture).text(place, text, fill=(30, 30, 30), font=font, anchor=anchor)


def colour_bar(
    maximum: float, unit: str, size: tuple[int, int] = (512, 96), ticks: int = 5
) -> NDArray[np.uint8]:
    """(H, W, 3) upright scale of :func:`heat_colours` with its numbers, the largest on top.

    Args:
        maximum: the value at the upper end.
        unit: written above the scale.
        size: (height, width) in pixels, at least 64 x 16.
        ticks: how many numbers, from zero to ``maximum``, at least two.

    Raises:
        InputError: too small a size, too few ticks, or a maximum that is not above zero.
    """
    check_size(size, 16)
    height, width = size
    check_range("height", height, 64)
    check_range("ticks", ticks, 2)
    letter = max(9, height // 32)
    top, bottom = 3 * letter, height - 2 * letter
    picture = Image.new("RGB", (width, height), "white")
    ramp = heat_colours(torch.linspace(maximum, 0, bottom - top), maximum)
    column = (255 * ramp).round().to(torch.uint8)[:, None].expand(-1, width // 4, 3)
    picture.paste(Image.fromarray(column.contiguous().numpy()), (letter // 2, top))
    _lettered(picture, (letter // 2, letter), unit, letter, "lm")
    for tick in range(ticks):
        share = tick / (ticks - 1)
        place = (width // 4 + letter, bottom + share * (top - bottom))
        _lettered(picture, place, f"{share * maximum:.3g}", letter, "lm")
    return np.array(picture)


def _check_sheet(
    images: Sequence[NDArray[np.uint8]], columns: int, labels: Sequence[str], row_labels: Sequence[str]
) -> int:
    """Number of rows of a sheet whose parts fit together."""
    if len(images) == 0:
        raise InputError("images must hold at least one picture, got none")
    check_range("columns", columns, 1)
    for index, image in enumerate(images):
        check_image(f"picture {index}", image)
        if image.shape != images[0].shape:
            raise InputError(f"picture {index} must have shape {images[0].shape}, got {image.shape}")
    rows = -(-len(images) // columns)
    if labels and len(labels) not in (columns, len(images)):
        raise InputError(f"labels must be {len(images)}, one per picture, or {columns}, got {len(labels)}")
    if row_labels and len(row_labels) != rows:
        raise InputError(f"row_labels must be {rows}, one per row, got {len(row_labels)}")
    return rows


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    columns: int,
    labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Pictures of one size in rows, each with its label underneath.

    Args:
        images: (H, W, 3) uint8, all of one size, row by row.
        columns: pictures in a row.
        labels: one per picture, or one per column, which then stands once, at the top.
        row_labels: one per row, to its left.

    Returns:
        (H', W', 3) uint8.
    """
    rows = _check_sheet(images, columns, labels, row_labels)
    height, width = images[0].shape[:2]
    letter = max(10, height // 20)
    headed = 0 < len(labels) == columns < len(images)
    top = 2 * letter if headed else 0
    left = letter * max(map(len, row_labels)) * 2 // 3 if row_labels else 0
    step = height + (2 * letter if labels and not headed else 0)
    sheet = Image.new("RGB", (left + columns * width, top + rows * step), "white")
    for index, image in enumerate(images):
        x, y = left + index % columns * width, top + index // columns * step
        sheet.paste(Image.fromarray(image), (x, y))
        if labels and not headed:
            _lettered(sheet, (x + width / 2, y + height + letter), labels[index], letter, "mm")
    for column, text in enumerate(labels if headed else ()):
        _lettered(sheet, (left + (column + 0.5) * width, letter), text, letter, "mm")
    for row, text in enumerate(row_labels):
        _lettered(sheet, (letter / 2, top + row * step + height / 2), text, letter, "lm")
    return np.array(sheet)
