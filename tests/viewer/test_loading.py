"""What the viewer opens."""

from pathlib import Path

import pytest
import torch
import trimesh

from meshanim._check import InputError
from meshanim.export import export
from meshanim.viewer import load


def test_a_performance_is_read_as_it_was(speaking, tmp_path: Path) -> None:
    back = load(export(speaking, tmp_path / "a.npz"))
    assert torch.equal(back.vertices(), speaking.vertices()) and back.sample_rate == speaking.sample_rate


@pytest.mark.parametrize("name", ["a.obj", "a.ply", "a.stl"])
def test_a_mesh_is_one_frame(name: str, tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / name)
    still = load(tmp_path / name)
    assert still.frame_count == 1 and len(still.neutral.faces) == 12


@pytest.mark.parametrize("name", ["a.npz", "a.obj", "a.xyzw"])
def test_what_is_neither_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("once upon a time")
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises((InputError, OSError), match=r"nowhere\.npz"):
        load(tmp_path / "nowhere.npz")
