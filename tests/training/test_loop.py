import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from meshanim._check import InputError
from meshanim.mesh import Mesh
from meshanim.training import (
    AutoencoderRecipe,
    ClassifierRecipe,
    PolynomialRecipe,
    Recipe,
    SpeechRecipe,
    train,
    train_autoencoder,
    train_classifier,
    train_polynomial,
    train_speech,
)
from meshanim.training.checkpoint import NAME
from meshanim.training.expression import ExpressionTask
from meshanim.training.expression_motion import ExpressionMotionTask
from meshanim.training.loop import epoch_order
from meshanim.training.processes import Processes
from meshanim.training.task import Turn

UNUSED: Any = None
RECIPE = Recipe(epochs=3, batch_size=4, checkpoint_steps=2, learning_rate=0.01)


class Task:
    """Regression with dropout, so that random state matters; may interrupt itself at some step."""

    def __init__(self, at: int | None = None, what: int = signal.SIGKILL) -> None:
        torch.manual_seed(7)
        self.model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
        self.inputs = torch.randn(22, 5)
        self.targets = self.inputs.sum(dim=1, keepdim=True)
        self.at, self.what, self.calls = at, what, 0

    def __len__(self) -> int:
        return len(self.inputs)

    def losses(self, items) -> dict[str, torch.Tensor]:
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), self.what)
        rows = torch.tensor(items)
        return {"square": (self.model(self.inputs[rows]) - self.targets[rows]).square().mean()}

    def validate(self) -> dict[str, float]:
        return {"score": float((self.model(self.inputs) - self.targets).abs().mean())}


def weights(task: Task) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in task.model.parameters()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Task]:
    folder, task = tmp_path_factory.mktemp("run"), Task()
    assert train(task, RECIPE, folder, progress=False).finished
    return folder, task


def test_without_a_terminal_every_epoch_says_a_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A bar in a file or a pipe is seen when the run is over, which may be after days."""
    history = train(Task(), RECIPE, tmp_path).history
    assert capsys.readouterr().out.splitlines() == [
        f"epoch {epoch}/3  square {row['square']:.4g}  score {row['score']:.4g}"
        f"  learning_rate {row['learning_rate']:.4g}"
        for epoch, row in enumerate(history, start=1)
    ]
    train(Task(), replace(RECIPE, epochs=4), tmp_path, progress=False)
    assert capsys.readouterr().out == ""


def check_same(folder: Path, task: Task, uninterrupted: tuple[Path, Task]) -> None:
    assert all(map(torch.equal, weights(task), weights(uninterrupted[1])))
    for name in (NAME, "history.json"):
        assert (folder / name).read_bytes() == (uninterrupted[0] / name).read_bytes()


@pytest.mark.parametrize("step", [4, 9])
def test_a_killed_run_ends_with_the_same_bytes(
    step: int, tmp_path: Path, uninterrupted: tuple[Path, Task]
) -> None:
    """Killed two steps after a checkpoint inside an epoch, and right after one inside the next."""
    script = (
        "import sys; sys.modules['torch.utils.tensorboard'] = None; "  # slow to import, and no matter here
        "sys.path.insert(0, sys.argv[1]); import test_loop as t; "
        "t.train(t.Task(at=int(sys.argv[2])), t.RECIPE, sys.argv[3], progress=False)"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(step), str(tmp_path)]
    packages = os.pathsep.join(path for path in sys.path if path)
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": packages}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    task = Task()
    assert train(task, RECIPE, tmp_path, progress=False).finished
    check_same(tmp_path, task, uninterrupted)


def test_an_interrupt_stops_with_a_checkpoint(tmp_path: Path, uninterrupted: tuple[Path, Task]) -> None:
    before = signal.getsignal(signal.SIGINT)
    report = train(Task(at=9, what=signal.SIGINT), RECIPE, tmp_path, progress=False)
    assert not report.finished and len(report.history) == 1
    assert signal.getsignal(signal.SIGINT) is before
    task = Task()
    assert train(task, RECIPE, tmp_path, progress=False).finished
    # 18 steps in all, 9 of them before the interrupt
    assert task.calls == 9
    check_same(tmp_path, task, uninterrupted)


def test_a_finished_run_is_left_alone(uninterrupted: tuple[Path, Task]) -> None:
    folder, task = uninterrupted[0], Task()
    before = (folder / NAME).read_bytes()
    report = train(task, RECIPE, folder, progress=False)
    assert report.finished and task.calls == 0 and (folder / NAME).read_bytes() == before


def test_a_history_that_a_killed_run_did_not_get_to_is_written(tmp_path: Path) -> None:
    train(Task(), RECIPE, tmp_path, progress=False)
    history = tmp_path / "history.json"
    rows = history.read_text()
    history.write_text(json.dumps(json.loads(rows)[:-1], indent=1))
    train(Task(), RECIPE, tmp_path, progress=False)
    assert history.read_text() == rows


def test_a_longer_run_goes_on(tmp_path: Path) -> None:
    train(Task(), RECIPE, tmp_path / "one", progress=False)
    longer, whole = Task(), Task()
    train(longer, replace(RECIPE, epochs=5), tmp_path / "one", progress=False)
    train(whole, replace(RECIPE, epochs=5), tmp_path / "two", progress=False)
    assert all(map(torch.equal, weights(longer), weights(whole)))


def test_the_history_tells_of_every_epoch(uninterrupted: tuple[Path, Task]) -> None:
    rows = json.loads((uninterrupted[0] / "history.json").read_text())
    assert [set(row) for row in rows] == [{"square", "score", "learning_rate"}] * 3
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.01, 0.0099, 0.009801])
    assert rows[2]["score"] < rows[0]["score"]


class Weighed(Task):
    """Every sample's loss is its number, whatever is learned."""

    def losses(self, items) -> dict[str, torch.Tensor]:
        return {"number": super().losses(items)["square"] * 0 + torch.tensor(items).float().mean()}


