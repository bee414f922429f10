"""How files are read back and compared, and a triangle to read."""

from typing import Any

import numpy as np

from meshanim.export import read_performance

FLOAT32_MM = 2e-4
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])


def read(path, fps=None, face=None) -> Any:
    """As read_performance, but its tracks are there."""
    return read_performance(path, fps, face)


def millimetres(found, wanted):
    return 1000 * np.linalg.norm(found - np.asarray(wanted), axis=-1).max()


def posed(performance):
    return performance.pose(performance.vertices()).numpy()
