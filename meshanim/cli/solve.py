"""``meshanim solve``: a file with moving vertices in, the curves of a face model's units out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim.cli.options import Face, Joints, Output, Quiet, SourceFps
from meshanim.cli.writing import write_all

_LARGE_MM = 1.0
"""Left by straight lines where a jaw turns, and by a head that moves on all of the face; what units explain
they leave hundredths of."""

if TYPE_CHECKING:
    from meshanim.faces import SolvedPerformance


def solve(
    motion: Annotated[
        Path, typer.Argument(help="Moving vertices, as convert reads them.", show_default=False)
    ],
    output: Output,
    face: Face = "anny",
    fps: SourceFps = None,
    smoothness: Annotated[
        float | None, typer.Option(help="Of the curves in time; 0.01 to 1 for noisy vertices.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="What a weight costs; 0.001 to 0.1 where too many take part.")
    ] = None,
    articulated: Annotated[
        bool, typer.Option("--articulated", help="For a jaw that turns and lids that slide, as speak's.")
    ] = False,
    moving_head: Annotated[
        bool, typer.Option("--moving-head", help="The vertices hold the head's motion: take it out first.")
    ] = False,
    residual: Annotated[
        bool, typer.Option("--residual", help="Keep what the units leave, so that no motion is lost.")
    ] = False,
    joints: Joints = True,
    quiet: Quiet = False,
) -> None:
    """Find the weights of a face's units that explain moving vertices of its mesh."""
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources, read_performance
    from meshanim.faces import load_face, solve_performance

    chosen = {"smoothness": smoothness, "sparsity": sparsity}
    settings = {name: value for name, value in chosen.items() if value is not None}
    keep_sources(output, motion, face=face)
    model = load_face(face)
    check_targets(output, weight_names=model.weight_names)
    moving = read_performance(motion, fps)
    check_targets(output, sound=moving.waveform is not None)
    with Steps(quiet) as steps:
        solved = solve_performance(
            moving,
            model,
            articulated=articulated,
            moving_head=moving_head,
            residual=residual,
            progress=steps.step,
            **settings,
        )
        steps.say(_summary(solved))
        if not moving_head and float(solved.mean_mm.max()) > _LARGE_MM:
            steps.say("--moving-head may leave less: it takes out the head's motion, if the vertices hold it")
        elif not articulated and float(solved.largest_mm.max()) > _LARGE_MM and model.joints():
            steps.say(
                "--articulated may leave less: with it the jaw turns and lids slide, as in what speak makes"
            )
        write_all(solved.performance, output, steps, model, joints)


def _summary(solved: SolvedPerformance) -> str:
    worst = int(solved.largest_mm.argmax())
    units = len(solved.performance.weight_names)
    return (
        f"{units} units leave {float(solved.mean_mm.mean()):.3f} mm on average, "
        f"{float(solved.largest_mm[worst]):.3f} mm at most, in frame {worst}"
    )
