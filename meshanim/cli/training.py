"""What the commands that train have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from meshanim.cli.main import STOPPED

if TYPE_CHECKING:
    from meshanim.training import Recipe, TrainingReport

Chosen = TypeVar("Chosen", bound="Recipe")


def adjusted(recipe: Chosen, **asked: Any) -> Chosen:
    """A recipe with the settings that were asked for; those that are None stay its own."""
    return replace(recipe, **{name: value for name, value in asked.items() if value is not None})


def keep_models(out: Path, *names: str | None) -> None:
    """Raise where a run would end in the place of a model that it learns from, named or a folder."""
    from meshanim._pretrained import shipped_model
    from meshanim.export import keep_sources

    keep_sources([out], *(shipped_model(name) or name for name in names if name is not None))


def say_where(report: TrainingReport, epochs: int, out: Path, quiet: bool) -> None:
    """How far a run is, and where it lies; one that was stopped ends the command as an interrupt does.

    Of several processes that train together one says it.
    """
    from meshanim.training.processes import Processes

    if not quiet and Processes().main:
        state = "finished" if report.finished else "done, then stopped; the same command goes on from here"
        typer.echo(f"{len(report.history)} of {epochs} epochs {state}: {out}")
    if not report.finished:
        raise typer.Exit(STOPPED)
