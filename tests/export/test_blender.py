"""What Blender shows of our files: vertices of the first, a middle and the last frame, in millimetres."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from meshanim.export import export, read_performance
from meshanim.export.picture import put_on

FLOAT32_MM = 3e-4
"""Blender adds up shape keys and applies the object's matrix in float32, at 0.1 m."""


def millimetres(found, wanted):
    return 1000 * np.linalg.norm(found - np.asarray(wanted), axis=-1).max()


def frames_of(performance):
    return (0, performance.frame_count // 2, performance.frame_count - 1)


def wanted_of(performance):
    return performance.pose(performance.vertices()).numpy()[list(frames_of(performance))]


@pytest.mark.parametrize("suffix", ["usda", "usdc", "usdz"])
@pytest.mark.parametrize("targets", ["auto", "points"])
def test_usd_is_in_blender_what_was_written(blender, weighted, tmp_path, suffix, targets):
    path = export(weighted, tmp_path / f"a.{suffix}", targets=targets)
    seen = blender.open(path, frames_of(weighted), fps=30)
    assert millimetres(seen.vertices, wanted_of(weighted)) < FLOAT32_MM
    assert seen.frames == [0, weighted.frame_count - 1] and seen.objects == ["face"]
    assert np.array_equal(seen.faces, weighted.neutral.faces.numpy())
    assert seen.materials == [["skin", "lips"]]
    keys = seen.shape_keys[0][1:5]
    assert keys == (list(weighted.weight_names) if targets == "auto" else [])


def test_usd_keeps_the_error_of_its_components(blender, moving, tmp_path):
    seen = blender.open(export(moving, tmp_path / "a.usdc", max_error=1e-4), frames_of(moving))
    assert millimetres(seen.vertices, wanted_of(moving)) < 0.1 + FLOAT32_MM


def test_glb_is_in_blender_what_was_written(blender, weighted, tmp_path):
    seen = blender.open(export(weighted, tmp_path / "a.glb"), frames_of(weighted), fps=30)
    count = len(weighted.neutral.vertices)
    assert millimetres(seen.vertices[:, :count], wanted_of(weighted)) < FLOAT32_MM
    assert seen.objects == ["a"] and seen.shape_keys[0][1:5] == list(weighted.weight_names)
    assert seen.unit == ["METRIC", 1.0]


def test_a_head_s_motion_is_its_object_s(blender, weighted, tmp_path):
    wanted = weighted.pose(torch.zeros(weighted.frame_count, 1, 3))[list(frames_of(weighted)), 0]
    for name in ("a.glb", "a.usdc"):
        seen = blender.open(export(weighted, tmp_path / name), frames_of(weighted), fps=30)
        # Blender's Z is our Y, its -Y our Z.
        place = seen.matrices[:, [0, 2, 1], 3] * [1, 1, -1]
        assert millimetres(place, wanted) < FLOAT32_MM


@pytest.mark.parametrize("suffix", ["pc2", "mdd"])
def test_mesh_caches_move_their_base_in_blender(blender, moving, tmp_path, suffix):
    path = export(moving, tmp_path / f"a.{suffix}")
    seen = blender.open(path.with_suffix(".obj"), frames_of(moving), cache=path, fps=24)
    assert millimetres(seen.vertices, wanted_of(moving)) < FLOAT32_MM
    assert np.array_equal(seen.faces, moving.neutral.faces.numpy())


@pytest.mark.parametrize("kind", ["obj", "ply"])
def test_sequences_are_in_blender_what_was_written(blender, moving, tmp_path, kind):
    files = sorted(export(moving, f"{tmp_path}/a/", format=kind).iterdir())
    for frame, wanted in zip(frames_of(moving), wanted_of(moving), strict=True):
        seen = blender.open(files[frame])
        # OBJ has six decimals of a metre.
        assert millimetres(seen.vertices[0], wanted) < (1e-3 if kind == "obj" else FLOAT32_MM)
        assert np.array_equal(seen.faces, moving.neutral.faces.numpy())


@pytest.mark.parametrize("suffix", ["abc", "fbx", "blend"])
def test_what_blender_writes_is_what_it_was_given(blender, weighted, tmp_path, suffix):
    seen = blender.open(export(weighted, tmp_path / f"a.{suffix}"), frames_of(weighted), fps=30)
    assert millimetres(seen.vertices, wanted_of(weighted)) < FLOAT32_MM
    assert np.array_equal(seen.faces, weighted.neutral.faces.numpy())
    assert seen.fps == pytest.approx(30)
    if suffix == "fbx":
        assert seen.actions and all(span == pytest.approx([0, 11], abs=1e-4) for span in seen.actions)
    else:
        assert seen.frames == [0, weighted.frame_count - 1]
    if suffix != "abc":
        assert seen.objects == ["a"] and seen.shape_keys[0][1:5] == list(weighted.weight_names)
    corners = weighted.neutral.uv[weighted.neutral.uv_faces].reshape(-1, 2)
    assert seen.uv == pytest.approx(corners.numpy(), abs=1e-6)
    wanted = weighted.pose(torch.zeros(weighted.frame_count, 1, 3))[list(frames_of(weighted)), 0]
    assert millimetres(seen.matrices[:, [0, 2, 1], 3] * [1, 1, -1], wanted) < FLOAT32_MM


def test_a_shape_may_have_the_name_of_the_one_at_rest(blender, weighted, tmp_path):
    names = ("Basis", *weighted.weight_names[1:])
    seen = blender.open(export(replace(weighted, weight_names=names), tmp_path / "a.blend"))
    assert seen.shape_keys[0][1:5] == list(names)


def test_a_blend_has_groups_and_its_sound(blender, weighted, tmp_path):
    seen = blender.open(export(weighted, tmp_path / "a.blend"))
    assert list(seen.groups) == list(weighted.neutral.groups)
    assert [path.endswith("a.wav") for path in seen.sounds] == [True]


@pytest.mark.parametrize("suffix", ["abc", "fbx", "blend"])
def test_a_captured_texture_goes_along(blender, weighted, painted, tmp_path, suffix):
    path = export(weighted, tmp_path / f"a.{suffix}", appearance=painted)
    beside = {"a.png"} if suffix == "abc" else set()
    assert {file.name for file in tmp_path.iterdir()} == {path.name} | beside
    seen = blender.open(path, frames_of(weighted), fps=30)
    assert millimetres(seen.vertices, wanted_of(weighted)) < FLOAT32_MM
    if suffix != "abc":
        assert seen.pictures[0][:2] == ["a.png", True] and min(seen.pictures[0][2:]) > 0
    # The texture coordinates are those of the picture, not the mesh's own.
    wrapped = put_on(weighted.neutral, painted)[0]
    assert wrapped.uv is not None
    assert seen.uv == pytest.approx(wrapped.uv[wrapped.uv_faces].reshape(-1, 2).numpy(), abs=1e-6)


def test_the_texture_of_a_sequence_is_seen(blender, weighted, painted, tmp_path):
    folder = export(weighted, f"{tmp_path}/a/", appearance=painted)
    assert {"a.mtl", "a.png"} <= {file.name for file in folder.iterdir()}
    seen = blender.open(folder / "a_000003.obj")
    assert seen.pictures[0][0] == "a.png" and min(seen.pictures[0][2:]) > 0
    assert seen.materials == [["face"]]


@pytest.mark.parametrize("suffix", ["fbx", "blend"])
def test_blender_keeps_fractions_of_a_rate(blender, moving, tmp_path, suffix):
    # Blender's importer of FBX multiplies seconds by 24, the file's own rate rounded.
    pace = 24 / moving.fps if suffix == "fbx" else 1
    frames = [pace * frame for frame in frames_of(moving)]
    seen = blender.open(export(moving, tmp_path / f"a.{suffix}"), frames)
    assert seen.fps == pytest.approx(23.976, rel=1e-5)
    assert millimetres(seen.vertices, wanted_of(moving)) < 0.1 + FLOAT32_MM


def test_alembic_has_the_seconds_of_any_rate(blender, moving, tmp_path):
    path = export(moving, tmp_path / "a.abc")
    # Blender reads Alembic by seconds: at a rate of 24 the second frame is at 24 / 23.976.
    seen = blender.open(path, [24 / moving.fps * frame for frame in frames_of(moving)], fps=24)
    assert millimetres(seen.vertices, wanted_of(moving)) < 0.01


def test_a_blender_that_fails_is_one_sentence(moving, tmp_path, monkeypatch):
    monkeypatch.setenv("MESHANIM_BLENDER", "/bin/false")
    with pytest.raises(OSError, match=r"a\.blend cannot be written: Blender failed: exit code 1"):
        export(moving, tmp_path / "a.blend")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["abc", "fbx", "blend"])
def test_a_full_disk_keeps_the_older_file(blender, weighted, files_no_larger_than, tmp_path, suffix):
    path = export(weighted, tmp_path / f"a.{suffix}")
    before = path.read_bytes()
    with files_no_larger_than(int(0.9 * len(before))), pytest.raises(OSError, match="be written: ") as caught:
        export(weighted, path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["glb", "usdc"])
def test_what_blender_exports_is_read(blender, weighted, tmp_path, suffix):
    scene = export(weighted, tmp_path / "a.blend")
    blender.open(scene, save=tmp_path / f"b.{suffix}")
    back = read_performance(tmp_path / f"b.{suffix}", fps=30)
    assert back.frame_count == weighted.frame_count and back.weight_names[:4] == weighted.weight_names
    # Blender reorders vertices of a GLB along texture seams: their places are compared, not their numbers.
    for frame, wanted in zip(frames_of(weighted), wanted_of(weighted), strict=True):
        found = back.pose(back.vertices(frame, frame + 1), frame)[0].numpy()
        distance, _ = cKDTree(found).query(wanted)
        assert 1000 * distance.max() < 0.01
        assert 1000 * cKDTree(wanted).query(found)[0].max() < 0.01
