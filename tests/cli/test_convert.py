"""Conversion on the command line: what comes out, and one sentence for what does not go in."""

from pathlib import Path

import pytest
import torch

from meshanim.export import export, read_performance
from meshanim.faces import ARKIT_NAMES, load_face
from meshanim.faces.articulation import ArticulatedMover
from meshanim.mesh import Mesh
from meshanim.performance import Performance

from .commands import call, one_sentence


@pytest.fixture(scope="module")
def blink(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GLB of the built-in head with ARKit's names."""
    face = load_face("anny")
    basis = torch.einsum("ak,kvc->avc", face.arkit_mapping, face.basis())
    weights = torch.rand(5, len(ARKIT_NAMES), generator=torch.Generator().manual_seed(0))
    mover = ArticulatedMover(face, mapping=face.arkit_mapping)
    performance = Performance(face.neutral, 25.0, None, weights, basis, ARKIT_NAMES, None, mover, "anny")
    return export(performance, tmp_path_factory.mktemp("blink") / "blink.glb")


def test_glb_becomes_usd_curves_and_caches(blink: Path, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="the extra usd is not installed")
    names = ("a.usdc", "a.csv", "a.pc2")
    assert call("convert", blink, *(tmp_path / name for name in names), "-q") == 0
    wanted = read_performance(blink)
    face = load_face("anny")
    for name in names:
        back = read_performance(tmp_path / name, fps=25, face=face)
        # components of a GLB are off by up to a tenth of a millimetre from what curves say
        off = 1e-4 if name == "a.csv" else 1e-5
        assert float((back.vertices() - wanted.vertices()).norm(dim=2).max()) < off


def test_somebody_else_performs_it(blink: Path, tmp_path: Path) -> None:
    face = load_face("anny")
    assert call("convert", blink, tmp_path / "old.npz", "--identity", "age=70", "-q") == 0
    old, first = read_performance(tmp_path / "old.npz"), read_performance(blink)
    assert torch.allclose(old.neutral.vertices, face.rest(face.identity(age=70.0)), atol=1e-6)
    # what the GLB has beyond these are the arcs of jaw and lids, which are the other's own
    assert old.weight_names == first.weight_names[: len(ARKIT_NAMES)] == ARKIT_NAMES
    assert old.weights is not None and first.weights is not None
    assert torch.equal(old.weights, first.weights[:, : len(ARKIT_NAMES)])
    assert call("convert", blink, tmp_path / "a.npz", "--identity", "smile=1", "-q") == 2


def test_another_mesh_lends_its_weights(tmp_path: Path) -> None:
    mesh = Mesh(torch.rand(4, 3), torch.tensor([[0, 1, 2], [0, 2, 3]]))
    weights, basis = torch.tensor([[0.0], [0.5]]), torch.rand(1, 4, 3)
    export(Performance(mesh, 25.0, None, weights, basis, ("jawOpen",)), tmp_path / "a.npz")
    assert call("convert", tmp_path / "a.npz", tmp_path / "b.npz", "--face", "anny", "-q") == 0
    found, face = read_performance(tmp_path / "b.npz"), load_face("anny")
    assert found.weights is not None
    assert torch.equal(found.weights[:, face.weight_names.index("jawOpen")], weights[:, 0])
    export(Performance(mesh, 25.0, None, weights, basis, ("smirk",)), tmp_path / "a.npz")
    assert call("convert", tmp_path / "a.npz", tmp_path / "b.npz", "--face", "anny", "-q") == 2


def test_what_a_format_does_not_state_is_given(blink: Path, tmp_path: Path) -> None:
    assert call("convert", blink, tmp_path / "a.pc2", tmp_path / "a.csv", "-q") == 0
    assert call("convert", tmp_path / "a.pc2", tmp_path / "b.mdd", "--fps", "25", "-q") == 0
    assert call("convert", tmp_path / "a.csv", tmp_path / "c.glb", "--face", "anny", "-q") == 0
    assert read_performance(tmp_path / "c.glb").weight_names[: len(ARKIT_NAMES)] == ARKIT_NAMES


def test_joints_stay_out_where_they_are_not_wanted(blink: Path, tmp_path: Path) -> None:
    for name, options in (("with.glb", ()), ("without.glb", ("--no-joints",))):
        assert (
            call("convert", blink, tmp_path / name, tmp_path / "a.npz", "--face", "anny", *options, "-q") == 0
        )
    skins = [b'"skins"' in (tmp_path / name).read_bytes() for name in ("with.glb", "without.glb")]
    assert skins == [True, False]


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("none.glb", "a.csv", "none.glb does not exist"),
        ("noise.glb", "a.csv", "its first letters are not glTF"),
        ("noise.glb", "a.xyz", "must end in one of"),
        ("noise.txt", "a.glb", "must end in one of"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, sentence: str
) -> None:
    for name in ("noise.glb", "noise.txt"):
        (tmp_path / name).write_bytes(b"no such thing as a mesh" * 20)
    assert call("convert", tmp_path / source, tmp_path / target) == 2
    assert sentence in one_sentence(capsys)


def test_where_one_format_cannot_hold_it_nothing_is_written(
    blink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("convert", blink, tmp_path / "a.pc2", "-q") == 0
    before = sorted(tmp_path.iterdir())
    assert call("convert", tmp_path / "a.pc2", tmp_path / "b.mdd", tmp_path / "b.csv", "--fps", "25") == 2
    assert "the performance has none by these names" in one_sentence(capsys)
    assert sorted(tmp_path.iterdir()) == before
