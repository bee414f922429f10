"""FLAME's layout: skinning by hand, files of two kinds, and pickles that stay shut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.faces import FlameFace, articulate
from meshanim.faces.flame import JAW_OPEN

# Arrays come in float64 and are kept in float32, on a head of 0.2 m.
ROUNDING = 1e-6
SHAPES, EXPRESSIONS = 6, 100


def _skinned(arrays: dict[str, np.ndarray], turns: np.ndarray) -> np.ndarray:
    """Vertices of the mean head, joints turned by rotation vectors (5, 3): blend skinning down a tree."""
    rotations = Rotation.from_rotvec(turns).as_matrix()
    corrected = arrays["v_template"] + arrays["posedirs"] @ (rotations[1:] - np.eye(3)).ravel()
    places = arrays["J_regressor"] @ arrays["v_template"]
    world = np.zeros((5, 4, 4))
    for joint, parent in enumerate([-1, 0, 1, 1, 1]):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = places[joint] - (places[parent] if parent >= 0 else 0)
        world[joint] = world[parent] @ local if parent >= 0 else local
    world[:, :3, 3] -= np.einsum("jab,jb->ja", world[:, :3, :3], places)
    blended = np.einsum("vj,jab->vab", arrays["weights"], world)
    return np.einsum("vab,vb->va", blended[:, :3, :3], corrected) + blended[:, :3, 3]


def test_coefficients_are_the_files(flame, flame_arrays):
    arrays = flame_arrays
    assert flame.identity_names == tuple(f"shape{index:03d}" for index in range(SHAPES))
    assert flame.weight_names[:EXPRESSIONS] == tuple(f"expression{index:03d}" for index in range(EXPRESSIONS))
    shape, expression = np.random.default_rng(1).standard_normal((2, SHAPES))
    coefficients = torch.from_numpy(shape).float()
    expected = arrays["v_template"] + arrays["shapedirs"][..., :SHAPES] @ shape
    assert np.abs((flame.rest(coefficients) + flame.origin).numpy() - expected).max() < ROUNDING
    weights = torch.zeros(len(flame.weight_names))
    weights[:SHAPES] = torch.from_numpy(expression)
    expected = arrays["v_template"] + arrays["shapedirs"][..., SHAPES : 2 * SHAPES] @ expression
    assert np.abs((flame.vertices(weights=weights) + flame.origin).numpy() - expected).max() < ROUNDING


@pytest.mark.parametrize(
    ("name", "joint", "turn"),
    [
        ("jawOpen", 2, (JAW_OPEN, 0, 0)),
        ("jawLeft", 2, (0, 0.1, 0)),
        ("eyeLookInLeft", 3, (0, -0.44, 0)),
        ("eyeLookUpRight", 4, (-0.44, 0, 0)),
    ],
)
def test_poses_are_blend_skinning_at_weight_one(flame, flame_arrays, name, joint, turn):
    turns = np.zeros((5, 3))
    turns[joint] = turn
    weights = torch.zeros(len(flame.weight_names))
    weights[flame.weight_names.index(name)] = 1
    found = (flame.vertices(weights=weights) + flame.origin).numpy()
    assert np.abs(found - _skinned(flame_arrays, turns)).max() < ROUNDING


def test_the_origin_is_the_neck_joint(flame, flame_arrays):
    arrays = flame_arrays
    assert np.abs(flame.origin.numpy() - arrays["J_regressor"][1] @ arrays["v_template"]).max() < ROUNDING


def test_joints_come_from_the_regressor(flame, flame_arrays):
    arrays = flame_arrays
    shape = np.random.default_rng(2).standard_normal(SHAPES)
    rest = arrays["v_template"] + arrays["shapedirs"][..., :SHAPES] @ shape
    places = arrays["J_regressor"] @ rest
    joints = flame.joints(torch.from_numpy(shape).float())
    for name, number in (("jaw", 2), ("eye_left", 3), ("eye_right", 4)):
        assert np.abs((joints[name].position + flame.origin).numpy() - places[number]).max() < ROUNDING
        assert np.abs(joints[name].weights.numpy() - arrays["weights"][:, number]).max() < ROUNDING


def test_articulation_turns_eyes_whole(flame):
    weights = torch.zeros(1, len(flame.weight_names))
    weights[0, flame.weight_names.index("eyeLookDownLeft")] = 0.5
    ball, centre = flame.neutral.groups["eye_left"], flame.joints()["eye_left"].position
    moved = articulate(flame, weights)[0, ball] - centre
    before = flame.neutral.vertices[ball] - centre
    # The balls have pose correctives of their own here, of up to a millimetre, which a rigid turn leaves out.
    assert (moved.norm(dim=1) - before.norm(dim=1)).abs().max() < ROUNDING
    assert (moved - before).norm(dim=1).max() > 1e-3


def test_without_correctives_and_tree_it_works_too(tmp_path, flame_arrays):
    arrays = flame_arrays
    np.savez(
        tmp_path / "a.npz", **{k: v for k, v in arrays.items() if k not in ("posedirs", "kintree_table")}
    )
    face = FlameFace.from_path(tmp_path / "a.npz")
    arrays["posedirs"] = np.zeros_like(arrays["posedirs"])
    turns = np.zeros((5, 3))
    turns[2, 0] = JAW_OPEN
    found = face.neutral.vertices + face.units[face.weight_names.index("jawOpen")] + face.origin
    assert np.abs(found.numpy() - _skinned(arrays, turns)).max() < ROUNDING


def test_safetensors_give_the_same_face(flame, tmp_path, flame_arrays):
    tensors = {
        name: torch.from_numpy(array.astype(np.int64)) for name, array in flame_arrays.items() if name == "f"
    }
    tensors |= {
        name: torch.from_numpy(array.astype(np.float32)).contiguous()
        for name, array in flame_arrays.items()
        if name not in ("f", "kintree_table")
    }
    save_file(tensors, tmp_path / "flame.safetensors")
    face = FlameFace.from_path(tmp_path / "flame.safetensors")
    assert torch.allclose(face.neutral.vertices, flame.neutral.vertices, atol=ROUNDING)
    assert torch.allclose(face.units, flame.units, atol=ROUNDING)


def test_objects_are_not_unpickled(tmp_path, flame_arrays):
    path = tmp_path / "flame.npz"
    np.savez(path, **{**flame_arrays, "J_regressor": np.array([{"sparse": 1}], dtype=object)})
    with pytest.raises(InputError, match=r"J_regressor in .* got Python objects.*convert it once"):
        FlameFace.from_path(path)


def test_the_published_pickle_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match=r"is a pickle.*convert it once.*np\.savez"):
        FlameFace.from_path(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weights": np.zeros((126, 4))}, r"weights .* \(126, 5\), got \(126, 4\)"),
        ({"J_regressor": np.zeros((126, 5))}, "J_regressor"),
        ({"shapedirs": np.zeros((126, 3, 100))}, "then 100 expressions, got 100 in all"),
        ({"posedirs": np.zeros((126, 3, 9))}, "posedirs"),
        ({"f": np.array([[0, 1, 126]])}, r"f must lie in \[0, 126\)"),
        ({"v_template": np.full((126, 3), np.nan)}, "v_template must be finite"),
        ({"kintree_table": np.array([[0, 0, 0, 1, 1], [0, 1, 2, 3, 4]])}, r"parents \[0, 1, 1, 1\], got"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_arrays_of_another_model_are_named(tmp_path, flame_arrays, changed, message):
    np.savez(tmp_path / "flame.npz", **{**flame_arrays, **changed})
    with pytest.raises(InputError, match=message):
        FlameFace.from_path(tmp_path / "flame.npz")


def test_files_of_another_kind_are_named(tmp_path):
    with pytest.raises(InputError, match="got no file there"):
        FlameFace.from_path(tmp_path / "nowhere.npz")
    for name in ("text.npz", "text.safetensors"):
        (tmp_path / name).write_text("neither of them")
        with pytest.raises(InputError, match=name):
            FlameFace.from_path(tmp_path / name)
    np.savez(tmp_path / "other.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(InputError, match="without v_template, shapedirs"):
        FlameFace.from_path(tmp_path / "other.npz")
