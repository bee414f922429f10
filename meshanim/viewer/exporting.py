"""Files that the studio gives away: into its folder, or to the browser; nowhere else."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from meshanim._check import InputError
from meshanim.export import FORMATS, export, keep_sources, written_files
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


def save(performance: Performance, folder: Path, name: str, face: str | None = None) -> list[Path]:
    """Write a performance into ``folder``; the name's suffix says the format.

    The folder is made where it is missing. A link that stands there is replaced, not followed.

    Args:
        performance: what to write.
        folder: where.
        name: of the file.
        face: who performs, as :func:`meshanim.faces.load_face` takes it; its files are not written over.

    Returns:
        The file, and those that go beside it.

    Raises:
        InputError: a name that is not plain, of no known format, or the face's.
        OSError: the folder cannot be written to.
    """
    path = folder / check_name(name)
    keep_sources([path], face=face)
    return written_files(performance, export(performance, path))


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