def test_a_short_last_batch_counts_as_what_it_is(tmp_path: Path) -> None:
    """22 samples by 4: the last batch has two."""
    report = train(Weighed(), replace(RECIPE, epochs=1), tmp_path, progress=False)
    assert report.history[0]["number"] == pytest.approx(sum(range(22)) / 22)


def test_tensorboard_gets_the_history(uninterrupted: tuple[Path, Task]) -> None:
    pytest.importorskip("tensorboard")
    assert list((uninterrupted[0] / "tensorboard").glob("events.*"))


def test_a_run_that_is_started_again_adds_no_file_to_tensorboard_but_with_an_epoch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    board = tmp_path / "tensorboard"
    train(Task(at=1, what=signal.SIGINT), RECIPE, tmp_path, progress=False)
    assert not board.exists()
    assert train(Task(), RECIPE, tmp_path, progress=False).finished
    assert len(list(board.iterdir())) == 1
    assert train(Task(), RECIPE, tmp_path, progress=False).finished
    assert len(list(board.iterdir())) == 1
    assert train(Task(), replace(RECIPE, epochs=4), tmp_path, progress=False).finished
    assert len(list(board.iterdir())) == 2


def test_another_run_s_checkpoint_is_refused(uninterrupted: tuple[Path, Task]) -> None:
    with pytest.raises(InputError, match="batch_size is 4 there and 8 here"):
        train(Task(), replace(RECIPE, batch_size=8), uninterrupted[0], progress=False)


@dataclass(frozen=True)
class OwnRecipe(Recipe):
    """With a setting of its own."""

    width: int = 4


