from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

from meshanim.nn import MeshLevels

MakeLevels = Callable[..., MeshLevels]


def _levels(*counts: int, length: int = 9, seed: int = 0) -> MeshLevels:
    generator = torch.Generator().manual_seed(seed)

    def pick(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, shape, generator=generator)

    steps = list(pairwise(counts))
    weights = [torch.rand(fine, 3, generator=generator) for fine, _ in steps]
    return MeshLevels(
        spirals=tuple(torch.cat([torch.arange(n)[:, None], pick(n, n, length - 1)], dim=1) for n in counts),
        down=tuple(
            torch.randperm(fine, generator=generator)[:coarse].sort().values for fine, coarse in steps
        ),
        up_indices=tuple(pick(coarse, fine, 3) for fine, coarse in steps),
        up_weights=tuple(weight / weight.sum(dim=1, keepdim=True) for weight in weights),
    )


@pytest.fixture(scope="session")
def make_levels() -> MakeLevels:
    """Levels with the given vertex counts and random spirals, samplings and weights."""
    return _levels
