"""Where the studio writes: in its folder, whatever name it is given."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.export import read_performance
from meshanim.viewer.exporting import check_name, packed, save

OUTSIDE = [
    "../a.npz",
    "/tmp/a.npz",
    "sub/a.npz",
    "..\\a.npz",
    "C:a.npz",
    "a/../../b.npz",
    "",
    ".",
    "..",
    ".a.npz",
    "a\0.npz",
    "a\n.npz",
    "~/a.npz",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_elsewhere_writes_nothing(speaking, tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(InputError, match="plain name"):
        save(speaking, inside, name)
    with pytest.raises(InputError, match="plain name"):
        packed(speaking, name)
    assert [file.name for file in tmp_path.rglob("*")] == ["inside"]


@pytest.mark.parametrize("name", ["a.exe", "a", "a.npz.sh"])
def test_an_unknown_format_is_named(name: str) -> None:
    with pytest.raises(InputError, match=r"must end in one of \.glb"):
        check_name(name)


def test_a_link_out_of_the_folder_is_replaced_and_not_followed(speaking, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    inside = tmp_path / "inside"
    inside.mkdir()
    os.symlink(secret, inside / "a.npz")
    save(speaking, inside, "a.npz")
    assert secret.read_text() == "kept"
    assert not (inside / "a.npz").is_symlink()


@pytest.mark.parametrize("spec", ["{}/head.glb", "ict={}/head.glb"])
def test_the_face_is_not_written_over(speaking, tmp_path: Path, spec: str) -> None:
    (tmp_path / "head.glb").write_bytes(b"a face")
    with pytest.raises(InputError, match=r"head\.glb must be another file than .*head\.glb, which is read"):
        save(speaking, tmp_path, "head.glb", spec.format(tmp_path))
    assert (tmp_path / "head.glb").read_bytes() == b"a face"


def test_the_folder_and_the_browser_get_the_same(speaking, tmp_path: Path) -> None:
    (saved,) = save(speaking, tmp_path / "new" / "deep", "a.npz")
    assert torch.equal(read_performance(saved).vertices(), speaking.vertices())
    name, content = packed(speaking, "a.npz")
    assert name == "a.npz"
    with np.load(io.BytesIO(content)) as arrays:
        assert np.array_equal(arrays["vertices"], speaking.motion.numpy())


def test_formats_of_several_files_come_as_one(speaking, tmp_path: Path) -> None:
    name, content = packed(speaking, "a.pc2")
    assert name == "a.pc2.zip"
    assert save(speaking, tmp_path, "a.pc2") == [tmp_path / "a.pc2", tmp_path / "a.obj"]
    assert sorted(zipfile.ZipFile(io.BytesIO(content)).namelist()) == ["a.obj", "a.pc2"]
