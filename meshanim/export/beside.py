"""Files that some formats write beside the one that was asked for, and never over one of somebody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from meshanim._check import InputError
from meshanim._files import atomic_path

_AT_ONCE = 2.0
"""Seconds that files may be apart that somebody has copied at one stroke."""


def base_path(path: Path) -> Path:
    """The mesh at rest, beside a point cache."""
    return path.with_suffix(".obj")


def picture_path(path: Path) -> Path:
    """The texture, beside a format that does not hold pictures."""
    return path.with_suffix(".png")


def sound_path(path: Path) -> Path:
    """The sound, beside a USD layer; not ``NAME.wav``, which may be what spoke."""
    return path.with_name(f"{path.stem}_sound.wav")


def files_beside(path: Path, texture: bool, sound: bool) -> list[Path]:
    """What is written beside ``path`` for a performance with a texture, and with a sound."""
    suffix = path.suffix.lower()
    base = [base_path(path)] if suffix in (".pc2", ".mdd") else []
    picture = [picture_path(path)] if texture and suffix in (".abc", ".usda", ".usdc") else []
    return base + picture + ([sound_path(path)] if sound and suffix in (".usda", ".usdc") else [])


def check_beside(path: Path, beside: Iterable[Path]) -> None:
    """Raise where a file of ``beside`` stands that no earlier writing of ``path`` has left as it is.

    That writes ``path`` last, so that what is newer has been changed since, or is of something else.
    """
    for file in beside:
        if file.exists() and not (path.exists() and _age(file) < _age(path) + _AT_ONCE):
            came = f"is newer than {path.name}" if path.exists() else f"is not of an earlier {path.name}"
            raise InputError(
                f"{file} is written beside {path.name}, so that its place must be free, "
                f"got a file that {came}; give the output another name"
            )


def _age(file: Path) -> float:
    """When it was last written, in seconds."""
    return file.stat().st_mtime


@contextmanager
def writing_beside(path: Path, file: Path, content: bytes) -> Iterator[None]:
    """Write a file that goes with ``path``; to be entered inside its own :func:`atomic_path`.

    So it gets its name first: no kill leaves a new file beside an older one that it refers to.

    Raises:
        InputError: see :func:`check_beside`; a file of the same content may stand.
    """
    if file.is_file() and file.read_bytes() == content:
        # stays, and older than what else it may go with
        yield
        return
    check_beside(path, [file])
    with atomic_path(file) as place:
        place.write_bytes(content)
        yield
