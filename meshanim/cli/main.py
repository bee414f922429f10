"""The ``meshanim`` command. Commands import what they use when they run, so that it starts at once."""

from __future__ import annotations

import sys
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


def run(arguments: list[str] | None = None) -> None:
    """Run the command line: bad input ends in one sentence and exit code 2, an interrupt in 130."""
    from meshanim._check import InputError, MissingExtra

    try:
        app(arguments, prog_name="meshanim")
    except (InputError, MissingExtra, OSError) as fault:
        sentence = " ".join(str(fault).split())
        print(f"meshanim: {sentence}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("meshanim: stopped", file=sys.stderr)
        sys.exit(130)
