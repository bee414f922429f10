"""Whether the arrays of a performance fit each other: Blender itself would crash on those that do not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .errors import Refusal

FORMAT_VERSION = 1
FASTEST = 32767
"""Frames per second that Blender counts."""
NUMBERS, INDICES, TEXT = "fiu", "iu", "U"
LAYOUT: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "format_version": (INDICES, ()),
    "unit": (TEXT, ()),
    "up_axis": (TEXT, ()),
    "fps": (NUMBERS, ()),
    "neutral": (NUMBERS, ("V", 3)),
    "vertices": (NUMBERS, ("T", "V", 3)),
    "residual": (NUMBERS, ("T", "V", 3)),
    "faces": (INDICES, ("F", 3)),
    "uv": (NUMBERS, ("U", 2)),
    "uv_faces": (INDICES, ("F", 3)),
    "weight_names": (TEXT, ("K",)),
    "weights": (NUMBERS, ("T", "K")),
    "basis": (NUMBERS, ("K", "V", 3)),
    "head_motion": (NUMBERS, ("T", 6)),
    "gaze": (NUMBERS, ("T", 2, 3)),
    "waveform": (NUMBERS, ("S",)),
    "sample_rate": (INDICES, ()),
    "group_names": (TEXT, ("G",)),
    "group_sizes": (INDICES, ("G",)),
    "group_vertices": (INDICES, ("M",)),
    "landmark_names": (TEXT, ("L",)),
    "landmarks": (INDICES, ("L",)),
}
"""Kind and shape by name; a letter is the same number wherever it stands."""
WITH = {
    "weights": ("weight_names", "basis"),
    "uv": ("uv_faces",),
    "uv_faces": ("uv",),
    "waveform": ("sample_rate",),
    "group_names": ("group_sizes", "group_vertices"),
    "landmark_names": ("landmarks",),
}
"""What must be there beside what."""
POINTS_INTO = {"faces": "V", "uv_faces": "U", "group_vertices": "V", "landmarks": "V"}


def check_arrays(name: str, arrays: Mapping[str, NDArray], streamed: Mapping[str, tuple[int, ...]]) -> None:
    """Check the arrays of the file ``name``, and the shapes of those that stay in it.

    Raises:
        Refusal: one sentence on the first fault.
    """
    sizes: dict[str, int] = {}
    for key, (kind, layout) in LAYOUT.items():
        shape = arrays[key].shape if key in arrays else streamed.get(key)
        if shape is None:
            continue
        missing = [other for other in WITH.get(key, ()) if other not in arrays]
        if missing:
            raise Refusal(f"{name} is damaged: it has {key} without {missing[0]}")
        if not (_fits(shape, layout, sizes) and (key in streamed or arrays[key].dtype.kind in kind)):
            raise Refusal(f"{name} is damaged: the array {key} does not fit the others")
    for key, array in arrays.items():
        if key in LAYOUT and not _sound(key, array, sizes):
            raise Refusal(f"{name} is damaged: the array {key} holds what cannot be")
    if "group_sizes" in arrays and arrays["group_sizes"].sum() != sizes["M"]:
        raise Refusal(f"{name} is damaged: the array group_sizes does not fit the others")
    _check_conventions(name, arrays, sizes["T"])


def _fits(shape: tuple[int, ...], layout: tuple[str | int, ...], sizes: dict[str, int]) -> bool:
    """Whether a shape is as laid out; sizes that are met first are noted."""
    if len(shape) != len(layout):
        return False
    pairs = zip(layout, shape, strict=True)
    return all(
        size == (part if isinstance(part, int) else sizes.setdefault(part, size)) for part, size in pairs
    )


def _sound(key: str, array: NDArray, sizes: Mapping[str, int]) -> bool:
    """Whether numbers are finite, indices within what they point into, sizes not negative."""
    if array.dtype.kind == "f":
        return bool(np.isfinite(array).all())
    if array.dtype.kind == "i" and array.min(initial=0) < 0:
        return False
    return key not in POINTS_INTO or bool((array < sizes[POINTS_INTO[key]]).all())


def _check_conventions(name: str, arrays: Mapping[str, NDArray], frames: int) -> None:
    if int(arrays.get("format_version", np.array(FORMAT_VERSION))) > FORMAT_VERSION:
        raise Refusal(f"{name} is from a later meshanim; update this extension to read it")
    unit, up = (str(arrays.get(key, default)) for key, default in (("unit", "m"), ("up_axis", "Y")))
    if (unit, up) != ("m", "Y"):
        raise Refusal(f"{name} must be in m with Y up, and is in {unit} with {up} up")
    if frames == 0 or not 0 < float(arrays["fps"]) <= FASTEST:
        raise Refusal(f"{name} has no frames, or no frame rate between 0 and {FASTEST}")
