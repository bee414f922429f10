"""Pages of talking heads beside the truth: reference, truth, each model, difference map, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from talking_heads_judge import GRID, PICTURES, Drawn, test_places
from torch import Tensor

from meshanim.datasets import GridVideos
from meshanim.vision import FaceCrop, write_image

STEP, FIRST, COUNT = 4, 14, 12
"""Frames from one picture to the next, the first one, and how many there are in a row."""
_MARGIN, _LEGEND = 2, 150
_GAIN = 4
"""How many times differences are shown."""


def difference(drawn: Tensor, truth: Tensor) -> Tensor:
    """(T, H, W, 3) uint8: white where nothing differs, the darker the more."""
    apart = (drawn.int() - truth.int()).abs().amax(dim=-1, keepdim=True)
    return (255 - (_GAIN * apart).clamp(max=255)).byte().expand_as(truth)


def page(rows: Mapping[str, Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Rows of pictures with a legend to the left of each."""
    height, width = next(iter(rows.values()))[0].shape[:2]
    count = max(len(row) for row in rows.values())
    size = (_LEGEND + count * (width + _MARGIN), len(rows) * (height + _MARGIN))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for line, (name, row) in enumerate(rows.items()):
        top = line * (height + _MARGIN)
        pen.text((4, top + height // 2), name, fill="black")
        for place, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (_LEGEND + place * (width + _MARGIN), top))
    return np.asarray(sheet)


def write_pages(
    mains: Mapping[str, tuple[Drawn, FaceCrop]], reduced: Mapping[FaceCrop, Mapping[str, Drawn]]
) -> list[Path]:
    """A page of one test clip and one of another speaker for each main model, with the reduced ones below."""
    written = []
    for name, (main, crop) in mains.items():
        clips = GridVideos(GRID, crop, "test")
        for who, places in (("s1", test_places(False)), ("speaker", test_places(True))):
            for place in places[:2]:
                clip = clips[place]
                shown = slice(FIRST, FIRST + STEP * COUNT, STEP)
                rows: dict[str, Sequence[NDArray[np.uint8]]] = {
                    "reference": [clip.frames[0].numpy()],
                    f"truth {clip.name}": [*clip.frames[shown].numpy()],
                }
                others = reduced[crop] if place == places[0] else {}
                for label, drawn in {f"{name}, main": main, **others}.items():
                    frames = drawn(clip, clip.sound, crop)
                    rows[label] = [*frames[shown].numpy()]
                    if drawn is main:
                        apart = difference(frames, clip.frames)
                        rows[f"difference, {_GAIN} times"] = [*apart[shown].numpy()]
                path = PICTURES / f"{name}-{who}-{clip.name.replace('/', '-')}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, page(rows))
                written.append(path)
    return written
