"""Many numbers as decimal text at once: Python's own formatting would take most of an export's time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e9
"""Numbers from here on go by Python's formatting: scaled by a million they would soon leave int64."""


def lines(keyword: str, rows: NDArray, decimals: int) -> bytes:
    """``keyword`` and the numbers of each row (N, C), a line for each, with as many ``decimals``.

    Halves are rounded to even, after scaling in float64; there is no minus before zeros.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if not rows.size or np.abs(rows).max() >= LARGEST:
        pattern = f"{keyword}{f' %.{decimals}f' * rows.shape[1]}\n"
        return ((pattern * len(rows)) % tuple(rows.ravel().tolist())).encode()
    cells, kept = _cells(np.rint(rows * 10**decimals), decimals)
    head = len(keyword)
    # Keyword, cells, end of line; what a number lacks is left out in the end.
    text = np.full((len(rows), head + cells[0].size + 1), ord("\n"), dtype=np.uint8)
    text[:, :head] = np.frombuffer(keyword.encode(), dtype=np.uint8)
    text[:, head:-1] = cells.reshape(len(rows), -1)
    used = np.ones(text.shape, dtype=bool)
    used[:, head:-1] = kept.reshape(len(rows), -1)
    return text[used].tobytes()


def _cells(scaled: NDArray[np.float64], decimals: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Letters (N, C, W) of whole numbers (N, C) with a point before the last ``decimals``, and which count.

    Each number has the same cells: blank, sign, digits, point, digits.
    """
    left, negative = np.abs(scaled), scaled < 0
    left = left.astype(np.int32 if left.max() < 2**31 else np.int64)
    whole = max(1, len(str(int(left.max()))) - decimals)
    width = 3 + whole + decimals
    cells, kept = np.empty((*scaled.shape, width), np.uint8), np.ones((*scaled.shape, width), bool)
    cells[..., 0], cells[..., 1], cells[..., 2 + whole] = ord(" "), ord("-"), ord(".")
    kept[..., 1] = negative
    for place in (*range(width - 1, 2 + whole, -1), *range(1 + whole, 1, -1)):
        kept[..., place] = (left > 0) | (place > whole)
        tenth = left // 10
        cells[..., place] = left - 10 * tenth + ord("0")
        left = tenth
    return cells, kept
