"""Files and folders appear whole or not at all."""

import errno
import os
import shutil
import stat
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from meshanim import _files
from meshanim._check import InputError
from meshanim._files import atomic_folder, atomic_path, cache_folder, remove_leftovers


def save_array(place: Path) -> None:
    np.save(place, np.zeros(999))


def test_a_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as place:
        assert place.suffix == ".txt" and place.parent == target.parent
        place.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [file.name for file in target.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("stem", ["x" * 250, "ä" * 125])
def test_a_name_may_be_as_long_as_the_file_system_has_room_for(tmp_path, stem):
    targets = [tmp_path / f"{stem}.npz", tmp_path / f"{stem[:-1]}y.npz"]
    with atomic_path(targets[0]) as first, atomic_path(targets[1]) as second:
        first.write_text("first")
        second.write_text("second")
    assert [target.read_text() for target in targets] == ["first", "second"]


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(KeyError), atomic_path(tmp_path / "a.txt") as place:
        place.write_text("half")
        raise KeyError
    assert (tmp_path / "a.txt").read_text() == "old"
    with pytest.raises(KeyError), atomic_path(tmp_path / "x" / "y" / "b.txt") as place:
        place.write_text("half")
        raise KeyError
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("write", [lambda place: save_file({"a": torch.zeros(999)}, place), save_array])
def test_what_the_system_says_of_a_full_disk_is_said_whoever_writes(files_no_larger_than, tmp_path, write):
    """safetensors has an error of its own for it, NumPy says how much was written."""
    said = pytest.raises(OSError, match=r"left on device|too large")
    with files_no_larger_than(700), said as caught, atomic_path(tmp_path / "x" / "a.npy") as place:
        write(place)
    assert caught.value.filename == str(tmp_path / "x" / "a.npy")
    assert caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", f"{20 * 'long'}.txt"])
def test_what_a_kill_has_left_of_a_file_goes_and_nothing_else(tmp_path, name):
    target, mine = tmp_path / name, tmp_path / ".a.mine.txt"
    mine.write_text("mine")
    with atomic_path(target) as place:
        place.write_text("half")
        shutil.copy(place, tmp_path / "killed")
    (tmp_path / "killed").rename(place)
    remove_leftovers(target)
    assert set(tmp_path.iterdir()) == {target, mine}


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_a_file_has_the_mode_that_the_umask_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "a.safetensors") as place:
            save_file({"a": torch.zeros(1)}, place)  # keeps what it writes from others
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o666 & ~umask


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    with (
        pytest.raises(InputError, match="must be a file to write, but it is a folder"),
        atomic_path(tmp_path),
    ):
        pass
    (tmp_path / "a").write_text("")
    with (
        pytest.raises(InputError, match="must be a folder to write, but it is a file"),
        atomic_folder(tmp_path / "a", "*"),
    ):
        pass


