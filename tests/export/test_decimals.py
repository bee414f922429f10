"""Decimal text of many numbers, beside Python's own."""

import numpy as np
import pytest

from meshanim.export.decimals import lines


def by_python(rows, decimals):
    text = "".join("v" + "".join(f" {value:.{decimals}f}" for value in row) + "\n" for row in rows.tolist())
    return text.replace(f" -0.{'0' * decimals}", f" 0.{'0' * decimals}").encode()


@pytest.mark.parametrize("decimals", [5, 6])
@pytest.mark.parametrize("size", [1e-6, 0.1, 9.999999, 12345.678, 3e7, 1e12])
def test_as_python_writes_them(size, decimals):
    rows = (size * np.random.default_rng(0).normal(size=(500, 3))).astype(np.float32)
    # Python rounds the decimal expansion itself, we round after scaling: float32 is never so near to a half
    # of the last digit that these differ, unless it is a half itself.
    assert lines("v", rows, decimals) == by_python(rows, decimals)


def test_zeros_signs_and_carries():
    rows = np.array([[0.0, -0.0, -1e-9], [0.9999999, -0.9999999, 1.0], [-12.5, 0.000001, -0.000001]])
    assert lines("v", rows, 6).decode().splitlines() == [
        "v 0.000000 0.000000 0.000000",
        "v 1.000000 -1.000000 1.000000",
        "v -12.500000 0.000001 -0.000001",
    ]
    assert lines("vt", np.zeros((0, 2)), 6) == b""
