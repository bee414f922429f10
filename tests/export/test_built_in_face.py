"""The built-in head, performing: what a user's first files hold."""

import math

import numpy as np
import pytest
import torch

from meshanim.export import export, read_performance
from meshanim.faces import articulate, load_face
from meshanim.mesh import read_mesh
from meshanim.performance import Performance


@pytest.fixture(scope="module")
def surprise():
    """The jaw opens on its arc, and closes again."""
    face = load_face("anny")
    weights = torch.zeros(15, len(face.weight_names))
    for name, most in {"jawOpen": 0.8, "eyeWideLeft": 1.0, "eyeWideRight": 1.0, "browInnerUp": 1.0}.items():
        weights[:, face.weight_names.index(name)] = most * torch.linspace(0, math.pi, 15).sin()
    return Performance(neutral=face.neutral, fps=25.0, motion=articulate(face, weights), face_model=face.name)


def test_glb_keeps_its_tenth_of_a_millimetre(surprise, read_glb, tmp_path):
    glb = read_glb(export(surprise, tmp_path / "surprise.glb", joints=False))
    count = len(surprise.neutral.vertices)
    moved = 1000 * (surprise.vertices() - surprise.neutral.vertices).norm(dim=2).max()
    assert moved > 10
    for frame in (0, 4, 7, 14):
        wanted = surprise.vertices(frame, frame + 1)[0].numpy()
        assert 1000 * np.linalg.norm(glb.local(frame)[:count] - wanted, axis=1).max() <= 0.1
    assert len(glb.extras["targetNames"]) < 15


def test_glb_with_joints_keeps_it_too(surprise, tmp_path):
    back = read_performance(export(surprise, tmp_path / "surprise.glb"))
    assert 1000 * float((back.vertices() - surprise.vertices()).norm(dim=2).max()) <= 0.1


def test_one_mesh_is_read_of_a_glb_as_a_mesh_and_as_a_performance(surprise, tmp_path):
    path = export(surprise, tmp_path / "surprise.glb")
    mesh, played = read_mesh(path), read_performance(path).neutral
    for read in (mesh, played):
        assert torch.equal(read.faces, surprise.neutral.faces)
        assert torch.equal(read.vertices, surprise.neutral.vertices)
        assert read.uv is not None and read.uv_faces is not None
        at_corners = surprise.neutral.uv[surprise.neutral.uv_faces]
        # 1 - (1 - v) in float32
        torch.testing.assert_close(read.uv[read.uv_faces], at_corners, rtol=0, atol=1e-6)


def test_npz_brings_the_face_back(surprise, tmp_path):
    back = read_performance(export(surprise, tmp_path / "surprise.npz"))
    assert torch.equal(back.vertices(), surprise.vertices())
    assert back.face_model == "anny" and back.neutral.groups.keys() == surprise.neutral.groups.keys()


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_other_floating_types_are_written_as_float32(straight, tmp_path, kind):
    performance = straight.slice(0, 2).to(kind)
    plain = performance.to(torch.float32)
    for name in ("a.glb", "a.usda"):
        back = read_performance(export(performance, tmp_path / name))
        assert (back.vertices() - plain.vertices()).norm(dim=2).max() < 1.1e-4
    assert export(performance, tmp_path / "a.mp4", size=(48, 48)).stat().st_size > 0
    exact = read_performance(export(performance, tmp_path / "a.npz")).weights
    assert exact is not None and exact.dtype == kind and torch.equal(exact, performance.weights)
