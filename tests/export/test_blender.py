"""What Blender shows of our files: vertices of the first, a middle and the last frame, in millimetres."""

import numpy as np
import pytest
import torch

from meshanim.export import export

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
def test_usd(blender, weighted, tmp_path, suffix, targets):
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


def test_glb(blender, weighted, tmp_path):
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
