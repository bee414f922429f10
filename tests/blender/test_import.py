"""Performances in Blender: every vertex where meshanim has it, on the right frame, with its sound."""

from pathlib import Path

import numpy as np
import pytest

FRAMES = 12
MILLIMETRE = 1e-3


def in_blender(points):
    """(..., 3) points, Y up, as Blender has them."""
    x, y, z = np.moveaxis(np.asarray(points), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def expected(performance):
    """World positions of the first, a middle and the last frame."""
    posed = performance.pose(performance.vertices().double()).numpy()
    return in_blender(posed[[0, 5, FRAMES - 1]])


@pytest.mark.parametrize(
    ("name", "source", "bound"),
    [
        ("keyed", "keyed", 0.01),
        ("keyed_as_cache", "keyed", 0.01),
        ("twisted", "twisted", 0.01),
        ("residual", "residual", 0.01),
        ("keyed_glb", "keyed", 0.01),
        ("twisted_glb", "twisted", 0.01),
        ("jointed_glb", "jointed", 0.1),
        ("saved", "twisted", 0.01),
        ("residual_as_keys", "keyed", 0.01),
    ],
)
def test_vertices_are_where_they_belong(blender, performances, name, source, bound):
    performance = performances[source]
    wanted = expected(performance)
    if name == "residual_as_keys":
        wanted = in_blender(performance.vertices().numpy()[[0, 5, FRAMES - 1]])
    count = len(performance.neutral.vertices)
    distance = np.linalg.norm(blender.arrays[name][:, :count] - wanted, axis=2).max()
    assert distance < bound * MILLIMETRE
    moved = np.linalg.norm(wanted - wanted[:1], axis=2).max()
    assert moved > 10 * MILLIMETRE


@pytest.mark.parametrize("name", ["keyed", "keyed_as_cache", "keyed_glb"])
def test_the_way_between_two_frames_is_the_short_one(blender, performances, name):
    found = blender.arrays[f"{name}_between"]
    middle = (found[:-1:2] + found[2::2]) / 2
    # What turns goes past the middle of its chord by a small part of its distance from the axis.
    reach = performances["keyed"].vertices().norm(dim=2).max().item()
    bound = 1.1 * reach * (1 - np.cos(5 / (FRAMES - 1) / 2))
    assert np.linalg.norm(found[1::2] - middle, axis=2).max() < bound


def test_copies_on_texture_seams_follow_their_vertex(blender, performances):
    count = len(performances["keyed"].neutral.vertices)
    found = blender.arrays["keyed_glb"]
    own, copies = found[:, :count], found[:, count:]
    assert copies.shape[1] > 0
    nearest = np.linalg.norm(copies[:, :, None] - own[:, None], axis=3).min(2)
    assert nearest.max() < 0.01 * MILLIMETRE


@pytest.mark.parametrize(
    ("name", "fps", "start"),
    [
        ("keyed", 29.97, 1),
        ("keyed_as_cache", 29.97, 101),
        ("twisted", 2.5, 1),
        ("keyed_glb", 29.97, 1),
        ("twisted_glb", 2.5, 50),
        ("jointed_glb", 25, 1),
    ],
)
def test_rate_and_range_are_set_and_keys_lie_on_whole_frames(blender, name, fps, start):
    facts = blender.facts[name]
    assert facts["fps"] == pytest.approx(fps, rel=1e-6)
    assert facts["range"] == [start, start + FRAMES - 1]
    assert facts["curve_keys"]
    for places in facts["curve_keys"]:
        assert places == list(range(start, start + FRAMES))
    assert facts["tracks"] == 0
    assert facts["selected"]


@pytest.mark.parametrize(
    ("file", "bound"),
    [("keyed.npz", 0.01), ("residual.npz", 0.01), ("twisted.npz", 0.01), ("jointed.glb", 0.1)],
)
def test_performances_of_several_rates_play_at_their_own_in_one_scene(blender, performances, file, bound):
    performance = performances[file.partition(".")[0]]
    found = blender.arrays[f"several {file}"][:, : len(performance.neutral.vertices)]
    # Keys between frames lie at float32 places.
    assert np.linalg.norm(found - expected(performance), axis=2).max() < bound * MILLIMETRE


def test_a_scene_keeps_the_rate_of_its_first_performance_and_plays_all(blender):
    told = blender.facts["several"]
    assert told["fps"] == 24
    # twisted's last frame: eleven of 2.5 a second after frame 31
    assert told["range"] == [1, 31 + round(11 * 24 / 2.5)]
    assert told["applied"] == pytest.approx([10 + frame * 24 / 60 for frame in range(150)], abs=1e-4)
    if blender.facts["has_sound"]:
        assert told["sounds"] == [pytest.approx(FRAMES / 29.97 * 24, abs=1)]


def test_what_a_mesh_cache_cannot_play_beside_others_is_refused(blender):
    told = blender.facts["several"]
    assert "more than 100 frames in one of the scene's, whose rate other" in told["too fast"]
    assert told["left"] == 1 and list(blender.folder.glob("fast_*.pc2")) == []


def test_a_take_onto_a_face_sets_the_rate_unless_its_head_moves(blender):
    told = blender.facts["several"]
    assert told["keyed.npz"] == pytest.approx(29.97, rel=1e-6) and told["still.npz"] == 60


def test_names_travel(blender):
    assert blender.facts["keyed"]["keys"] == ["Basis", "jawOpen", "mouthSmileLeft", "browDownLeft"]
    found = blender.facts["keyed_glb"]["keys"]
    assert found[:4] == ["Basis", "jawOpen", "mouthSmileLeft", "browDownLeft"]
    assert set(found[4:]) == {"mouthSmileLeft above 1", "browDownLeft below 0"}


@pytest.mark.parametrize("name", ["named_basis", "named_basis_glb"])
def test_a_shape_may_have_the_name_of_the_one_at_rest(blender, name):
    assert blender.facts[name]["keys"][1:4] == ["mouthSmileLeft", "Basis", "browDownLeft"]
    assert np.array_equal(blender.arrays[name], blender.arrays[name.replace("named_basis", "keyed")])


def test_a_face_with_bones_has_its_name_and_nothing_beside_it(blender):
    assert blender.facts["jointed_glb"]["things"] == {"jointed": "MESH", "jointed head motion": "ARMATURE"}
    assert blender.facts["keyed_glb"]["things"] == {"keyed": "MESH"}


def test_a_cache_is_chosen_where_weights_do_not_explain_the_vertices(blender):
    assert blender.facts["keyed"]["modifiers"] == []
    for name in ("twisted", "residual", "keyed_as_cache"):
        assert len(blender.facts[name]["modifiers"]) == 1
        assert blender.facts[name]["keys"] == []
    assert blender.facts["residual_as_keys"]["modifiers"] == []


def test_the_cache_lies_beside_what_names_it(blender):
    for name, beside in (("twisted", blender.folder / "resources"), ("residual", blender.folder)):
        (path,) = map(Path, blender.facts[name]["modifiers"])
        assert (path.parent, path.suffix, path.exists()) == (beside, ".pc2", True)
    assert blender.facts["saved"]["modifiers"][0].startswith("//twisted_")
    assert blender.facts["residual"]["modifiers"] != blender.facts["keyed_as_cache"]["modifiers"]
    assert list(blender.folder.glob(".meshanim-*")) == []


def test_others_may_read_the_cache_as_any_new_file(blender, tmp_path):
    (tmp_path / "new").touch()
    assert blender.facts["twisted"]["cache_modes"] == [(tmp_path / "new").stat().st_mode & 0o777]


@pytest.mark.parametrize("file", ["keyed.npz", "keyed.glb"])
def test_an_import_ends_the_editing_of_another_object(blender, file):
    assert blender.facts["modes"][file] == ["OBJECT", "keyed", "OBJECT"]


def test_sound_starts_with_the_motion_and_is_packed(blender):
    if not blender.facts["has_sound"]:
        pytest.skip("this Blender is built without sound")
    for name, start in (("keyed", 1), ("keyed_as_cache", 101)):
        ((first, length, packed),) = blender.facts[name]["sounds"]
        assert (first, packed) == (start, True)
        assert abs(length - FRAMES) <= 1
    assert blender.facts["saved"]["sounds"][0][2]
    assert blender.facts["twisted"]["sounds"] == []


def test_faces_texture_and_parts_come_along(blender, performances):
    mesh = performances["keyed"].neutral
    assert np.array_equal(blender.arrays["faces"], mesh.faces)
    assert np.abs(blender.arrays["uv"] - mesh.uv[mesh.uv_faces.flatten()].numpy()).max() < 1e-6
    assert blender.facts["keyed"]["groups"] == {name: len(index) for name, index in mesh.groups.items()}
    assert blender.facts["keyed"]["materials"] == ["skin", "lips", "eyes"]
    inside = np.isin(mesh.faces, mesh.groups["lips"]).all(1)
    assert np.array_equal(blender.arrays["slots"] == 1, inside)
    assert inside.any()
