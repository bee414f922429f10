"""What commands that make performances do last: write all files that were asked for, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def say_written(files: Sequence[Path], steps: Steps) -> None:
    """Name all files of one output in a line."""
    steps.say(f"written: {', '.join(map(str, files))}")
