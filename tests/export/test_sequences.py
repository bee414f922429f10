"""OBJ and PLY sequences and PC2 caches are read back by trimesh and struct, and compared in millimetres."""

import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from meshanim.export import export

OBJ_MM = 1e-3
"""OBJ carries six decimals of a metre, half a micrometre per axis."""


def millimetres(found, wanted):
    return 1000 * np.linalg.norm(found - np.asarray(wanted), axis=1).max()


def posed(performance):
    return performance.pose(performance.vertices()).numpy()


@pytest.mark.parametrize(("kind", "bound"), [("obj", OBJ_MM), ("ply", 0.0)])
def test_every_frame_comes_back(moving, tmp_path, kind, bound):
    folder = export(moving, f"{tmp_path}/smile/", format=kind)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"smile_{i + 1:06d}.{kind}" for i in range(moving.frame_count)]
    for file, wanted in zip(files, posed(moving), strict=True):
        mesh = trimesh.load_mesh(file, process=False, maintain_order=True)
        # trimesh doubles an OBJ's vertices on texture seams, so that corners are compared.
        corners, wanted = mesh.vertices[mesh.faces], wanted[moving.neutral.faces]
        assert millimetres(corners.reshape(-1, 3), wanted.reshape(-1, 3)) <= bound


def test_obj_lines_stand_in_the_mesh_order(moving, tmp_path):
    (tmp_path / "x").mkdir()
    folder = export(moving, tmp_path / "x")
    for frame in (0, 6, 11):
        lines = [line.split() for line in (folder / f"x_{frame + 1:06d}.obj").read_text().splitlines()]
        vertices = np.array([line[1:] for line in lines if line[0] == "v"], dtype=float)
        assert millimetres(vertices, posed(moving)[frame]) < OBJ_MM
        corners = [[c.split("/") for c in line[1:]] for line in lines if line[0] == "f"]
        assert np.array_equal(np.array(corners, dtype=int)[..., 0] - 1, moving.neutral.faces)
        assert np.array_equal(np.array(corners, dtype=int)[..., 1] - 1, moving.neutral.uv_faces)


@pytest.mark.parametrize("with_uv", [True, False])
def test_obj_normals_on_request(moving, tmp_path, with_uv):
    neutral = moving.neutral if with_uv else replace(moving.neutral, uv=None, uv_faces=None)
    performance = replace(moving, neutral=neutral, head_motion=None)
    folder = export(performance, f"{tmp_path}/n/", normals=True)
    mesh = trimesh.load_mesh(folder / "n_000001.obj", process=False)
    text = (folder / "n_000001.obj").read_text()
    assert ("/1/" in text) == with_uv and "vn " in text
    normals = np.array([line.split()[1:] for line in text.splitlines() if line.startswith("vn")], dtype=float)
    outwards = performance.neutral.vertices.numpy() / 0.1
    assert (normals * outwards).sum(1).min() > 0.9
    assert len(mesh.faces) == len(neutral.faces)


def test_pc2_and_its_base(moving, tmp_path):
    path = export(moving, tmp_path / "a.pc2")
    data = path.read_bytes()
    sign, version, points, start, rate, samples = struct.unpack_from("<12siiffi", data)
    assert (sign, version, start, rate) == (b"POINTCACHE2\0", 1, 0.0, 1.0)
    assert (points, samples) == (len(moving.neutral.vertices), moving.frame_count)
    assert np.array_equal(np.frombuffer(data, "<f4", offset=32).reshape(samples, points, 3), posed(moving))
    base = [
        line.split()[1:] for line in path.with_suffix(".obj").read_text().splitlines() if line[:2] == "v "
    ]
    assert millimetres(np.array(base, dtype=float), moving.neutral.vertices) < OBJ_MM


def test_mdd_and_its_base(moving, tmp_path):
    path = export(moving, tmp_path / "a.mdd")
    data = path.read_bytes()
    frames, points = struct.unpack_from(">ii", data)
    assert (frames, points) == (moving.frame_count, len(moving.neutral.vertices))
    times = np.frombuffer(data, ">f4", frames, 8)
    assert times == pytest.approx(np.arange(frames) / moving.fps, rel=1e-6)
    positions = np.frombuffer(data, ">f4", offset=8 + 4 * frames).reshape(frames, points, 3)
    assert np.array_equal(positions, posed(moving))
    assert path.with_suffix(".obj").is_file()


def test_a_shorter_sequence_takes_the_place_of_a_longer_one(moving, tmp_path):
    folder = export(moving, f"{tmp_path}/s/")
    (folder / "notes.txt").write_text("mine")
    (folder / "s_old.obj").write_text("mine too")
    export(moving.slice(0, 4), folder)
    assert sorted(file.name for file in folder.iterdir()) == [
        "notes.txt",
        *(f"s_{i + 1:06d}.obj" for i in range(4)),
        "s_old.obj",
    ]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s"]
