"""Eyes and jaw of the built-in head as joints, evaluated by readers that are not ours."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export import export, read_performance
from meshanim.export.joints import Skeleton, fitting_rig, skeleton_of
from meshanim.mesh.rotations import axis_angle_to_matrix
from meshanim.performance import Performance

FRAMES, STATED_MM, FLOAT32_MM = (0, 4, 8), 0.1, 1e-3


def wanted_of(performance, frames=FRAMES):
    return performance.pose(performance.vertices()).numpy()[list(frames)]


def millimetres(found, wanted):
    return 1000 * np.linalg.norm(found - np.asarray(wanted), axis=-1).max()


def by_pygltflib(glb, frame):
    """World positions of glTF's vertices: targets, then joints, by matrices of our own making here."""
    nodes, skin = glb.document.nodes, glb.document.skins[0]
    tracks = {}
    for channel in glb.document.animations[0].channels:
        values = glb.numbers(glb.document.animations[0].samplers[channel.sampler].output)
        tracks[channel.target.node, channel.target.path] = values[frame] if channel.target.node else values
    parents = {child: number for number, node in enumerate(nodes) for child in node.children or ()}

    def world(number):
        local = np.eye(4)
        turn = tracks.get((number, "rotation"), [0, 0, 0, 1])
        local[:3, :3] = Rotation.from_quat(turn).as_matrix()
        local[:3, 3] = tracks.get((number, "translation"), nodes[number].translation or [0, 0, 0])
        return world(parents[number]) @ local if number in parents else local

    inverse = glb.numbers(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    matrices = np.stack([world(joint) for joint in skin.joints]) @ inverse
    blended = np.einsum(
        "vn,vnab->vab", glb.attribute("WEIGHTS_0"), matrices[glb.attribute("JOINTS_0").astype(int)]
    )
    local = np.concatenate([glb.local(frame), np.ones((len(blended), 1))], axis=1)
    return (blended @ local[:, :, None])[:, :3, 0]


@pytest.fixture(params=["straight", "arcs"])
def performance(request):
    return request.getfixturevalue(request.param)


def test_glb_keeps_its_error_and_its_names(performance, read_glb, tmp_path):
    glb = read_glb(export(performance, tmp_path / "a.glb"))
    count = len(performance.neutral.vertices)
    for frame, wanted in zip(FRAMES, wanted_of(performance), strict=True):
        assert millimetres(by_pygltflib(glb, frame)[:count], wanted) <= STATED_MM + FLOAT32_MM
    assert [node.name for node in glb.document.nodes[2:]] == ["head", "jaw", "eye_left", "eye_right"]
    assert glb.extras["targetNames"][:52] == list(performance.weight_names)
    assert 0 < glb.extras["largestErrorMillimetres"] <= STATED_MM
    # Slots that lead nothing name the head, as glTF's validator asks.
    assert not glb.attribute("JOINTS_0")[glb.attribute("WEIGHTS_0") == 0].any()
    # The joints take most of the work: few components are left for the targets.
    assert len(glb.extras["targetNames"]) < 64


def test_turns_of_the_weights_add_up_to_those_of_the_joints(arcs, read_glb, tmp_path):
    glb = read_glb(export(arcs, tmp_path / "a.glb"))
    names, turns = glb.extras["targetNames"], glb.extras["jointTurns"]
    assert turns.keys() == {"jaw", "eye_left", "eye_right"}
    tracks = {channel.target.node: channel.sampler for channel in glb.document.animations[0].channels
              if channel.target.path == "rotation"}  # fmt: skip
    for node, joint in ((3, "jaw"), (4, "eye_left"), (5, "eye_right")):
        wanted = Rotation.from_quat(glb.numbers(glb.document.animations[0].samplers[tracks[node]].output))
        summed = sum(np.outer(glb.weights()[:, names.index(n)], turn) for n, turn in turns[joint].items())
        assert wanted.magnitude().max() > 0.1
        # Smiles pull at what the jaw leads, which a turn fitted to the whole takes for a part of it.
        assert (Rotation.from_rotvec(summed).inv() * wanted).magnitude().max() < 1e-3


def test_balls_are_moved_by_their_joints_alone(straight, arcs, face):
    """Along arcs balls are rigid; on straight lines they shrink on the way, which targets must do."""
    for performance, most in ((straight, 5e-4), (arcs, 2e-5)):
        rig = fitting_rig(performance, skeleton_of(performance, face), True, 1e-5)
        targets, ball = rig.targets, face.neutral.groups["eye_left"]
        moved = torch.einsum("tk,kvc->tvc", targets.weights, targets.basis[:, ball])
        assert moved.norm(dim=2).max() < most
        arm = face.neutral.vertices[ball] - face.joints()["eye_left"].position
        assert rig.turns is not None
        way = (arm @ axis_angle_to_matrix(rig.turns[4, 1]).mT - arm).norm(dim=1).max()
        assert way > 3e-3


def test_what_is_straightened_bends_back(face):
    """The transform that readers apply, on the points that it was undone on."""
    rest, joints = face.neutral.vertices, dict(face.joints())
    skeleton = Skeleton(rest, joints, {name: face.neutral.groups[name] for name in ("eye_left", "eye_right")})
    turns = torch.tensor([[[0.3, 0.0, 0.0], [0.2, -0.3, 0.0], [0.2, 0.3, 0.1]]])
    points = rest + 0.01 * torch.randn(1, *rest.shape, generator=torch.Generator().manual_seed(0))
    before = skeleton.straightened(points, turns)
    matrices = torch.cat([torch.eye(3)[None], axis_angle_to_matrix(turns[0])])
    places = torch.cat([torch.zeros(1, 3), skeleton.positions])
    led, weights = skeleton.influences()
    turned = (matrices[led] @ (before[0][:, None] - places[led])[..., None])[..., 0] + places[led]
    assert ((weights[..., None] * turned).sum(dim=1) - points[0]).norm(dim=1).max() < 1e-7
    assert weights.sum(dim=1) == pytest.approx(1) and (weights >= 0).all()


@pytest.mark.parametrize("suffix", ["glb", "usdc"])
def test_blender_plays_the_joints(blender, arcs, tmp_path, suffix):
    path = export(arcs, tmp_path / f"a.{suffix}")
    seen = blender.open(path, FRAMES, fps=25)
    # Blender's importer of glTF adds an icosphere to draw bones with.
    count = len(arcs.neutral.vertices)
    start = seen.vertices.shape[1] - count if suffix == "usdc" else seen.starts[-1]
    assert millimetres(seen.vertices[:, start : start + count], wanted_of(arcs)) <= STATED_MM + FLOAT32_MM
    assert seen.bones == ["head", "jaw", "eye_left", "eye_right"]


@pytest.mark.parametrize("name", ["a.glb", "a.usdc"])
def test_joints_are_read_back(performance, tmp_path, name):
    back: Any = read_performance(export(performance, tmp_path / name))
    found = back.pose(back.vertices()).numpy()
    assert millimetres(found, wanted_of(performance, range(9))) <= STATED_MM + FLOAT32_MM
    assert back.weight_names[:52] == performance.weight_names
    assert torch.allclose(back.weights[:, :52], performance.weights, atol=1e-6)
    assert torch.allclose(back.head_motion, performance.head_motion, atol=5e-5)


def test_without_joints_the_basis_is_exact(straight, read_glb, tmp_path):
    glb = read_glb(export(straight, tmp_path / "a.glb", joints=False))
    assert glb.document.skins == [] and glb.extras["targetNames"] == list(straight.weight_names)
    count = len(straight.neutral.vertices)
    assert millimetres(glb.posed(4)[:count], wanted_of(straight, [4])[0]) < FLOAT32_MM


def test_a_face_brings_its_joints_to_motion_that_names_none(arcs, face, read_glb, tmp_path):
    bare = Performance(neutral=arcs.neutral, fps=25.0, motion=arcs.vertices())
    counts = []
    for model in (None, face):
        glb = read_glb(export(bare, tmp_path / "a.glb", face=model))
        counts.append(len(glb.primitive.targets))
        assert len(glb.document.skins) == (model is not None)
    assert counts[1] <= counts[0]


def test_another_mesh_has_no_joints_of_this_face(weighted, face):
    with pytest.raises(InputError, match="must move the 4538 vertices of anny, got 98"):
        skeleton_of(weighted, face)
    assert skeleton_of(replace(weighted, face_model="anny"), None) is None
