"""Fixtures for every room: real files beside the repository, devices and types, a cache of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from meshanim._check import MissingExtra
from meshanim.audio.sound import SPEECH_RATE, Sound, frames_beside
from meshanim.export.blender import blender_command
from meshanim.faces import ARKIT_NAMES, load_face

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real meshes and recordings; skips where this checkout has none beside it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not there: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests out of the user's cache, unless ``MESHANIM_CACHE`` already points somewhere."""
    given = os.environ.get("MESHANIM_CACHE")
    folder = Path(given) if given else tmp_path_factory.mktemp("cache")
    os.environ["MESHANIM_CACHE"] = str(folder)
    yield folder
    if given is None:
        del os.environ["MESHANIM_CACHE"]


@pytest.fixture(scope="session")
def own_cache(cache_folder: Path) -> Callable[[Path], str]:
    """Makes a cache that holds the built-in face alone, which takes many seconds to ask Anny for."""

    def make(folder: Path) -> str:
        load_face("anny")
        shutil.copytree(cache_folder / "faces", folder / "faces")
        return str(folder)

    return make


@pytest.fixture(scope="session")
def files_no_larger_than() -> Callable[[int], AbstractContextManager[None]]:
    """A full disk, as far as a process can have one for itself: writing beyond so many bytes fails."""
    resource = pytest.importorskip("resource", reason="the system limits no files")

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return limited


@pytest.fixture(scope="session")
def doubles() -> Callable[[], AbstractContextManager[None]]:
    """Makes double precision PyTorch's default for a while."""

    @contextmanager
    def while_open() -> Iterator[None]:
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)

    return while_open


def _targets() -> list:
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
    types = (torch.float32, torch.float64)
    cpu = [pytest.param((torch.device("cpu"), dtype)) for dtype in types]
    return cpu + [pytest.param((torch.device("cuda"), dtype), marks=skip) for dtype in types]


def _target_name(target: tuple[torch.device, torch.dtype]) -> str:
    return f"{target[0]}-{str(target[1]).removeprefix('torch.')}"


@pytest.fixture(params=_targets(), ids=_target_name)
def target(request: pytest.FixtureRequest) -> tuple[torch.device, torch.dtype]:
    """Every (device, dtype) that the ops run on here."""
    return request.param


class Blender:
    """A Blender that keeps running and opens one file after the other, see ``blender_reader.py``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        command = blender_command(Path(__file__).with_name("blender_reader.py"))
        self._log = open(folder / "log.txt", "w")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )

    def open(self, path: Path, frames: Sequence[float] = (0,), **order: Any) -> SimpleNamespace:
        """What Blender sees at the scene's ``frames``: arrays, and the entries of ``about``."""
        self._count += 1
        answer = self._folder / f"{self._count}.npz"
        order |= {"path": str(path), "frames": list(frames), "answer": str(answer)}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order, default=str) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            assert not line.startswith("failed: "), line
            if line == "done\n":
                break
        else:
            raise AssertionError(f"Blender stopped: {Path(self._log.name).read_text()[-2000:]}")
        with np.load(answer) as found:
            arrays = {name: found[name] for name in found.files}
        return SimpleNamespace(**arrays | json.loads(str(arrays.pop("about"))))

    def close(self) -> None:
        self._process.communicate()
        self._log.close()


def pytest_configure(config: pytest.Config) -> None:
    """Name the Blender that ``make test`` puts beside the environment; share cores with other workers."""
    beside = Path(sys.prefix) / "blender" / "bin" / "python"
    if beside.exists():
        os.environ.setdefault("MESHANIM_BLENDER", str(beside))
    if hasattr(config, "workerinput"):  # one of several processes of pytest-xdist
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)


def _skipping_what_is_not_installed() -> Generator[None, Any, Any]:
    """Skip a test that needs an extra which is not here, and say which; other errors stay errors."""
    try:
        return (yield)
    except MissingExtra as missing:
        if not isinstance(missing.__context__, ImportError):
            raise
        pytest.skip(str(missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    """Fixtures may need extras."""
    return (yield from _skipping_what_is_not_installed())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """Tests may need extras."""
    return (yield from _skipping_what_is_not_installed())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep with one worker what shares fixtures: a file, or all that one long run of Blender answers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "tests/blender" if file.startswith("tests/blender/") else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def blender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blender]:
    """A running Blender; skips where there is none."""
    try:
        running = Blender(tmp_path_factory.mktemp("blender"))
    except MissingExtra as missing:
        pytest.skip(str(missing))
    yield running
    running.close()


class LoudLips:
    """Stands in for a trained speech model: opens the jaw with the sound, and presses the lips in silence."""

    def stream(
        self, blocks: Iterable[Tensor], identity: Tensor | None = None, fps: float = 25.0
    ) -> Iterator[Tensor]:
        heard, given = torch.zeros(0), 0
        for block in blocks:
            heard = torch.cat([heard, block])
            ready = int(len(heard) / SPEECH_RATE * fps)
            yield self._frames(heard, given, ready, fps)
            given = max(given, ready)
        yield self._frames(heard, given, frames_beside(len(heard), fps), fps)

    @staticmethod
    def _frames(heard: Tensor, start: int, stop: int, fps: float) -> Tensor:
        weights = torch.zeros(max(0, stop - start), len(ARKIT_NAMES))
        for row, frame in enumerate(range(start, stop)):
            place = min(round(frame / fps * SPEECH_RATE), len(heard) - 1)
            loud = heard[max(0, place - 200) : place + 1].abs().max().item()
            weights[row, ARKIT_NAMES.index("jawOpen")] = 0.6 * loud
            weights[row, ARKIT_NAMES.index("mouthPressLeft")] = 0.3 * (loud < 0.05)
            weights[row, ARKIT_NAMES.index("mouthPressRight")] = 0.3 * (loud < 0.05)
            weights[row, ARKIT_NAMES.index("eyeBlinkLeft")] = 0.5
        return weights


@pytest.fixture(scope="session")
def lip_model() -> LoudLips:
    """What moves lips where no trained model is needed."""
    return LoudLips()


def _babble(seconds: float = 2.0, rate: int = SPEECH_RATE) -> Sound:
    """Syllables of a tone, four a second, with silence between."""
    time = torch.arange(round(seconds * rate)) / rate
    loud = (2 * torch.pi * 2 * time).sin().clamp(min=0)
    return Sound((loud * (2 * torch.pi * 200 * time).sin()).float(), rate)


@pytest.fixture(scope="session")
def babble() -> Callable[..., Sound]:
    """Makes a voice of so many seconds at a sample rate."""
    return _babble
