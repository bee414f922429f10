import json
from pathlib import Path, PosixPath

import pytest
import torch

from meshanim._check import InputError
from meshanim._pretrained import find_model
from meshanim.mesh import Mesh, MeshHierarchy
from meshanim.synthesis import ExpressionModel, SpeechModel, SpiralAutoencoder, topology_digest


@pytest.fixture
def saved(face: Mesh, hierarchy: MeshHierarchy, tmp_path: Path) -> Path:
    return SpiralAutoencoder(face, hierarchy, 4, (4, 4)).save_pretrained(tmp_path / "model")


def test_a_folder_holds_two_files(saved: Path, face: Mesh) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((saved / "config.json").read_text())
    assert config["format"] == 1 and config["model"] == "SpiralAutoencoder"
    assert config["topology"] == topology_digest(face)


def test_loading_leaves_the_callers_random_numbers_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    SpiralAutoencoder.from_pretrained(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_digest_sees_connections_alone(face: Mesh) -> None:
    moved = Mesh(face.vertices * 2, face.faces.roll(1, dims=1).flip(0))
    assert topology_digest(moved) == topology_digest(face)
    assert topology_digest(Mesh(face.vertices, face.faces[:, [0, 2, 1]])) != topology_digest(face)
    assert topology_digest(Mesh(torch.cat([face.vertices, face.vertices]), face.faces)) != topology_digest(
        face
    )


def test_unknown_names_are_answered_with_known_ones_of_the_kind() -> None:
    with pytest.raises(
        InputError, match="the model must be shipped, as speech-small, or a folder, got 'no-such'"
    ):
        find_model("no-such", "SpeechModel")
    with pytest.raises(InputError, match="a folder, since none of its kind is shipped, got 'no-such'"):
        find_model("no-such", "SpiralAutoencoder")
    with pytest.raises(InputError, match="got 'research/no-such', which is in a checkout of meshanim only"):
        find_model("research/no-such", "LipSyncNetwork")
    with pytest.raises(InputError, match="of kind SpeechModel, as speech-small, got 'ExpressionModel'"):
        SpeechModel.from_pretrained("anny-expressions")


def test_a_folder_that_lies_here_takes_no_shipped_models_place(saved: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_model("speech-small", "SpeechModel")
    Path("speech-small").mkdir()
    assert find_model("speech-small", "SpeechModel") == shipped
    here = Path("speech-small")
    assert find_model("./speech-small", "SpeechModel") == find_model(here, "SpeechModel") == here
    assert find_model(str(saved), "SpiralAutoencoder") == saved


class WindowsPath(PosixPath):
    """Reads with backslashes, as paths do on Windows."""

    def __str__(self) -> str:
        return super().__str__().replace("/", "\\")

    def __fspath__(self) -> str:
        return super().__str__()


def test_names_with_a_slash_are_names_on_any_system(saved: Path, tmp_path, monkeypatch) -> None:
    (tmp_path / "research").mkdir()
    shipped = saved.rename(tmp_path / "research" / "mine")
    monkeypatch.setattr("meshanim._pretrained._shipped_folders", lambda: [tmp_path])
    monkeypatch.setattr("meshanim._pretrained.Path", WindowsPath)
    assert find_model("research/mine", "SpiralAutoencoder") == shipped


def test_a_path_upwards_is_no_name(saved: Path, tmp_path, monkeypatch) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("meshanim._pretrained._shipped_folders", lambda: [tmp_path / "shipped"])
    monkeypatch.chdir(tmp_path / "here")
    assert find_model("../model", "SpiralAutoencoder") == Path("../model")
    (tmp_path / "here" / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "here" / "inner")
    with pytest.raises(InputError, match=r"got '\.\./model'"):
        find_model("../model", "SpiralAutoencoder")


def test_shipped_models_are_found_by_the_topology_of_a_mesh(face: Mesh) -> None:
    of_ict = ExpressionModel.from_pretrained("ict-expressions-paper").template
    assert ExpressionModel.shipped_for(of_ict) == ["ict-expressions", "ict-expressions-paper"]
    assert SpiralAutoencoder.shipped_for(of_ict) == ExpressionModel.shipped_for(face) == []


def damage(folder: Path, name: str, content: bytes | None) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "got no config.json"),
        ("config.json", b"{", "must be a JSON file"),
        ("config.json", b"[]", "must hold a JSON object"),
        ("config.json", b'{"model": "SpiralAutoencoder", "format": 99}', "must have format 1, got 99"),
        ("config.json", b'{"model": "Other", "format": 1}', "kind SpiralAutoencoder, got 'Other'"),
        ("config.json", b'{"model": "SpiralAutoencoder", "format": 1}', "files of one save"),
        ("model.safetensors", None, "got no model.safetensors"),
        ("model.safetensors", b"noise", "must be a safetensors file"),
    ],
)
def test_damaged_folders_are_named(saved: Path, name: str, content: bytes | None, message: str) -> None:
    damage(saved, name, content)
    with pytest.raises(InputError, match=message):
        SpiralAutoencoder.from_pretrained(saved)


def test_a_save_that_fails_leaves_the_old_model(
    saved: Path, face: Mesh, hierarchy: MeshHierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("meshanim._pretrained.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        SpiralAutoencoder(face, hierarchy, 4, (4, 4)).save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
