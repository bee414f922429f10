"""What the mesh ops share: NumPy arrays of integers and coordinates, rows of different length among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def rows(begin: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Flat slots of ragged rows that begin at ``begin``, and the number of the row each belongs to."""
    row = np.repeat(np.arange(len(count)), count)
    return np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(len(row)), row


def starts(count: IntArray) -> IntArray:
    """Where each of some rows begins that follow each other without a gap."""
    return np.cumsum(count) - count


def dot(one: FloatArray, other: FloatArray) -> FloatArray:
    """(...,) scalar products of (..., 3) vectors, added from left to right on every machine."""
    return one[..., 0] * other[..., 0] + one[..., 1] * other[..., 1] + one[..., 2] * other[..., 2]


def cross(one: FloatArray, other: FloatArray) -> FloatArray:
    """(..., 3) vector products of (..., 3) vectors."""
    a, b, c = np.moveaxis(one, -1, 0)
    x, y, z = np.moveaxis(other, -1, 0)
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=-1)


def norm(vectors: FloatArray) -> FloatArray:
    """(...,) lengths of (..., 3) vectors, see ``dot``."""
    return np.sqrt(dot(vectors, vectors))
