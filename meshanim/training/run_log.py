"""What a run tells while it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from meshanim._files import atomic_path
from meshanim.training.checkpoint import Position

HISTORY = "history.json"


class RunLog:
    """A bar on the terminal, elsewhere a line an epoch; ``history.json``; TensorBoard where it is installed.

    Args:
        folder: of the run.
        epochs: of the run.
        steps: per epoch.
        position: where the run begins.
        progress: show the bar, or the lines.
        writes: keep history and TensorBoard; one of several processes does.
    """

    def __init__(
        self, folder: Path, epochs: int, steps: int, position: Position, progress: bool, writes: bool = True
    ) -> None:
        self.folder, self.epochs, self.writes = folder, epochs, writes
        columns = (BarColumn(), TextColumn("{task.completed}/{task.total} steps"))
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(TextColumn("{task.description}"), *columns, *times)
        moves = self.bar.console.is_interactive or self.bar.console.is_jupyter
        # In a file or a pipe a bar is seen when all is over.
        self.bar.disable, self._lines = not (progress and moves), progress and not moves
        done = position.epoch * steps + position.step
        self.line = self.bar.add_task("training", total=steps * epochs, completed=done)
        self._begun = position.epoch
        if writes and position.history:
            # a run that was killed right after a checkpoint had no time to
            self._keep(position)

    @cached_property
    def _board(self) -> Any:
        """TensorBoard's file of what this process adds, made when there is something."""
        try:
            from torch.utils.tensorboard import SummaryWriter  # an extra, and slow to import
        except ImportError:
            return None
        return SummaryWriter(str(self.folder / "tensorboard"), purge_step=self._begun + 1)

    def __enter__(self) -> RunLog:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        if (board := vars(self).get("_board")) is not None:
            board.close()

    def step(self, position: Position) -> None:
        """Tell of one step done."""
        parts = "  ".join(f"{name} {value:.3f}" for name, value in position.means.items())
        text = f"epoch {position.epoch + 1}/{self.epochs}  {parts}"
        self.bar.update(self.line, advance=1, description=text)

    def epoch(self, position: Position, pictures: Mapping[str, Tensor]) -> None:
        """Tell of an epoch done, the last row of the history, and show what the model makes by now."""
        if self._lines:
            parts = "  ".join(f"{name} {value:.4g}" for name, value in position.history[-1].items())
            line = f"epoch {position.epoch}/{self.epochs}  {parts}"
            self.bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if not self.writes:
            return
        self._keep(position)
        if self._board is not None:
            for name, value in position.history[-1].items():
                self._board.add_scalar(name, value, position.epoch)
            for name, picture in pictures.items():
                self._board.add_image(name, picture, position.epoch, dataformats="HWC")

    def _keep(self, position: Position) -> None:
        with atomic_path(self.folder / HISTORY) as path:
            path.write_text(json.dumps(position.history, indent=1), encoding="utf-8")
