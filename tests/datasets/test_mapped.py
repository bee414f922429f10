"""Mapped arrays: read where they lie, also by another process."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from meshanim.datasets._mapped import MappedArray


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "array.npy", np.arange(100_000))
    return tmp_path / "array.npy"


def test_copies_hold_no_values(path: Path) -> None:
    array = MappedArray(path)
    pickled = pickle.dumps(array)
    assert len(pickled) < 1000
    for same in (array, copy.deepcopy(array), pickle.loads(pickled)):
        assert same[3] == 3 and same[-2:].tolist() == [99_998, 99_999]
        assert isinstance(same.array, np.memmap)


def test_what_a_copy_writes_is_in_the_file(path: Path) -> None:
    array = MappedArray(path, "r+")
    pickle.loads(pickle.dumps(array)).array[7] = 1
    assert array[7] == 1 and MappedArray(path)[7] == 1
    with pytest.raises(ValueError, match="read-only"):
        MappedArray(path).array[7] = 2
