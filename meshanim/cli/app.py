"""The commands of ``meshanim``. They import what they use when they run, so that it starts at once."""

from __future__ import annotations

from typing import Annotated

import typer

from meshanim import __version__
from meshanim.cli import (
    animate,
    capture,
    convert,
    doctor,
    evaluate,
    inspect,
    render,
    solve,
    speak,
    studio,
    train,
    view,
)

app = typer.Typer(
    name="meshanim",
    help="Face mesh animation: a label, a voice or a video in, a moving face mesh out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"meshanim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("animate")(animate.animate)
app.command("capture")(capture.capture)
app.command("convert")(convert.convert)
app.command("solve")(solve.solve)
app.command("speak")(speak.speak)
app.command("render")(render.render)
app.command("evaluate")(evaluate.evaluate)
app.command("inspect")(inspect.inspect)
app.command("view")(view.view)
app.command("studio")(studio.studio)
app.command("doctor")(doctor.doctor)
app.add_typer(train.app, name="train")