def test_what_somebody_chose_is_told_before_what_follows_from_it(tmp_path: Path) -> None:
    small = OwnRecipe(epochs=1, learning_rate=0.01, name="small")
    train(Task(), small, tmp_path, progress=False)
    other = replace(small, learning_rate=0.1, batch_size=2, width=8)
    with pytest.raises(InputError, match="run: width is 4 there and 8 here; choose"):
        train(Task(), other, tmp_path, progress=False)
    with pytest.raises(InputError, match="run: recipe is 'small' there and 'paper' here; choose"):
        train(Task(), replace(other, name="paper"), tmp_path, progress=False)
    task = Task()
    task.inputs = task.inputs[:20]
    with pytest.raises(InputError, match="run: samples is 22 there and 20 here; choose"):
        train(task, replace(small, learning_rate=0.1), tmp_path, progress=False, mesh="of another face")
    assert train(Task(), replace(small, name="the same"), tmp_path, progress=False).finished


def test_of_what_a_run_is_about_only_what_is_unlike_is_said(tmp_path: Path) -> None:
    model = {"width": 4, "depth": 2, "kind": "plain"}
    train(Task(), replace(RECIPE, epochs=1), tmp_path, progress=False, model=model)
    with pytest.raises(
        InputError, match=r"run: model\.depth is 2 there and 3 here, model\.more is None there"
    ):
        other = {"width": 4, "depth": 3, "kind": "plain", "more": 1}
        train(Task(), replace(RECIPE, epochs=1), tmp_path, progress=False, model=other)


@pytest.mark.parametrize("content", [b"", b"noise", b"\x10\x00\x00\x00\x00\x00\x00\x00not a json head"])
def test_a_damaged_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(InputError, match="must be a checkpoint"):
        train(Task(), RECIPE, tmp_path, progress=False)


