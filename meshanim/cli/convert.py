"""``meshanim convert``: a performance in one format in, the same in others out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim.cli.options import BESIDE, WRITTEN, Joints, Quiet, SourceFps
from meshanim.cli.writing import write_all

if TYPE_CHECKING:
    from meshanim.faces import FaceModel
    from meshanim.performance import Performance


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="Performance: .npz .glb .gltf .usd .usda .usdc .usdz .pc2 .mdd .csv, or a folder of OBJ or "
            "PLY.",
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
        typer.Option(
            help="Who performs a .csv or another face's weights, and whose joints go out: anny, ict=PATH, "
            "flame=PATH."
        ),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            help="Who performs it instead: named coefficients of --face, anny by default: age=30,gender=0.2."
        ),
    ] = None,
    joints: Joints = True,
    quiet: Quiet = False,
) -> None:
    """Convert a performance: read it from one file, write it to others, as somebody else's if you like."""
    from meshanim.cli.person import person
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources, read_performance
    from meshanim.faces import load_face, retarget

    check_targets(output)
    keep_sources(output, source, face=face)
    with Steps(quiet) as steps:
        named = face or (None if identity is None else "anny")
        model = None if named is None else load_face(named)
        performance = read_performance(source, fps, model)
        if model is not None and (identity is not None or _is_another(performance, model)):
            performance = retarget(performance, model, person(model, identity, None))
        write_all(performance, output, steps, model, joints)


def _is_another(performance: Performance, face: FaceModel) -> bool:
    return performance.weights is not None and len(performance.neutral.vertices) != len(face.neutral.vertices)
