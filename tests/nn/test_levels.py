import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import MeshLevels


def test_tensors_and_back(make_levels) -> None:
    levels: MeshLevels = make_levels(30, 8, 3)
    named = levels.tensors()
    assert {tensor.dtype for tensor in named.values()} == {torch.int32, torch.float32}
    read = MeshLevels.from_tensors(named)
    assert read.vertex_counts == (30, 8, 3)
    for kind in ("spirals", "down", "up_indices", "up_weights"):
        for one, other in zip(getattr(levels, kind), getattr(read, kind), strict=True):
            assert one.dtype == other.dtype and torch.equal(one, other)


def test_a_gap_is_named(make_levels) -> None:
    named = make_levels(30, 8, 3).tensors()
    del named["spirals.1"]
    with pytest.raises(InputError, match="levels of spirals"):
        MeshLevels.from_tensors(named)


def test_levels_that_do_not_fit_are_named(make_levels) -> None:
    levels: MeshLevels = make_levels(30, 8)
    with pytest.raises(InputError, match=r"down of level 0 must have shape \(8,\)"):
        MeshLevels(levels.spirals, (torch.arange(7),), levels.up_indices, levels.up_weights)
    with pytest.raises(InputError, match="up_indices of level 0 must lie in"):
        MeshLevels(levels.spirals, levels.down, (levels.up_indices[0] + 8,), levels.up_weights)
    with pytest.raises(InputError, match="2 sets of spirals needs 1"):
        MeshLevels(levels.spirals, (), (), ())
