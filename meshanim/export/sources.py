"""Files that are read stay as they are, whatever is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from meshanim._check import InputError
from meshanim.export.beside import files_beside
from meshanim.export.reading import files_read


def keep_sources(output: Iterable[str | Path], *sources: str | Path | None, face: str | None = None) -> None:
    """Raise where an output, or what goes beside it, would take the place of a file that is read.

    Nobody can make a recording again, nor a performance as it was.

    Args:
        output: paths.
        sources: performances, recordings, pictures; None stands for none.
        face: whose files are read too, as :func:`meshanim.faces.load_face` takes it.

    Raises:
        InputError: one that would.
    """
    read = _read(*sources, face=face)
    for target in map(Path, output):
        for file in (target, *files_beside(target, texture=True, sound=True)):
            if source := next((source for source in read if _takes_place(file, source)), None):
                kind = "folder" if file.is_dir() else "file"
                raise InputError(f"{file} must be another {kind} than {source}, which is read")


def _read(*sources: str | Path | None, face: str | None) -> list[Path]:
    """All files and folders that are read, as far as they are there."""
    files = [file for source in sources if source is not None for file in files_read(source)]
    if face not in (None, "anny"):
        files.append(Path(face.removeprefix("ict=").removeprefix("flame=")).expanduser())
    return [file for file in files if file.exists()]


def _takes_place(file: Path, source: Path) -> bool:
    """Whether writing ``file``, or a sequence into that folder, ends what stands at ``source``."""
    # A way through folders that are yet to be made leads there once they are.
    place = Path(os.path.realpath(file))
    if not place.exists():
        return False
    if place.samefile(source):
        return True
    inside = place.is_dir() and source.is_file() and source.parent.samefile(place)
    return inside and bool(re.fullmatch(re.escape(place.name) + r"_\d{6}\.obj", source.name))
