"""A face by one word."""

from __future__ import annotations

import math

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import AnnyFace, FlameFace, IctFace, load_face
from meshanim.mesh import axis_angle_to_matrix


def test_every_form_is_known(ict_file, flame_file):
    assert isinstance(load_face("anny"), AnnyFace)
    assert isinstance(load_face(f"ict={ict_file}"), IctFace)
    assert isinstance(load_face(f"flame={flame_file}"), FlameFace)


@pytest.mark.parametrize("spec", ["", "smpl", "Anny", "ict", "deca=somewhere"])
def test_an_unknown_word_names_the_known_forms(spec):
    with pytest.raises(InputError, match=r"anny, ict=PATH, flame=PATH or a mesh file .* got"):
        load_face(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ict=", "must name a path"),
        ("flame=", "must name a path"),
        ("ict=/no/where", "got nothing there"),
        ("flame=/no/where.npz", "got no file there"),
        ("/no/where.obj", "where there is no file"),
    ],
)
def test_a_missing_path_is_named(spec, message):
    with pytest.raises(InputError, match=message):
        load_face(spec)


def test_a_folder_is_told_its_form(tmp_path):
    with pytest.raises(InputError, match=r"ict="):
        load_face(str(tmp_path))


def _write_obj(path, vertices, faces):
    lines = [f"v {x:.8f} {y:.8f} {z:.8f}" for x, y, z in vertices.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces.tolist()]
    path.write_text("\n".join(lines) + "\n")


def test_a_mesh_of_the_built_in_topology_performs(anny, tmp_path):
    pytest.importorskip("meshanim.mesh.reading", reason="meshes are not read yet")
    someone = anny.sample_identity(torch.Generator().manual_seed(9), 1)[0]
    _write_obj(tmp_path / "me.obj", anny.rest(someone), anny.neutral.faces)
    face = load_face(str(tmp_path / "me.obj"))
    assert face.weight_names == anny.weight_names and face.identity_names == ()
    # Eight decimals were written.
    assert (face.neutral.vertices - anny.rest(someone)).abs().max() < 1e-7


@pytest.mark.parametrize(("axis", "degrees"), [((1.0, 0, 0), 90), ((0, 1.0, 0), 180), ((-1.0, 0, 0), 90)])
def test_a_mesh_of_other_axes_is_refused(anny, tmp_path, axis, degrees):
    turn = axis_angle_to_matrix(math.radians(degrees) * torch.tensor(axis))
    _write_obj(tmp_path / "me.obj", anny.neutral.vertices @ turn.T, anny.neutral.faces)
    with pytest.raises(
        InputError, match=f"Y up and look along Z, as anny, got one turned by {degrees} degrees"
    ):
        load_face(str(tmp_path / "me.obj"))


def test_a_mesh_of_another_topology_is_told_what_is_missing(tmp_path):
    pytest.importorskip("meshanim.mesh.reading", reason="meshes are not read yet")
    _write_obj(tmp_path / "it.obj", torch.eye(3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InputError, match=r"it\.obj: mesh must have the topology of anny, .* got 3 vertices"):
        load_face(str(tmp_path / "it.obj"))
    many = torch.rand(5023, 3)
    _write_obj(tmp_path / "flame.obj", many, torch.arange(5022).reshape(-1, 3))
    with pytest.raises(InputError, match=r"FLAME, whose shapes come with flame=PATH"):
        load_face(str(tmp_path / "flame.obj"))


def test_a_file_that_is_no_mesh_is_named(tmp_path):
    pytest.importorskip("meshanim.mesh.reading", reason="meshes are not read yet")
    (tmp_path / "text.obj").write_text("a letter, not a mesh\n")
    with pytest.raises(InputError, match=r"text\.obj"):
        load_face(str(tmp_path / "text.obj"))
