"""Progress bars that appear only where something takes longer than two seconds."""

from __future__ import annotations

import sys
import time

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from meshanim._progress import Progress

_PATIENCE = 2.0


class Steps:
    """Announces named steps on standard error, with a bar once one has taken two seconds.

    Used as a context manager around all steps of a command; ``quiet`` says nothing at all.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._progress = rich.progress.Progress(*columns, console=Console(file=sys.stderr), transient=True)
        # Without a terminal nobody sees a bar, and all that it leaves is an empty line.
        self._running, self._shown = False, not quiet and self._progress.console.is_interactive

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._progress.stop()

    def step(self, name: str) -> Progress:
        """A callback (done, total) that moves the bar of the step ``name``."""
        started = time.monotonic()
        task = self._progress.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            if not self._shown:
                return
            if not self._running and time.monotonic() - started > _PATIENCE:
                self._progress.start()
                self._running = True
            self._progress.update(task, completed=done, total=total, visible=done < total)

        return report

    def say(self, sentence: str) -> None:
        """One line for the reader."""
        if not self._quiet:
            self._progress.console.print(sentence, highlight=False, markup=False, soft_wrap=True)
