"""What commands that make performances do last: write all files that were asked for, or none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from meshanim.cli.progress import Steps
    from meshanim.faces import FaceModel
    from meshanim.performance import Performance


def write_all(
    performance: Performance,
    output: Sequence[str],
    steps: Steps,
    face: FaceModel | None = None,
    joints: bool = True,
) -> None:
    """Write a performance to each path, and say so; where one format cannot hold it, none is written.

    Args:
        performance: what to write.
        output: paths.
        steps: shows progress.
        face: whose joints these are, and
        joints: whether they go out; see :func:`meshanim.export.export`.
    """
    from meshanim.export import check_targets, export, written_files

    voiced = performance.waveform is not None
    check_targets(output, weight_names=performance.weight_names, sound=voiced)
    for path in output:
        export(performance, path, steps.step(Path(path).name), face=face, joints=joints)
        say_written(written_files(performance, path), steps)


def keep_sources(output: Iterable[str | Path], *sources: str | Path | None, face: str | None = None) -> None:
    """Raise where an output, or what goes beside it, would take the place of a file that is read.

    Nobody can make a recording again, nor a performance as it was.

    Args:
        output: paths.
        sources: performances, recordings, pictures; None stands for none.
        face: whose files are read too, as ``--face`` names it.
    """
    from meshanim._check import InputError
    from meshanim.export.beside import files_beside

    read = _read(*sources, face=face)
    for target in map(Path, output):
        for file in (target, *files_beside(target, texture=True, sound=True)):
            if source := next((source for source in read if _takes_place(file, source)), None):
                kind = "folder" if file.is_dir() else "file"
                raise InputError(f"{file} must be another {kind} than {source}, which is read")


def _read(*sources: str | Path | None, face: str | None) -> list[Path]:
    """All files and folders that are read, as far as they are there."""
    from meshanim.export.reading import files_read

    files = [file for source in sources if source is not None for file in files_read(source)]
    if face is not None:
        files.append(Path(face.removeprefix("ict=").removeprefix("flame=")).expanduser())
    return [file for file in files if file.exists()]


def _takes_place(file: Path, source: Path) -> bool:
    """Whether writing ``file``, or a sequence into that folder, ends what stands at ``source``."""
    if not file.exists():
        return False
    if file.samefile(source):
        return True
    inside = file.is_dir() and source.is_file() and source.parent.samefile(file)
    return inside and bool(re.fullmatch(re.escape(file.resolve().name) + r"_\d{6}\.obj", source.name))


def say_written(files: Sequence[Path], steps: Steps) -> None:
    """Name all files of one output in a line."""
    steps.say(f"written: {', '.join(map(str, files))}")
