"""Writing files so that a reader never meets half of one; a ground-floor module that any room may import."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from meshanim._check import InputError


def cache_folder() -> Path:
    """Folder for what can be made again; the environment variable ``MESHANIM_CACHE`` moves it."""
    return Path(os.environ.get("MESHANIM_CACHE") or platformdirs.user_cache_dir("meshanim"))


def _temporary_name(target: Path, suffix: str) -> Path:
    """A name beside ``target`` that no other process or thread takes."""
    return target.with_name(f".{target.stem}.{os.getpid()}-{threading.get_ident()}{suffix}")


@contextmanager
def _made_folder(folder: Path) -> Iterator[None]:
    """Make ``folder`` and its parents; take away again what was made where the block fails."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in missing:
            try:
                place.rmdir()
            except OSError:
                break
        raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it becomes ``path`` when the block ends without an error.

    The temporary name keeps the suffix, so that writers that go by it work. The folder is made where it
    is missing. After an error nothing is left behind, and a file that stood at ``path`` still stands.

    Raises:
        InputError: ``path`` is a folder.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} must be a file to write, but it is a folder")
    with _made_folder(target.parent):
        temporary = _temporary_name(target, target.suffix)
        try:
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, replaces: str) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; its files stand in ``path`` when the block ends.

    In a folder that exists, files that match the pattern ``replaces`` give way to the new ones, at the end;
    other files stay. After an error nothing is left behind, and the folder is as it was.

    Raises:
        InputError: ``path`` is a file.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} must be a folder to write, but it is a file")
    with _made_folder(target.parent):
        temporary = _temporary_name(target, ".parts")
        try:
            temporary.mkdir()
            yield temporary
            if not target.exists():
                temporary.rename(target)
            else:
                _replace_files(temporary, target, replaces)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace_files(source: Path, target: Path, replaces: str) -> None:
    new = sorted(source.iterdir())
    names = {file.name for file in new}
    for file in new:
        file.replace(target / file.name)
    for old in target.glob(replaces):
        if old.name not in names:
            old.unlink()
