"""Files that the studio gives away: into its folder, or to the browser; nowhere else."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from meshanim._check import InputError
from meshanim.export import FORMATS, export, written_files
from meshanim.performance import Performance


def check_name(name: str) -> str:
    """The name of a file to write, if it is a plain one: no folder before it, not hidden, a known suffix.

    Raises:
        InputError: anything else.
    """
    if not name or name != PurePosixPath(name).name or name.startswith(".") or not name.isprintable():
        raise InputError(f"the file must have a plain name without folders, got {name!r}")
    if set(name) & set('\\/:*?"<>|'):
        raise InputError(f"the file must have a plain name without folders, got {name!r}")
    if PurePosixPath(name).suffix.lower() not in FORMATS:
        raise InputError(f"the file must end in one of {', '.join(FORMATS)}, got {name!r}")
    return name


def save(performance: Performance, folder: Path, name: str) -> list[Path]:
    """Write a performance into ``folder``; the name's suffix says the format.

    The folder is made where it is missing. A link that stands there is replaced, not followed.

    Returns:
        The file, and those that go beside it.

    Raises:
        InputError: a name that is not plain, or of no known format.
        OSError: the folder cannot be written to.
    """
    return written_files(performance, export(performance, folder / check_name(name)))


def packed(performance: Performance, name: str) -> tuple[str, bytes]:
    """Name and content of the file for a browser; formats of several files come as one ZIP."""
    with tempfile.TemporaryDirectory(prefix="meshanim-") as place:
        export(performance, Path(place) / check_name(name))
        files = sorted(Path(place).iterdir())
        if len(files) == 1:
            return name, files[0].read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as together:
            for file in files:
                together.write(file, file.name)
        return f"{name}.zip", archive.getvalue()
