"""ICT-FaceKit: what is where, in metres and by name; joints that nobody drew; two ways in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import ARKIT_NAMES, IctFace
from meshanim.faces._ict_layout import EXPRESSIONS, LOWER_TEETH, RANGES
from meshanim.faces.ict import ORIGIN
from meshanim.faces.joint_fitting import fit_hinge
from meshanim.mesh import fit_sphere

COMPONENTS = {
    **{"gums_and_tongue": 1, "teeth": 32, "eye_left": 2, "eye_right": 2, "lashes_left": 6, "lashes_right": 6},
    **{
        f"{name}_{side}": 1
        for name in ("lacrimal_fluid", "eye_blend", "eye_occlusion")
        for side in ("left", "right")
    },
}
"""Connected components of each geometry but the skin, which the mouth and eye sockets are sewn to."""
SEWN = ("face", "head_and_neck", "mouth_socket", "eye_socket_left", "eye_socket_right")


@pytest.fixture(scope="module")
def people(ict: IctFace) -> torch.Tensor:
    return ict.sample_identity(torch.Generator().manual_seed(0), 3)


def _unit(face: IctFace, name: str) -> torch.Tensor:
    return face.units[face.weight_names.index(name)]


def test_it_has_the_published_size(ict):
    assert len(ict.neutral.vertices) == 26719
    assert len(ict.neutral.faces) == 2 * 26384 - 548
    assert ict.neutral.uv is not None and len(ict.neutral.uv) == 28911
    assert ict.identity_names[0] == "id000" and ict.identity_names[-1] == "id099"
    assert set(ict.weight_names) == EXPRESSIONS and len(EXPRESSIONS) == 57


def test_seventeen_geometries_fill_the_mesh(ict):
    assert len(RANGES) == 17
    members = torch.cat([ict.neutral.groups[name] for name in RANGES])
    assert torch.equal(members, torch.arange(26719))


def test_geometries_are_whole_components(ict):
    component = ict.neutral.topology.components
    assert len(component.unique()) == 56
    sewn = torch.cat([ict.neutral.groups[name] for name in SEWN])
    assert len(component[sewn].unique()) == 1
    found = {name: component[ict.neutral.groups[name]].unique() for name in COMPONENTS}
    assert {name: len(labels) for name, labels in found.items()} == COMPONENTS
    assert len(torch.cat(list(found.values())).unique()) == 55


def test_it_stands_in_metres_looking_forward_about_its_hinge(ict, ict_file):
    low, high = ict.neutral.vertices.amin(dim=0), ict.neutral.vertices.amax(dim=0)
    assert 0.3 < float(high[1] - low[1]) < 0.4
    nose = ict.neutral.vertices[ict.neutral.landmarks["nose_tip"]]
    assert nose[2] > 0.1 and abs(nose[0]) < 1e-4
    mean = torch.from_numpy(np.load(ict_file)["mean"]) / 100
    assert torch.allclose(ict.neutral.vertices + torch.tensor(ORIGIN), mean, atol=1e-7)
    assert abs(ict.joints()["jaw"].position[1]) < 1e-3


def test_landmarks_are_the_published_ones(ict, ict_file):
    stored = np.load(ict_file)["landmarks68"].tolist()
    assert [ict.neutral.landmarks[f"landmark68_{place:02d}"] for place in range(68)] == stored
    assert ict.neutral.landmarks["chin"] == stored[8]
    left, right = (
        ict.neutral.vertices[ict.neutral.landmarks[f"eye_{side}_outer"]] for side in ("left", "right")
    )
    assert left[0] > 0.04 and torch.allclose(left, right * torch.tensor([-1.0, 1, 1]), atol=1e-3)


def test_groups_lie_where_their_names_say(ict):
    points, groups, landmarks = ict.neutral.vertices, ict.neutral.groups, ict.neutral.landmarks
    mouth = points[[landmarks[f"landmark68_{place:02d}"] for place in range(48, 60)]]
    lips = points[groups["lips"]]
    assert (lips[:, :2] >= mouth[:, :2].amin(dim=0) - 1e-4).all()
    assert (lips[:, :2] <= mouth[:, :2].amax(dim=0) + 1e-4).all()
    assert (lips[:, 0] > 1e-4).sum() == (lips[:, 0] < -1e-4).sum()
    eyes = torch.stack([ict.joints()[f"eye_{side}"].position for side in ("left", "right")])
    assert torch.cdist(points[groups["lids"]], eyes).amin(dim=1).max() < 0.035
    assert points[groups["neck"], 1].max() < -0.03 and points[groups["upper_face"], 1].min() > 0.02
    assert (points[groups["tongue"], 0].abs() < 0.021).all()
    opened = _unit(ict, "jawOpen")
    assert opened[groups["tongue"]].norm(dim=1).min() > 0.015
    for name in (
        "gums",
        "lashes",
        "lacrimal_fluid",
        "eye_occlusion",
        "eye_blend",
        "eye_sockets",
        "mouth_inner",
    ):
        assert len(groups[name]) > 40


def test_left_is_the_characters_own(ict):
    for name in ("browDown", "mouthSmile", "eyeBlink", "cheekPuff", "browInnerUp"):
        moved = _unit(ict, f"{name}Left").norm(dim=1)
        assert (moved * ict.neutral.vertices[:, 0]).sum() > 0


def test_arkit_shapes_that_are_divided_drive_both_sides(ict):
    weights = torch.zeros(52)
    weights[ARKIT_NAMES.index("browInnerUp")], weights[ARKIT_NAMES.index("cheekPuff")] = 0.6, 0.3
    own = dict(zip(ict.weight_names, ict.weights_from_arkit(weights).tolist(), strict=True))
    assert {name: round(value, 6) for name, value in own.items() if value} == {
        **{"browInnerUpLeft": 0.6, "browInnerUpRight": 0.6, "cheekPuffLeft": 0.3, "cheekPuffRight": 0.3}
    }
    silent = [name for name, row in zip(ARKIT_NAMES, ict.arkit_mapping, strict=True) if not row.any()]
    assert silent == ["tongueOut"]


def test_the_jaw_turns_about_its_hinge(ict):
    joint, opened = ict.joints()["jaw"], _unit(ict, "jawOpen")
    teeth = slice(*LOWER_TEETH)
    points = ict.neutral.vertices[teeth]
    hinge = fit_hinge(points, points + opened[teeth])
    # jawOpen was made as such a turn: 25.3 degrees, and what is left is 0.1 mm on average.
    assert torch.rad2deg(hinge.angle) == pytest.approx(25.3, abs=0.1)
    assert (hinge.position - joint.position).norm() < 1e-6
    across = torch.tensor([0.0, 1.0, 1.0])
    before, after = (points - joint.position) * across, (points + opened[teeth] - joint.position) * across
    assert (after.norm(dim=1) - before.norm(dim=1)).abs().max() < 3e-4
    assert joint.weights[teeth].min() > 0.97
    assert joint.weights[17039 : LOWER_TEETH[0]].max() == 0
    chin, crown = ict.neutral.landmarks["chin"], int(ict.neutral.vertices[:, 1].argmax())
    assert joint.weights[chin] > 0.8 and joint.weights[crown] < 0.01


def test_teeth_stay_in_line_on_everybody(ict, people):
    teeth = slice(*LOWER_TEETH)
    for person in people:
        points = ict.rest(person)[teeth]
        moved = points + ict.basis(person)[ict.weight_names.index("jawOpen"), teeth]
        joint = ict.joints(person)["jaw"]
        arm, end = points - joint.position, moved - joint.position
        arm, end = (part - (part @ joint.axis)[:, None] * joint.axis for part in (arm, end))
        # Of 40 mm that they move; the mean face's own fit leaves 0.2 mm.
        assert (end.norm(dim=1) - arm.norm(dim=1)).abs().max() < 5e-4


def test_eyeballs_turn_when_they_look(ict):
    for side in ("left", "right"):
        centre, ball = ict.joints()[f"eye_{side}"].position, ict.neutral.groups[f"eye_{side}"]
        arm = ict.neutral.vertices[ball] - centre
        for look, down, out in (("Down", 1, 0), ("Up", -1, 0), ("Out", 0, 1), ("In", 0, -1)):
            end = arm + _unit(ict, f"eyeLook{look}{side.capitalize()}")[ball]
            assert (end.norm(dim=1) - arm.norm(dim=1)).abs().max() < 1e-6
            pupil = end[arm[:, 2].argmax()]
            left = out if side == "left" else -out
            assert down * pupil[1] <= 1e-4 and left * pupil[0] >= -1e-4


def test_eyes_follow_the_identity(ict, people):
    for person in people:
        rest = ict.rest(person)
        for side in ("left", "right"):
            ball = rest[slice(*RANGES[f"eye_{side}"])]
            shift = (
                ict.joints()[f"eye_{side}"].position
                - fit_sphere(ict.neutral.vertices[slice(*RANGES[f"eye_{side}"])]).centre
            )
            # Cornea and iris draw a plain fit forward by as much on everybody, to a third of a millimetre.
            assert (
                ict.joints(person)[f"eye_{side}"].position - fit_sphere(ball).centre - shift
            ).norm() < 4e-4


def test_people_are_held_within_two_deviations(ict):
    drawn = ict.sample_identity(torch.Generator().manual_seed(0), 200)
    assert drawn.abs().max() == 2 and 0.85 < drawn.std() < 1


def _write_obj(path: Path, vertices: np.ndarray, packed: dict[str, np.ndarray] | None = None) -> None:
    """An OBJ file as ICT writes them; with texture coordinates and faces from ``packed``."""
    with open(path, "w") as file:
        file.write("mtllib ICTFaceModelMaterial.mtl\n")
        np.savetxt(file, vertices, fmt="v %.6f %.6f %.6f")
        if packed is not None:
            np.savetxt(file, packed["uv"], fmt="vt %.6f %.6f")
            corners = (
                np.stack([packed["faces"], packed["uv_faces"]], axis=2).reshape(len(packed["faces"]), 8) + 1
            )
            triangle = packed["faces"][:, 3] < 0
            np.savetxt(file, corners[~triangle], fmt="f %d/%d %d/%d %d/%d %d/%d")
            np.savetxt(file, corners[triangle, :6], fmt="f %d/%d %d/%d %d/%d")


@pytest.fixture(scope="module")
def arrays(ict_file: Path) -> dict[str, np.ndarray]:
    with np.load(ict_file) as stored:
        return {key: stored[key] for key in stored.files}


@pytest.fixture(scope="module")
def folder(arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The neutral, three expressions and two identities, as published."""
    place = tmp_path_factory.mktemp("FaceXModel")
    _write_obj(place / "generic_neutral_mesh.obj", arrays["mean"], arrays)
    names = arrays["expression_names"].tolist()
    for name in ("jawOpen", "browDown_L", "eyeLookUp_R"):
        row = names.index(name)
        moved = arrays["mean"] + arrays["expression"][row] * arrays["expression_scale"][row]
        _write_obj(place / f"{name}.obj", moved)
    for row in (0, 7):
        moved = arrays["mean"] + arrays["identity"][row] * arrays["identity_scale"][row]
        _write_obj(place / f"identity{row:03d}.obj", moved)
    (place / "notes.obj").write_text("# some other file\n")
    return place


