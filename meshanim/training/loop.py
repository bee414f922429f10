"""One loop for all recipes."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from meshanim._check import SEEDS, InputError
from meshanim._pretrained import Pretrained
from meshanim.training.checkpoint import NAME, Position, describe_run, load_checkpoint, save_checkpoint
from meshanim.training.processes import Processes
from meshanim.training.recipe import Recipe
from meshanim.training.run_folder import own_folder
from meshanim.training.run_log import RunLog
from meshanim.training.task import Contest, Pictured, Task, Turn

Model = TypeVar("Model", bound=Pretrained)


@dataclass(frozen=True)
class TrainingReport:
    """How a run went.

    Attributes:
        history: one row of numbers per epoch.
        finished: whether it came to its end.
        stopped: whether an end was asked for, be it in the last moment; nothing else should begin then.
    """

    history: list[dict[str, float]]
    finished: bool
    stopped: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether a stage that needs this one may begin."""
        return self.finished and not self.stopped


def epoch_order(samples: int, seed: int, epoch: int) -> list[int]:
    """The order of all samples in an epoch; it depends on nothing but its arguments."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % SEEDS)
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


def _turns(task: Task, recipe: Recipe) -> Sequence[Turn]:
    if isinstance(task, Contest):
        return task.turns()
    parameters = [parameter for parameter in task.model.parameters() if parameter.requires_grad]
    return [Turn(task.losses, parameters, recipe.learning_rate)]


def _check_within(position: Position, recipe: Recipe, folder: Path) -> None:
    """Raise where a run is further than it is to go: what it was after fewer epochs is not kept."""
    begun = position.epoch + (position.step > 0)
    if begun > recipe.epochs:
        raise InputError(
            f"epochs must be at least {begun}, since the run in {folder} has come so far, "
            f"got {recipe.epochs}; choose another folder or remove its {NAME}"
        )


class _Run:
    """One run in its folder."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        folder: Path,
        about: dict[str, Any],
        stop: _Stop,
        processes: Processes,
    ) -> None:
        self.task, self.recipe, self.folder, self.stop = task, recipe, folder, stop
        self.processes, self.turns = processes, _turns(task, recipe)
        self.about = describe_run(recipe, len(task), processes=self.processes.count, **about)
        self.optimizers = [
            torch.optim.Adam(
                turn.parameters, turn.learning_rate, turn.betas, weight_decay=recipe.weight_decay, fused=True
            )
            for turn in self.turns
        ]
        self.stopped = False
        """What all processes have agreed on; a request may come to one of them at any moment."""
        self.steps = math.ceil(len(task) / recipe.batch_size)
        self.position = load_checkpoint(folder, task.model, self.optimizers, self.about, processes)
        _check_within(self.position, recipe, folder)

    def save(self) -> None:
        """Write a checkpoint, of what all processes know."""
        self._join_statistics()
        states = self.processes.random_states()
        if self.processes.main:
            save_checkpoint(self.folder, self.task.model, self.optimizers, states, self.position, self.about)
        self.processes.wait()  # a launcher stops the others when one ends badly, be it after its work

    def _join_statistics(self) -> None:
        """Average what layers gather, such as batch norm's means, over the processes."""
        self.processes.average(each for each in self.task.model.buffers() if each.is_floating_point())

    def epoch(self, log: RunLog) -> None:
        """Run what is left of the current epoch, or until a stop is asked for."""
        recipe, position = self.recipe, self.position
        share = recipe.learning_rate_decay**position.epoch
        for optimizer, turn in zip(self.optimizers, self.turns, strict=True):
            optimizer.param_groups[0]["lr"] = turn.learning_rate * share
        order = epoch_order(len(self.task), recipe.seed, position.epoch)
        self.task.model.train()
        while position.step < self.steps:
            start = position.step * recipe.batch_size
            self._step(order[start : start + recipe.batch_size])
            log.step(position)
            if self.stopped or position.step % recipe.checkpoint_steps == 0:
                self.save()
            if self.stopped:
                return
        self._close_epoch(recipe.learning_rate * share)
        with torch.no_grad():
            log.epoch(position, self.task.sample_pictures() if isinstance(self.task, Pictured) else {})

    def _step(self, batch: Sequence[int]) -> None:
        items = self.processes.share(batch)
        told: dict[str, Tensor] = {}
        for turn, optimizer in zip(self.turns, self.optimizers, strict=True):
            for other in self.turns:
                for parameter in other.parameters:
                    parameter.requires_grad_(other is turn)
            losses = turn.losses(items)
            optimizer.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            moved = (parameter.grad for parameter in turn.parameters if parameter.grad is not None)
            self.processes.average(moved, len(items))
            optimizer.step()
            told |= {name: value.detach() for name, value in losses.items()}
        self.position.step += 1
        self.position.samples += len(batch)
        self._tell(told, len(items), len(batch))

    def asked_to_stop(self) -> bool:
        """Whether any process was, by now."""
        asked = torch.tensor(float(self.stop.requested))
        self.processes.average([asked])
        return bool(asked)

    def release(self) -> None:
        """Let every player's parameters move again."""
        for turn in self.turns:
            for parameter in turn.parameters:
                parameter.requires_grad_(True)

    def _tell(self, losses: dict[str, Tensor], share: int, samples: int) -> None:
        asked = torch.tensor(float(self.stop.requested))
        self.processes.average([*losses.values(), asked], share)
        self.stopped = bool(asked)
        for name, value in losses.items():
            if not bool(value.isfinite()):
                where = f"step {self.position.step} of epoch {self.position.epoch + 1}"
                raise InputError(
                    f"losses must be finite, got {float(value)} of {name} in {where}; "
                    "the data may not be, or the learning rate be too high"
                )
            self.position.sums[name] = self.position.sums.get(name, 0.0) + samples * float(value)

    def _close_epoch(self, rate: float) -> None:
        position = self.position
        self._join_statistics()
        self.task.model.eval()
        with torch.no_grad():
            scores = self.task.validate()
        position.history.append({**position.means, **scores, "learning_rate": rate})
        position.epoch, position.step, position.samples, position.sums = position.epoch + 1, 0, 0, {}
        self.save()


