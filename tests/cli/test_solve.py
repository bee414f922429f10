"""``meshanim solve``: curves of moving vertices, and one sentence for whatever does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from meshanim.export import export, read_performance
from meshanim.faces import AnnyFace, articulate, load_face
from meshanim.mesh import Mesh
from meshanim.performance import Performance

from .commands import call, one_sentence


@pytest.fixture(scope="module")
def smile(cache_folder: Path) -> Performance:
    """Vertices alone, of a smile that grows."""
    face = AnnyFace()
    weights = torch.zeros(3, len(face.weight_names))
    weights[:, face.weight_names.index("mouthSmileLeft")] = torch.tensor([0.0, 0.4, 0.9])
    return Performance(face.neutral, 25.0, motion=face.vertices(weights=weights))


def test_vertices_become_curves(smile: Performance, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    export(smile, tmp_path / "vertices.npz")
    outputs: list[str | Path] = ["-o", tmp_path / "curves.npz", "-o", tmp_path / "curves.glb"]
    assert call("solve", tmp_path / "vertices.npz", *outputs) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "52 units leave 0.000 mm on average" in said and "written:" in said
    found = read_performance(tmp_path / "curves.npz")
    assert found.weights is not None and found.residual is None
    curve = found.weights[:, found.weight_names.index("mouthSmileLeft")]
    assert torch.allclose(curve, torch.tensor([0.0, 0.4, 0.9]), atol=0.01)


def test_the_residual_gives_the_vertices_back(smile: Performance, tmp_path: Path) -> None:
    assert smile.motion is not None
    bent = smile.motion + 0.003 * torch.randn(smile.motion.shape, generator=torch.Generator().manual_seed(0))
    export(replace(smile, motion=bent), tmp_path / "vertices.npz")
    assert call("solve", tmp_path / "vertices.npz", "--residual", "-o", tmp_path / "curves.npz", "-q") == 0
    # float32 sums at a tenth of a metre
    assert (read_performance(tmp_path / "curves.npz").vertices() - bent).abs().max() < 1e-6


def test_a_jaw_that_turns_is_told_how_to_be_solved(
    smile: Performance, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    face = load_face("anny")
    weights = torch.zeros(2, len(face.weight_names))
    for name in ("jawOpen", "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookOutLeft"):
        weights[1, face.weight_names.index(name)] = 0.6
    export(replace(smile, motion=articulate(face, weights)), tmp_path / "open.npz")
    hint = "--articulated may leave less"
    outputs: list[str | Path] = ["-o", tmp_path / "curves.npz"]
    assert call("solve", tmp_path / "open.npz", *outputs) == 0
    assert hint in " ".join(capsys.readouterr().err.split())
    assert call("solve", tmp_path / "open.npz", "--articulated", *outputs) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert hint not in said and "52 units leave 0.00" in said
    export(smile, tmp_path / "smile.npz")
    assert call("solve", tmp_path / "smile.npz", *outputs) == 0
    assert hint not in capsys.readouterr().err


def test_a_head_that_moves_is_told_how_to_be_solved(
    smile: Performance, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    turned = torch.tensor([[0.0, 0, 0, 0, 0, 0], [0, 0.1, 0, 0, 0, 0]])
    export(replace(smile.slice(0, 2), head_motion=turned), tmp_path / "a.mdd")
    outputs: list[str | Path] = ["-o", tmp_path / "curves.npz"]
    assert call("solve", tmp_path / "a.mdd", *outputs) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "--moving-head may leave less" in said and "--articulated" not in said
    assert call("solve", tmp_path / "a.mdd", "--moving-head", *outputs) == 0
    assert "may leave less" not in capsys.readouterr().err


def test_another_mesh_is_one_sentence(
    smile: Performance, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    corners = torch.rand(4, 3)
    triangle = Mesh(corners, torch.tensor([[0, 1, 2]]))
    export(Performance(triangle, 25.0, motion=corners.expand(2, -1, -1)), tmp_path / "other.npz")
    assert call("solve", tmp_path / "other.npz", "-o", tmp_path / "out.npz") == 2
    sentence, count = one_sentence(capsys), len(load_face("anny").neutral.vertices)
    assert f"{count} vertices" in sentence and "got 4" in sentence
    assert not (tmp_path / "out.npz").exists()


def test_curves_alone_are_told_how_they_get_a_mesh(
    smile: Performance, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert call("animate", "--face", "anny", "--duration", "1", "-o", tmp_path / "a.npz", "-q") == 0
    assert call("solve", tmp_path / "a.npz", "-o", tmp_path / "a.csv", "-q") == 0
    assert call("solve", tmp_path / "a.csv", "--face", "anny", "-o", tmp_path / "b.npz") == 2
    assert (
        "curves and no mesh: give the face model they move, as meshanim convert does"
        in capsys.readouterr().err
    )
