"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from meshanim._check import InputError


def cache_folder() -> Path:
    """Folder for what can be made again; the environment variable ``MESHANIM_CACHE`` moves it."""
    return Path(os.environ.get("MESHANIM_CACHE") or platformdirs.user_cache_dir("meshanim"))


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it becomes ``path`` when the block ends without an error.

    The temporary name keeps the suffix, so that writers that go by it work. The folder is made where it
    is missing.

    Raises:
        InputError: ``path`` is a folder.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} must be a file to write, but it is a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
