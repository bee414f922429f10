"""Checks at the door of a published corpus: a folder laid out otherwise is named before anything is read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from meshanim._check import InputError

Item = TypeVar("Item")


def corpus_folder(folder: str | Path, layout: str) -> Path:
    """The folder, which must be there."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} must be a folder laid out as {layout}, but there is no such folder")
    return root


def at_least_one(found: Iterable[Item], root: Path, layout: str, what: str) -> Iterator[Item]:
    """``found`` as it comes, after a look whether anything does."""
    remaining = iter(found)
    first = next(remaining, None)
    if first is None:
        raise InputError(f"{root} must be laid out as {layout}, but no {what} were found there")
    return itertools.chain([first], remaining)


def visible(paths: Iterable[Path]) -> Iterator[Path]:
    """Files that are no system's own: macOS puts ``._NAME`` beside each that it copies to another's drive."""
    return (path for path in paths if not path.name.startswith("."))


def read_lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        InputError: it is none.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be a text file, got {error}") from None


def beside(path: Path) -> Path | None:
    """The path, where a file is there."""
    return path if path.is_file() else None