def test_the_caller_s_random_numbers_are_left_alone(tmp_path: Path) -> None:
    task = Task()
    before = torch.get_rng_state()
    train(task, RECIPE, tmp_path, progress=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_epoch_has_an_order_of_its_own() -> None:
    orders = [epoch_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert epoch_order(50, 1, 1) == orders[3]


def test_recipes_are_checked() -> None:
    with pytest.raises(InputError, match="epochs must be at least 1, got 0"):
        Recipe(epochs=0)
    with pytest.raises(InputError, match="learning_rate must be above 0"):
        Recipe(learning_rate=0)
    with pytest.raises(InputError, match="seed must be at least 0"):
        Recipe(seed=-1)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"epochs": "3"}, "epochs must be a whole number, got '3'"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, got 2.5"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
    ],
)
def test_settings_of_another_kind_are_named(setting, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Recipe(**setting)


def test_numbers_of_numpy_are_settings(tmp_path: Path) -> None:
    """A checkpoint's header holds them as JSON, which knows none of these."""
    settings: dict[str, Any] = {"epochs": np.int64(1), "seed": np.int32(3), "learning_rate": np.float32(0.1)}
    recipe = replace(RECIPE, **settings)
    assert train(Task(), recipe, tmp_path, progress=False).finished


@pytest.mark.parametrize(
    "begin",
    [
        lambda mesh, to: train_autoencoder(torch.zeros(0, 162, 3), mesh, UNUSED, AutoencoderRecipe(), to),
        lambda mesh, to: ExpressionTask(UNUSED, []),
        lambda mesh, to: train_classifier([], ClassifierRecipe(), to),
        lambda mesh, to: train_speech([], UNUSED, SpeechRecipe(), to),
        lambda mesh, to: train_polynomial([], PolynomialRecipe(), to),
        lambda mesh, to: ExpressionMotionTask(UNUSED, UNUSED, torch.zeros(0, 52), 1),
    ],
)
def test_where_there_is_nothing_to_learn_from_it_is_said(begin, face: Mesh, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold at least one\b.*, got none"):
        begin(face, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Game:
    """A target that one player chases and the other moves; each may touch its own parameter only."""

    def __init__(self) -> None:
        self.model = nn.ParameterDict({"chaser": torch.zeros(1), "target": torch.ones(1)})

    def __len__(self) -> int:
        return 8

    def losses(self, items) -> dict[str, torch.Tensor]:
        raise AssertionError("a contest is played by turns")

    def chase(self, items) -> dict[str, torch.Tensor]:
        assert not self.model["target"].requires_grad
        return {"distance": (self.model["chaser"] - self.model["target"]).square().sum()}

    def flee(self, items) -> dict[str, torch.Tensor]:
        assert not self.model["chaser"].requires_grad
        return {"flight": -self.model["target"].sum()}

    def turns(self) -> list[Turn]:
        return [
            Turn(self.chase, [self.model["chaser"]], 0.1),
            Turn(self.flee, [self.model["target"]], 0.01, betas=(0.5, 0.9)),
        ]

    def validate(self) -> dict[str, float]:
        return {}

    def sample_pictures(self) -> dict[str, torch.Tensor]:
        return {"flat": torch.zeros(4, 4, 3, dtype=torch.uint8)}


def test_players_move_their_own_parameters_at_their_own_rates(tmp_path: Path) -> None:
    """Adam's first steps have the length of its rate, so that these tell the rates apart."""
    game = Game()
    report = train(game, replace(RECIPE, epochs=1, learning_rate_decay=1, weight_decay=0), tmp_path, False)
    assert float(game.model["target"].detach()) == pytest.approx(1 + 2 * 0.01, abs=1e-4)
    assert float(game.model["chaser"].detach()) == pytest.approx(2 * 0.1, abs=1e-2)
    assert set(report.history[0]) == {"distance", "flight", "learning_rate"}
    assert all(parameter.requires_grad for parameter in game.model.parameters())


def test_a_stopped_contest_goes_on_exactly(tmp_path: Path) -> None:
    recipe, whole, first, second = replace(RECIPE, epochs=4), Game(), Game(), Game()
    train(whole, recipe, tmp_path / "whole", progress=False)
    train(first, replace(recipe, epochs=2), tmp_path / "parts", progress=False)
    train(second, recipe, tmp_path / "parts", progress=False)
    for name in whole.model:
        assert torch.equal(whole.model[name], second.model[name])


def test_pictures_go_to_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(Game(), replace(RECIPE, epochs=2), tmp_path, progress=False)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [picture.step for picture in events.Images("flat")] == [1, 2]


def test_fewer_epochs_than_are_done_are_refused(uninterrupted: tuple[Path, Task]) -> None:
    before = (uninterrupted[0] / NAME).read_bytes()
    with pytest.raises(InputError, match=r"epochs must be at least 3, since the run in .*, got 2; choose"):
        train(Task(), replace(RECIPE, epochs=2), uninterrupted[0], progress=False)
    assert (uninterrupted[0] / NAME).read_bytes() == before


def test_an_epoch_that_has_begun_is_not_taken_for_none(tmp_path: Path) -> None:
    train(Task(at=9, what=signal.SIGINT), RECIPE, tmp_path, progress=False)
    with pytest.raises(InputError, match="epochs must be at least 2"):
        train(Task(), replace(RECIPE, epochs=1), tmp_path, progress=False)


class Intruder(Task):
    """Begins another training in the folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def validate(self) -> dict[str, float]:
        with pytest.raises(InputError, match="must be free for one training, but another one is at work"):
            train(Task(), RECIPE, self.folder, progress=False)
        return {}


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    assert train(Intruder(tmp_path), replace(RECIPE, epochs=1), tmp_path, progress=False).finished
    assert train(Task(), replace(RECIPE, epochs=2), tmp_path, progress=False).finished


class OnGpu(Task):
    """Draws its noise from a generator that stands for a GPU's."""

    def losses(self, items) -> dict[str, torch.Tensor]:
        state = torch.cuda.get_rng_state()
        noise = torch.randn(1, generator=torch.Generator().manual_seed(int(state[0])))
        torch.cuda.set_rng_state((state + 1).remainder(251))
        return {name: loss + (loss * noise).sum() for name, loss in super().losses(items).items()}


def test_a_gpu_goes_on_with_its_random_numbers(tmp_path: Path, monkeypatch) -> None:
    gpu = {"state": torch.zeros(16, dtype=torch.uint8)}
    monkeypatch.setattr(Processes, "__init__", on_gpu)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda *_: gpu["state"].clone())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, *_: gpu.update(state=state.clone()))
    monkeypatch.setattr(
        torch.cuda, "manual_seed", lambda seed: gpu.update(state=torch.full((16,), seed, dtype=torch.uint8))
    )
    recipe, whole, part = replace(RECIPE, seed=5), OnGpu(), OnGpu()
    train(whole, recipe, tmp_path / "whole", progress=False)
    assert not gpu["state"].any(), "the caller's own stay as they were"
    train(OnGpu(at=9, what=signal.SIGINT), recipe, tmp_path / "parts", progress=False)
    train(part, recipe, tmp_path / "parts", progress=False)
    assert all(map(torch.equal, weights(whole), weights(part)))


def on_gpu(processes: Processes) -> None:
    processes.count, processes.index, processes._accelerate = 1, 0, None
    processes.device = torch.device("cuda")


class Diverging(Task):
    """Is as it should be, up to the second epoch."""

    def losses(self, items) -> dict[str, torch.Tensor]:
        found = super().losses(items)
        return found if self.calls < 10 else {"square": found["square"] * torch.inf}


def test_losses_that_are_not_finite_end_a_run_before_they_are_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="losses must be finite, got inf of square in step 4 of epoch 2"):
        train(Diverging(), RECIPE, tmp_path, progress=False)
    kept = load_file(tmp_path / NAME)
    assert all(bool(tensor.isfinite().all()) for tensor in kept.values())