def test_a_folder_of_obj_files_is_the_same_face(ict, folder):
    face = IctFace.from_path(folder)
    assert face.weight_names == ("browDownLeft", "eyeLookUpRight", "jawOpen")
    assert face.identity_names == ("id000", "id007")
    # Six decimals of a centimetre were written, and 16-bit steps of up to 1.3e-4 cm rounded before.
    assert torch.allclose(face.neutral.vertices, ict.neutral.vertices, atol=3e-8, rtol=1e-6)
    same_sides = {frozenset(row) for row in face.neutral.faces.tolist()}
    assert same_sides == {frozenset(row) for row in ict.neutral.faces.tolist()}
    assert face.neutral.uv is not None and torch.allclose(face.neutral.uv, ict.neutral.uv, atol=1e-6)
    for name in face.weight_names:
        assert torch.allclose(_unit(face, name), _unit(ict, name), atol=1e-6)
    whole = torch.zeros(100)
    whole[0], whole[7] = 1.0, -2.0
    assert torch.allclose(face.rest(torch.tensor([1.0, -2.0])), ict.rest(whole), atol=1e-6)
    assert (face.joints()["jaw"].position - ict.joints()["jaw"].position).norm() < 1e-5


def test_without_jaw_open_there_is_no_jaw(folder, tmp_path):
    for name in ("generic_neutral_mesh", "browDown_L"):
        (tmp_path / f"{name}.obj").symlink_to(folder / f"{name}.obj")
    face = IctFace.from_path(tmp_path)
    assert set(face.joints()) == {"eye_left", "eye_right"} and face.identity_names == ()


