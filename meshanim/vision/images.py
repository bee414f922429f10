"""Still pictures and GIFs, through pillow."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from meshanim._check import InputError, check_range

GIF_LARGEST_FPS = 50.0
"""GIF counts in hundredths of a second, and browsers slow anything under two of them down to ten."""
GIF_LEAST_FPS = 0.002
"""It has 16 bits for the hundredths of a frame."""

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""What still pictures that people have end in."""


def check_image(name: str, image: NDArray[np.uint8]) -> None:
    """Raise unless ``image`` is (H, W, 3) uint8 with at least one pixel."""
    fits = image.ndim == 3 and image.shape[2] == 3 and image.size > 0 and image.dtype == np.uint8
    if not fits:
        raise InputError(f"{name} must be (H, W, 3) uint8, got {tuple(image.shape)} {image.dtype}")


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a still picture, turned upright as the camera noted; white where it is clear.

    Raises:
        InputError: not a picture, or one that breaks off.
        OSError: the file is missing or cannot be read.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist, or is not a file")
    try:
        with Image.open(path) as opened:
            image = np.array(_in_colour(ImageOps.exif_transpose(opened)))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} must be a picture, and cannot be read as one") from error
    check_image(str(path), image)
    return image


def _in_colour(image: Image.Image) -> Image.Image:
    """A picture as RGB; of 16 bits of grey the upper half, where pillow would make nearly all of it white."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("numbers without a known white are no picture")
    if image.has_transparency_data:
        # a cut-out keeps colours that nobody is meant to see
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return image.convert("RGB")


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) uint8 to ``path``; the suffix names the format (PNG, JPEG, ...)."""
    check_image("image", image)
    if Path(path).suffix.lower() not in Image.registered_extensions():
        raise InputError(f"{path} must have a suffix of an image format, such as .png or .jpg")
    Image.fromarray(image).save(path)


def _kept_frames(frames: Iterable[NDArray[np.uint8]], fps: float) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Pairs of hundredths of a second and frame, at no more than :data:`GIF_LARGEST_FPS`."""
    shown_fps = min(fps, GIF_LARGEST_FPS)
    shown = 0
    for index, frame in enumerate(frames):
        check_image(f"frame {index}", frame)
        if (index + 0.5) * shown_fps / fps >= shown:
            begin, end = (round(100 * (shown + step) / shown_fps) for step in (0, 1))
            yield end - begin, frame
            shown += 1


def _palette(frame: NDArray[np.uint8]) -> Image.Image:
    """256 colours of (H, W, 3) as a picture's palette: many for large surfaces, some for small things.

    A colour counts by the root of how often it is there: by its number alone, a backdrop would have bands, or
    a face no colour for its eyes.
    """
    some = frame[::2, ::2].reshape(-1, 3)
    red, green, blue = (some >> 2).astype(np.int64).T
    _, first, count = np.unique((red << 12) | (green << 6) | blue, return_index=True, return_counts=True)
    told = np.repeat(some[first], np.ceil(np.sqrt(count)).astype(np.int64), axis=0)
    return Image.fromarray(told[None]).quantize(256, method=Image.Quantize.MEDIANCUT)


def write_gif(path: str | Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write (H, W, 3) uint8 frames as a looping GIF that keeps time to a hundredth of a second.

    Frames above 50 fps are thinned out; each has its own palette of 256 colours, between which dots
    stand for finer shades. Frames that equal the one before only lengthen it.

    Args:
        path: file to write.
        frames: all of one size; held as palette indices, one byte per pixel.
        fps: frames per second, at least :data:`GIF_LEAST_FPS`.

    Raises:
        InputError: no frames, or a frame of another shape.
    """
    check_range("fps", fps, GIF_LEAST_FPS)
    kept = _kept_frames(frames, fps)
    first = next(kept, None)
    if first is None:
        raise InputError("frames must hold at least one frame, got none")
    durations: list[int] = []

    def paletted() -> Iterator[Image.Image]:
        for hundredths, frame in itertools.chain([first], kept):
            if frame.shape != first[1].shape:
                raise InputError(f"frames must all have shape {first[1].shape}, got {frame.shape}")
            durations.append(10 * hundredths)
            yield Image.fromarray(frame).quantize(palette=_palette(frame))

    images = list(paletted())
    images[0].save(
        path, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=1
    )
