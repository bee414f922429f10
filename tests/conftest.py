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


def _targets() -> list[tuple[torch.device, torch.dtype]]:
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    return [(device, dtype) for device in devices for dtype in (torch.float32, torch.float64)]


@pytest.fixture(params=_targets(), ids=lambda target: f"{target[0]}-{str(target[1]).removeprefix('torch.')}")
def target(request: pytest.FixtureRequest) -> tuple[torch.device, torch.dtype]:
    """Every (device, dtype) that the ops run on here."""
    return request.param
