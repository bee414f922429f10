"""One loop for all recipes."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from meshanim.training.checkpoint import describe_run, load_checkpoint, save_checkpoint
from meshanim.training.recipe import Recipe
from meshanim.training.run_log import RunLog


class Task(Protocol):
    """What is learned: a model, samples by number, losses in a unit that people read."""

    @property
    def model(self) -> nn.Module: ...  # noqa: D102

    def __len__(self) -> int: ...

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Losses of a batch of samples by name; their sum is minimised."""

    def validate(self) -> dict[str, float]:
        """Scores after an epoch by name; may be empty."""


@dataclass(frozen=True)
class TrainingReport:
    """How a run went: one row of numbers per epoch, and whether it came to its end."""

    history: list[dict[str, float]]
    finished: bool


def epoch_order(samples: int, seed: int, epoch: int) -> list[int]:
    """The order of all samples in an epoch; it depends on nothing but its arguments."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(samples, generator=generator).tolist()


class _Stop:
    """Set by the first Ctrl-C; the second one does what it always does."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, *_: Any) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _stop_on_interrupt() -> Iterator[_Stop]:
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class _Run:
    """One run in its folder."""

    def __init__(self, task: Task, recipe: Recipe, folder: Path, about: dict[str, Any], stop: _Stop) -> None:
        self.task, self.recipe, self.folder, self.stop = task, recipe, folder, stop
        self.about = describe_run(recipe, len(task), **about)
        parameters = [parameter for parameter in task.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(
            parameters, recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.steps = math.ceil(len(task) / recipe.batch_size)
        self.position = load_checkpoint(folder, task.model, self.optimizer, self.about)

    def save(self) -> None:
        save_checkpoint(self.folder, self.task.model, self.optimizer, self.position, self.about)

    def epoch(self, log: RunLog) -> None:
        """Run what is left of the current epoch, or until a stop is asked for."""
        recipe, position = self.recipe, self.position
        rate = recipe.learning_rate * recipe.learning_rate_decay**position.epoch
        self.optimizer.param_groups[0]["lr"] = rate
        order = epoch_order(len(self.task), recipe.seed, position.epoch)
        self.task.model.train()
        while position.step < self.steps:
            start = position.step * recipe.batch_size
            self._step(order[start : start + recipe.batch_size])
            log.step(position)
            if self.stop.requested or position.step % recipe.checkpoint_steps == 0:
                self.save()
            if self.stop.requested:
                return
        self._close_epoch(rate)
        log.epoch(position)

    def _step(self, items: Sequence[int]) -> None:
        losses = self.task.losses(items)
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        self.optimizer.step()
        self.position.step += 1
        for name, value in losses.items():
            self.position.sums[name] = self.position.sums.get(name, 0.0) + float(value.detach())

    def _close_epoch(self, rate: float) -> None:
        position = self.position
        self.task.model.eval()
        with torch.no_grad():
            scores = self.task.validate()
        means = {name: total / self.steps for name, total in position.sums.items()}
        position.history.append({**means, **scores, "learning_rate": rate})
        position.epoch, position.step, position.sums = position.epoch + 1, 0, {}
        self.save()


def train(
    task: Task, recipe: Recipe, folder: str | Path, progress: bool = True, **about: Any
) -> TrainingReport:
    """Train a task's model, from the folder's checkpoint where there is one.

    A run that was killed and taken up again ends with the same bytes as one that was not. Ctrl-C finishes the
    step, writes a checkpoint and returns. The folder gets ``checkpoint.safetensors``, ``history.json`` and,
    with TensorBoard installed, ``tensorboard/``.

    Args:
        task: what is learned.
        recipe: how.
        folder: of the run.
        progress: show a bar.
        about: more that a checkpoint must agree in to be taken up, as JSON values.

    Raises:
        InputError: the folder's checkpoint is damaged or belongs to another run.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]), _stop_on_interrupt() as stop:
        torch.manual_seed(recipe.seed)
        run = _Run(task, recipe, place, about, stop)
        with RunLog(place, recipe.epochs, run.steps, run.position, progress) as log:
            while run.position.epoch < recipe.epochs and not stop.requested:
                run.epoch(log)
    task.model.eval()
    return TrainingReport(run.position.history, run.position.epoch >= recipe.epochs)