def train(
    task: Task, recipe: Recipe, folder: str | Path, progress: bool = True, **about: Any
) -> TrainingReport:
    """Train a task's model, from the folder's checkpoint where there is one.

    A run that was killed and taken up again ends with the same bytes as one that was not; on a GPU, whose
    kernels may add in any order, it draws the same random numbers. Ctrl-C finishes the step, writes a
    checkpoint and returns. The folder gets ``checkpoint.safetensors``, ``history.json`` and, with TensorBoard
    installed, ``tensorboard/``. Started by ``accelerate launch`` or ``torchrun`` in several processes, each
    takes its share of every batch, see :class:`meshanim.training.processes.Processes`.

    Args:
        task: what is learned.
        recipe: how.
        folder: of the run.
        progress: show a bar; without a terminal, a line after every epoch.
        about: more that a checkpoint must agree in to be taken up, as JSON values.

    Raises:
        InputError: there is nothing to learn from; a loss is not finite; the folder's checkpoint is damaged,
            belongs to another run or has come further than the recipe; or another training is at work there.
    """
    if not len(task):
        raise InputError("a task must have at least one sample to learn from, got none")
    place, processes = Path(folder), Processes()
    place.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if processes.main:
            stack.enter_context(own_folder(place))
        stack.enter_context(processes.seeded(recipe.seed))
        stop = stack.enter_context(_stop_on_interrupt())
        run = _Run(task, recipe, place, about, stop, processes)
        shown = progress and processes.main
        log = stack.enter_context(
            RunLog(place, recipe.epochs, run.steps, run.position, shown, processes.main)
        )
        while run.position.epoch < recipe.epochs and not run.stopped:
            run.epoch(log)
        run.release()
        stopped = run.asked_to_stop()
    task.model.eval()
    return TrainingReport(run.position.history, run.position.epoch >= recipe.epochs, stopped)


def train_and_save(
    model: Model, /, task: Task, recipe: Recipe, folder: str | Path, progress: bool = True, **about: Any
) -> tuple[Model, TrainingReport]:
    """Train a task as :func:`train` does, and save its model in the folder when the run is finished."""
    report = train(task, recipe, folder, progress, **about)
    if report.finished:
        model.save_pretrained(folder)
    return model, report
