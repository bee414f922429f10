"""Files and folders appear whole or not at all."""

import threading

import pytest

from meshanim._check import InputError
from meshanim._files import atomic_folder, atomic_path, cache_folder


def test_a_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as place:
        assert place.suffix == ".txt" and place.parent == target.parent
        place.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [file.name for file in target.parent.iterdir()] == ["a.txt"]


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


def test_the_cache_moves_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MESHANIM_CACHE")
    assert cache_folder().name == "meshanim"
