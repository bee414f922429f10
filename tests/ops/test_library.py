"""The compiled library: forced choices, its absence, and what is kept per index tensor."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.ops import _library, _plans, kernels_in_use

CALL = """
import torch, meshanim.ops as ops
y = ops.spiral_conv(torch.ones(1, 2, 1), torch.tensor([[0, 1], [1, -1]]), torch.ones(1, 2))
print(ops.kernels_in_use(), y.flatten().tolist())
"""


def _run(choice: str | None, prelude: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("MESHANIM_KERNELS", None)
    if choice is not None:
        environment["MESHANIM_KERNELS"] = choice
    command = [sys.executable, "-c", prelude + CALL]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_the_reference_can_be_forced() -> None:
    done = _run("reference")
    assert done.stdout == "reference (PyTorch) [2.0, 1.0]\n" and done.stderr == ""


MISSING = """
import pathlib, meshanim.ops._library as library
library.library_path = lambda: pathlib.Path("/nowhere/libmeshanim_kernels.so")
"""


def test_a_missing_library_is_one_warning_and_the_reference() -> None:
    done = _run(None, MISSING)
    assert done.stdout == "reference (PyTorch) [2.0, 1.0]\n"
    assert done.stderr.count("Warning") == 1 and "make kernels" in done.stderr


def test_a_missing_library_is_an_error_where_it_was_asked_for() -> None:
    done = _run("cpu", MISSING)
    assert done.returncode == 1
    assert "MESHANIM_KERNELS=cpu, but the compiled ops are missing" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_missing_device_is_an_error_where_it_was_asked_for() -> None:
    done = _run("cuda")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "OSError: MESHANIM_KERNELS=cuda, but PyTorch sees no CUDA device"


def test_a_library_of_another_interface_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if _library.cpu_library() is None:
        pytest.skip("no compiled library in use")
    monkeypatch.setattr(_library, "ABI_VERSION", _library.ABI_VERSION + 1)
    with pytest.raises(OSError, match="interface version"):
        _library._open(_library.library_path())


def test_an_unknown_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHANIM_KERNELS", "fast")
    with pytest.raises(InputError, match="MESHANIM_KERNELS must be one of reference, cpu, cuda, got 'fast'"):
        _library.choice()


def test_kernels_in_use_is_one_line() -> None:
    assert "\n" not in kernels_in_use()


class TestPlans:
    pytestmark = pytest.mark.skipif(_library.cpu_library() is None, reason="references need no plans")

    def test_views_of_one_tensor_share_a_plan(self) -> None:
        spirals = torch.zeros(5, 3, dtype=torch.int64)
        plan = _plans.spiral_plan(spirals)
        assert _plans.spiral_plan(spirals) is plan and _plans.spiral_plan(spirals.view(5, 3)) is plan
        assert _plans.spiral_plan(spirals.clone()) is not plan

    def test_a_new_tensor_takes_no_dead_ones_plan(self) -> None:
        for value in range(5):
            indices = torch.full((5, 3), value)
            assert int(_plans.pool_plan(indices, 5).indices[0, 0]) == value
            del indices

    def test_a_change_in_place_makes_a_new_plan(self) -> None:
        indices = torch.zeros(5, 3, dtype=torch.int64)
        plan = _plans.pool_plan(indices, 5)
        indices[0, 0] = 4
        assert int(_plans.pool_plan(indices, 5).indices[0, 0]) == 4 and int(plan.indices[0, 0]) == 0

    def test_plans_go_with_their_tensor(self) -> None:
        def kept() -> int:
            return len(_plans._plans)

        _plans.spiral_plan(torch.zeros(5, 3, dtype=torch.int64))
        gc.collect()
        start = kept()
        for _ in range(20):
            _plans.spiral_plan(torch.zeros(5, 3, dtype=torch.int64))
        assert kept() <= start + 1

    def test_pooling_and_spirals_do_not_mix(self) -> None:
        indices = torch.zeros(5, 3, dtype=torch.int64)
        assert isinstance(_plans.spiral_plan(indices), _plans.SpiralPlan)
        assert isinstance(_plans.pool_plan(indices, 4), _plans.PoolPlan)
        assert _plans.pool_plan(indices, 4) is not _plans.pool_plan(indices, 5)
