"""Two processes take the steps of one, and go on where they were."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from meshanim.training.checkpoint import NAME
from meshanim.training.processes import Processes

SCRIPT = """
import os, signal, sys
import torch
from torch import nn
from meshanim.training import Recipe, train
from meshanim.training.processes import Processes

class Task:
    def __init__(self):
        torch.manual_seed(7)
        self.model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
        self.model.register_buffer("seen", torch.zeros(()))
        self.inputs = torch.randn(23, 5)
        self.targets = self.inputs.sum(dim=1, keepdim=True)
        self.calls = 0
    def __len__(self):
        return len(self.inputs)
    def losses(self, items):
        self.calls += 1
        if str(self.calls) == sys.argv[2] and os.environ.get("RANK", "0") == "0":
            os.kill(os.getpid(), signal.SIGINT)
        rows = torch.tensor(items)
        self.model.seen.copy_(self.inputs[rows].mean())
        return {"square": (self.model(self.inputs[rows]) - self.targets[rows]).square().mean()}
    def validate(self):
        if sys.argv[2] == "between" and os.environ["RANK"] == "0":
            os.kill(os.getpid(), signal.SIGINT)
        return {"seen": float(self.model.seen)}

torch.set_num_threads(1)
sys.modules["torch.utils.tensorboard"] = None
report = train(Task(), Recipe(epochs=2, batch_size=4, learning_rate=0.01), sys.argv[1], progress=False)
sys.stdout.write(f"finished {report.finished}\\n")  # whole: two processes write at once
sys.stdout.flush()
os._exit(0)  # on a busy machine threads of PyTorch's process group sometimes abort an interpreter that ends
"""


def run(folder: Path, processes: int, stop_at: int | str = -1) -> str:
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(launch if processes > 1 else []), str(script), str(folder), str(stop_at)]
    packages = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": packages, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors = load_file(folder / NAME)
    return {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}


def last_score(folder: Path) -> float:
    return json.loads((folder / "history.json").read_text())[-1]["seen"]


def test_two_processes_take_the_steps_of_one_and_resume(tmp_path: Path) -> None:
    """23 samples by 4: the last batch of 3 is shared unevenly. A stop that one of them sees stops both."""
    pytest.importorskip("accelerate")
    assert "finished True" in run(tmp_path / "one", 1)
    assert run(tmp_path / "two", 2).count("finished True") == 2
    alone, together = weights(tmp_path / "one"), weights(tmp_path / "two")
    # what is scored is what is kept
    assert last_score(tmp_path / "two") == pytest.approx(float(together.pop("model.seen")), abs=1e-7)
    for name, tensor in together.items():
        torch.testing.assert_close(tensor, alone[name], rtol=0, atol=1e-5)
    assert run(tmp_path / "stopped", 2, stop_at=8).count("finished False") == 2
    assert run(tmp_path / "stopped", 2).count("finished True") == 2
    again = load_file(tmp_path / "stopped" / NAME)
    for name, tensor in load_file(tmp_path / "two" / NAME).items():
        assert torch.equal(again[name], tensor), name


def test_a_stop_between_epochs_that_one_process_sees_stops_both(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    assert run(tmp_path / "stopped", 2, stop_at="between").count("finished False") == 2
    assert len(json.loads((tmp_path / "stopped" / "history.json").read_text())) == 1


def test_one_process_has_it_all() -> None:
    alone, tensor = Processes(), torch.ones(3)
    assert alone.main and alone.share([4, 2, 7]) == [4, 2, 7]
    alone.average([tensor], 0.5)
    assert torch.equal(tensor, torch.ones(3)) and alone.every(tensor) == [tensor]


def test_small_batches_begin_again() -> None:
    third = Processes()
    third.index, third.count = 2, 4
    assert third.share([5, 6]) == [5] and third.share(list(range(10))) == [2, 6]