def test_a_path_with_nothing_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"ict=.*nowhere must be .* got nothing there"):
        IctFace.from_path(tmp_path / "nowhere")


def test_a_folder_without_its_parts_is_named(tmp_path, folder):
    with pytest.raises(InputError, match=r"generic_neutral_mesh\.obj"):
        IctFace.from_path(tmp_path)
    (tmp_path / "generic_neutral_mesh.obj").symlink_to(folder / "generic_neutral_mesh.obj")
    with pytest.raises(InputError, match="expression shapes"):
        IctFace.from_path(tmp_path)
    (tmp_path / "jawOpen.obj").write_text("v 0 0 0\nv 1 0 0\n")
    with pytest.raises(InputError, match=r"jawOpen\.obj must hold the 26719 vertices .* got 2"):
        IctFace.from_path(tmp_path)


def test_a_packed_file_in_the_folder_is_named(tmp_path):
    (tmp_path / "packed.npz").touch()
    with pytest.raises(InputError, match=r"got a folder without it; ict=.*packed\.npz may be meant"):
        IctFace.from_path(tmp_path)


def test_lines_that_are_no_numbers_are_refused(tmp_path, folder):
    for name in ("generic_neutral_mesh", "browDown_L"):
        (tmp_path / f"{name}.obj").symlink_to(folder / f"{name}.obj")
    for broken in ("v one two three\n", "v nan 0 0\n"):
        (tmp_path / "jawOpen.obj").write_text(broken + "v 0 0 0\n" * 26718)
        with pytest.raises(InputError, match=r"jawOpen\.obj"):
            IctFace.from_path(tmp_path)


def test_files_that_are_not_packed_faces_are_refused(tmp_path, arrays):
    text, other, small = tmp_path / "text.npz", tmp_path / "other.npz", tmp_path / "small.npz"
    text.write_text("no archive at all")
    with pytest.raises(InputError, match=r"text\.npz must be a packed ICT-FaceKit"):
        IctFace.from_path(text)
    np.savez(other, mean=arrays["mean"])
    with pytest.raises(InputError, match="without faces, uv"):
        IctFace.from_path(other)
    np.savez(small, **{**arrays, "mean": arrays["mean"][:100]})
    with pytest.raises(InputError, match=r"26719 vertices of ICT-FaceKit, got 100"):
        IctFace.from_path(small)
    np.savez(small, **{**arrays, "expression": arrays["expression"][:, :100]})
    with pytest.raises(InputError, match=r"expression in .* got \(57, 100, 3\)"):
        IctFace.from_path(small)