def test_a_task_without_samples_is_refused(tmp_path: Path) -> None:
    empty = Task()
    empty.inputs = empty.inputs[:0]
    with pytest.raises(InputError, match="at least one sample to learn from, got none"):
        train(empty, RECIPE, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_the_largest_seed_is_one(tmp_path: Path) -> None:
    assert train(Task(), replace(RECIPE, seed=2**63 - 1, epochs=1), tmp_path, progress=False).finished


def reheaded(source: Path, target: Path, change) -> None:
    """A checkpoint with other words in its header, or other tensors."""
    with safe_open(source, "pt") as file:
        header = json.loads(file.metadata()["training"])
    tensors = load_file(source)
    save_file(tensors, target, {"training": json.dumps(change(header, tensors))})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header, tensors: [header], "of format 3, got None"),
        (lambda header, tensors: {"format": 3}, "but it lacks 'about'"),
        (lambda header, tensors: header | {"position": {"epochs": 3}}, "but .*unexpected keyword argument"),
        (lambda header, tensors: tensors.pop("random_state.0") is None or header, "lacks 'random_state.0'"),
        (lambda header, tensors: tensors.pop("model.0.bias") is None or header, 'Missing key.* "0.bias"'),
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused(
    change, said: str, tmp_path: Path, uninterrupted: tuple[Path, Task]
) -> None:
    reheaded(uninterrupted[0] / NAME, tmp_path / NAME, change)
    with pytest.raises(InputError, match=said) as caught:
        train(Task(), RECIPE, tmp_path, progress=False)
    assert "\n" not in str(caught.value)


def test_what_kills_have_left_half_written_goes(tmp_path: Path) -> None:
    for name in (".checkpoint.12-34.safetensors", ".history.12-34.json", ".checkpoint.mine.safetensors"):
        (tmp_path / name).write_text("half")
    train(Task(), replace(RECIPE, epochs=1), tmp_path, progress=False)
    kept = {file.name for file in tmp_path.iterdir() if file.is_file()}
    assert kept == {NAME, "history.json", ".checkpoint.mine.safetensors"}


def test_a_folder_in_place_of_a_checkpoint_is_refused_before_any_step(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    task = Task()
    with pytest.raises(InputError, match=f"{NAME} must be a checkpoint, got a folder"):
        train(task, RECIPE, tmp_path, progress=False)
    assert not task.calls
