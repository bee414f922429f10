"""What the viewer opens."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from meshanim._check import InputError
from meshanim.export import export
from meshanim.viewer import load


def test_a_performance_is_read_as_it_was(speaking, tmp_path: Path) -> None:
    back = load(export(speaking, tmp_path / "a.npz"))
    assert torch.equal(back.vertices(), speaking.vertices()) and back.sample_rate == speaking.sample_rate


@pytest.mark.parametrize("target", ["obj/", "ply/", "a.pc2"])
def test_what_states_no_rate_has_one_here(target: str, speaking, tmp_path: Path) -> None:
    options: dict[str, Any] = {"format": target[:-1]} if target.endswith("/") else {}
    export(speaking, f"{tmp_path}/{target}", **options)
    back = load(tmp_path / target)
    wanted = speaking.pose(speaking.vertices())
    assert back.fps == 25 and torch.allclose(back.vertices(), wanted, atol=1e-6)
    assert load(tmp_path / target, 10.0).fps == 10


def test_a_folder_without_a_sequence_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold one sequence of numbered OBJ or PLY files"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["a.obj", "a.ply", "a.stl"])
def test_a_mesh_is_one_frame(name: str, tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / name)
    still = load(tmp_path / name)
    assert still.frame_count == 1 and len(still.neutral.faces) == 12


def test_a_faulty_performance_is_not_shown_as_a_still_mesh(speaking, tmp_path: Path) -> None:
    path = export(speaking, tmp_path / "a.npz")
    np.savez(path, **dict(np.load(path)) | {"format_version": np.array(99)})
    with pytest.raises(InputError, match="has format version 99"):
        load(path)
    path = export(speaking, tmp_path / "a.gltf")
    document = json.loads(path.read_text())
    still = len(document["nodes"])
    document["nodes"].append({"mesh": 0})
    document["scenes"][0]["nodes"].append(still)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="a performance is of one mesh"):
        load(path)


def test_what_a_file_of_motion_lacks_is_named(speaking, tmp_path: Path) -> None:
    for name in ("a.pc2", "b.mdd"):
        path = export(speaking, tmp_path / name)
        path.with_suffix(".obj").unlink()
        with pytest.raises(InputError, match="needs its base mesh beside it"):
            load(path)
    (tmp_path / "a.csv").write_text("once upon a time")
    with pytest.raises(InputError, match="it has curves and no mesh"):
        load(tmp_path / "a.csv")


def test_a_glb_without_motion_is_one_frame(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "a.glb")
    assert load(tmp_path / "a.glb").frame_count == 1


@pytest.mark.parametrize("name", ["a.npz", "a.obj", "a.xyzw"])
def test_what_is_neither_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("once upon a time")
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load(tmp_path / name)


def test_a_suffix_that_is_not_read_is_told_all_that_are(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(
        InputError, match=r"must end in one of .*\.usdc.*\.pc2.*\.obj.*, or be a folder, got \.jpg"
    ):
        load(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.pc2", "no PC2"), ("a.mdd", "MDD"), ("a.csv", "curves and no mesh: give the face")],
)
def test_what_is_wrong_with_a_performance_is_said(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("once upon a time")
    with pytest.raises(InputError, match=said) as caught:
        load(tmp_path / name)
    assert ".obj" not in str(caught.value)


def test_a_frame_rate_that_is_none_is_named(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "a.obj")
    for wrong in (0.0, float("nan")):
        with pytest.raises(InputError, match="fps must be above 0"):
            load(tmp_path / "a.obj", wrong)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises((InputError, OSError), match=r"nowhere\.npz"):
        load(tmp_path / "nowhere.npz")
