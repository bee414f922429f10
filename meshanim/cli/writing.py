"""What commands that make performances do last: write all files that were asked for, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshanim.cli.progress import Steps
    from meshanim.performance import Performance


def write_all(performance: Performance, output: Sequence[str], steps: Steps) -> None:
    """Write a performance to each path, and say so; where one format cannot hold it, none is written."""
    from meshanim.export import check_targets, export

    check_targets(output, weight_names=performance.weight_names)
    for path in output:
        steps.say(f"written: {export(performance, path, progress=steps.step(Path(path).name))}")
