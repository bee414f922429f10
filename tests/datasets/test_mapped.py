"""Mapped arrays: read where they lie, also by another process."""

import copy
import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from meshanim.datasets._mapped import MappedArray, make_array


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


def test_an_array_has_its_room_before_anything_is_written(tmp_path: Path) -> None:
    made = make_array(tmp_path / "a.npy", np.float32, (1000, 1000))
    assert not made.any() and made.shape == (1000, 1000)
    taken = (tmp_path / "a.npy").stat()
    assert taken.st_blocks * 512 >= taken.st_size


def test_without_room_there_is_no_array(tmp_path: Path, monkeypatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.npy'"):
        make_array(tmp_path / "a.npy", np.float32, (10,))
    assert not list(tmp_path.iterdir())


def test_what_no_file_can_hold_is_said_to_be_too_large(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"File too large: '.*a\.npy'"):
        make_array(tmp_path / "a.npy", np.uint8, (2**62,))
    assert not list(tmp_path.iterdir())