def test_two_threads_write_the_same_file(tmp_path):
    barrier = threading.Barrier(2)

    def write(text):
        with atomic_path(tmp_path / "a.txt") as place:
            place.write_text(text)
            barrier.wait()

    threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.txt").read_text() in ("a" * 1000, "b" * 1000)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_appears_when_the_block_ends(tmp_path):
    with atomic_folder(tmp_path / "new" / "f", "*.txt") as place:
        (place / "1.txt").write_text("1")
        assert not (tmp_path / "new" / "f").exists()
    assert (tmp_path / "new" / "f" / "1.txt").read_text() == "1"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_in_a_folder_that_exists_matching_files_give_way_at_the_end(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    for name in ("1.txt", "2.txt", "mine.csv"):
        (folder / name).write_text("old")
    with pytest.raises(KeyError), atomic_folder(folder, "*.txt") as place:
        (place / "1.txt").write_text("new")
        raise KeyError
    assert [(folder / name).read_text() for name in ("1.txt", "2.txt", "mine.csv")] == ["old"] * 3
    with atomic_folder(folder, "*.txt") as place:
        (place / "1.txt").write_text("new")
    assert sorted(file.name for file in folder.iterdir()) == ["1.txt", "mine.csv"]
    assert (folder / "1.txt").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


@pytest.fixture
def full(tmp_path):
    """A folder with two texts and a table that is not to be replaced."""
    folder = tmp_path / "f"
    folder.mkdir()
    for name in ("1.txt", "2.txt", "mine.csv"):
        (folder / name).write_text("old")
    folder.chmod(0o750)
    return folder


def fill(folder):
    with atomic_folder(folder, "*.txt") as place:
        (place / "1.txt").write_text("new")


def texts(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges names")
def test_folders_change_names_at_one_stroke(full, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(Path, "rename")  # nothing else is renamed
        fill(full)
    assert texts(full) == {"1.txt": "new", "mine.csv": "old"} and full.stat().st_mode & 0o777 == 0o750


def test_other_files_of_a_folder_are_the_same_ones(full):
    number = (full / "mine.csv").stat().st_ino
    (full / "link").symlink_to("nowhere")
    fill(full)
    assert (full / "mine.csv").stat().st_ino == number and (full / "link").is_symlink()


def test_a_file_that_comes_in_the_last_moment_stays(full, monkeypatch):
    take_place = _files._take_place

    def late(new, folder):
        (folder / "late.csv").write_text("late")
        return take_place(new, folder)

    monkeypatch.setattr(_files, "_take_place", late)
    fill(full)
    assert texts(full) == {"1.txt": "new", "mine.csv": "old", "late.csv": "late"}
    assert list(full.parent.iterdir()) == [full]


def test_folders_change_places_where_names_cannot_be_exchanged(full, monkeypatch):
    monkeypatch.setattr(_files, "_exchange", lambda *_: False)
    fill(full)
    assert texts(full) == {"1.txt": "new", "mine.csv": "old"} and list(full.parent.iterdir()) == [full]


def test_what_a_kill_left_under_a_hidden_name_comes_back(full):
    before = texts(full)
    full.rename(_files._aside(full))  # killed between the two renames
    with pytest.raises(KeyError), atomic_folder(full, "*.txt"):
        assert texts(full) == before
        raise KeyError
    shutil.copytree(full, _files._aside(full))  # killed after both
    fill(full)
    assert texts(full) == {"1.txt": "new", "mine.csv": "old"} and list(full.parent.iterdir()) == [full]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no folders")
def test_what_a_kill_left_of_a_folder_goes_with_the_next_and_what_is_being_written_stays(full):
    """A corpus that was killed in the making is gigabytes that nobody sees."""
    begun = f"{_files._beginning(full)}123-456"
    (full.parent / f"{begun}.parts").mkdir()
    (full.parent / f"{begun}.parts" / "1.txt").write_text("half")
    mine = full.parent / f"{begun}.mine"
    mine.mkdir()
    (mine / "1.txt").write_text("mine")
    with atomic_folder(full, "*.txt") as place:
        (place / "1.txt").write_text("first")
        writer = threading.Thread(target=fill, args=(full,))
        writer.start()
        writer.join()
        assert texts(place) == {"1.txt": "first"}
    assert texts(full) == {"1.txt": "first", "mine.csv": "old"}
    assert set(full.parent.iterdir()) == {full, mine}


def test_a_folder_that_cannot_be_replaced_is_named_before_any_work(full, tmp_path, monkeypatch):
    (full / "inner").mkdir()
    with pytest.raises(InputError, match="so it must hold files only, got folder inner"):
        fill(full)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="so it must not be the one that this runs in"):
        fill(Path())
    with pytest.raises(InputError, match="so it must not be a mount point"):
        fill("/proc")


def test_the_cache_moves_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MESHANIM_CACHE")
    assert cache_folder().name == "meshanim"
