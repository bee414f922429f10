"""Fixtures for every room: real files beside the repository, devices and types, a cache of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

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
