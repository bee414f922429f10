"""NPZ files hold everything, for numpy and for us."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.export import export, read_performance


def test_numpy_reads_it(weighted, tmp_path):
    with np.load(export(weighted, tmp_path / "a.npz"), allow_pickle=False) as data:
        assert np.array_equal(data["vertices"], weighted.vertices().numpy())
        assert data["vertices"].dtype == np.float32
        assert np.array_equal(data["faces"], weighted.neutral.faces)
        assert np.array_equal(data["neutral"], weighted.neutral.vertices)
        assert (float(data["fps"]), str(data["unit"]), str(data["up_axis"])) == (30.0, "m", "Y")
        assert int(data["format_version"]) == 1
        assert data["weight_names"].tolist() == list(weighted.weight_names)


def same(first, second):
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


@pytest.mark.parametrize("name", ["weighted", "moving"])
def test_everything_comes_back_to_the_last_bit(request, tmp_path, name):
    performance = request.getfixturevalue(name)
    back = read_performance(export(performance, tmp_path / "a.npz"))
    for field in performance.__dataclass_fields__:
        if field != "neutral":
            assert same(getattr(performance, field), getattr(back, field)), field
    mesh, read = performance.neutral, back.neutral
    for field in ("vertices", "faces", "uv", "uv_faces"):
        assert torch.equal(getattr(mesh, field), getattr(read, field))
    assert mesh.landmarks == read.landmarks
    assert mesh.groups.keys() == read.groups.keys()
    assert all(torch.equal(mesh.groups[key], read.groups[key]) for key in mesh.groups)
    assert torch.equal(performance.vertices(), back.vertices())


class Bow:
    """Bends what weights move: by the square of the first, upwards."""

    def __init__(self, performance):
        self.rest, self.basis = performance.neutral.vertices, performance.basis

    def vertices(self, weights):
        straight = self.rest + torch.einsum("tk,kvc->tvc", weights, self.basis)
        return straight + weights[:, :1, None].square() * torch.tensor([0.0, 0.01, 0.0])


def test_what_a_mover_and_a_residual_add_is_one_residual(weighted, tmp_path):
    bent = replace(weighted, mover=Bow(weighted), residual=torch.full_like(weighted.vertices(), 1e-3))
    path = export(bent, tmp_path / "a.npz")
    assert len(set(names := zipfile.ZipFile(path).namelist())) == len(names)
    torch.testing.assert_close(read_performance(path).vertices(), bent.vertices(), atol=1e-7, rtol=0)


def test_a_type_that_numpy_does_not_know_is_written_as_float32(weighted, tmp_path):
    rough = weighted.to(torch.bfloat16)
    back = read_performance(export(rough, tmp_path / "a.npz"))
    for name in ("weights", "basis", "waveform", "gaze"):
        assert torch.equal(getattr(back, name), getattr(rough, name).float())
    assert torch.equal(back.neutral.vertices, rough.neutral.vertices.float())


def test_positions_that_weights_tell_are_not_read(weighted, tmp_path):
    """A long take has gigabytes of them: here so many that memory would not do."""
    path = export(weighted, tmp_path / "a.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "vertices"}
    np.savez(path, **arrays)
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 98, 3)}
    with zipfile.ZipFile(path, "a") as archive, archive.open("vertices.npy", "w") as member:
        np.lib.format.write_array_header_2_0(member, header)
    assert torch.equal(read_performance(path).vertices(), weighted.vertices())


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz does not exist"):
        read_performance(tmp_path / "none.npz")
    noise = tmp_path / "noise.npz"
    noise.write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(InputError, match=r"noise\.npz must be an NPZ"):
        read_performance(noise)
    torch.save({"a": 1}, tmp_path / "pickle.npz")
    with pytest.raises(InputError, match=r"pickle\.npz"):
        read_performance(tmp_path / "pickle.npz")
    np.savez(tmp_path / "objects.npz", vertices=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"objects\.npz must be an NPZ file of plain arrays"):
        read_performance(tmp_path / "objects.npz")
    np.savez(tmp_path / "other.npz", vertices=np.zeros(3))
    with pytest.raises(InputError, match="has no faces, neutral, fps"):
        read_performance(tmp_path / "other.npz")


def test_a_later_version_is_refused(moving, tmp_path, monkeypatch):
    monkeypatch.setattr("meshanim.export.npz.FORMAT_VERSION", 2)
    path = export(moving, tmp_path / "a.npz")
    monkeypatch.undo()
    with pytest.raises(InputError, match="format version 2"):
        read_performance(path)


def test_other_units_and_axes_are_refused(moving, tmp_path):
    with np.load(export(moving, tmp_path / "a.npz")) as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "b.npz", **arrays | {"unit": np.array("cm"), "up_axis": np.array("Z")})
    with pytest.raises(InputError, match=r"b\.npz must be in m with Y up, and is in cm with Z up"):
        read_performance(tmp_path / "b.npz")
