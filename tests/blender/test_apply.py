"""ARKit weights on any mesh that names its shapes so; wrong files and selections in one sentence."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

SWAP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From Y up to Blender's axes."""


def turned(angles):
    """(3, 3) rotation in Blender of yaw about Y, pitch about X, roll about Z, the roll first."""
    return SWAP @ Rotation.from_euler("YXZ", angles).as_matrix() @ SWAP.T


def test_weights_reach_the_keys_of_their_name(blender, take):
    for found, row in zip(blender.facts["applied"]["values"], (0, 75, 149), strict=True):
        assert found["jawOpen"] == pytest.approx(take["JawOpen"][row], abs=1e-6)
        assert found["MouthSmileLeft"] == pytest.approx(take["MouthSmileLeft"][row], abs=1e-6)
        assert found["ARKit_browDownLeft"] == pytest.approx(take["BrowDownLeft"][row], abs=1e-6)
        assert found["eyeBlink_L"] == pytest.approx(take["EyeBlinkLeft"][row], abs=1e-6)
        assert found["smirk"] == found["tongueOut.001"] == 0
    assert blender.facts["applied"]["second"]["jaw Open"] == pytest.approx(1)


def test_names_that_met_and_that_did_not_are_told(blender):
    first, second = blender.facts["applied"]["plans"]
    assert first["matched"] == {
        "eyeBlinkLeft": "eyeBlink_L",
        "browDownLeft": "ARKit_browDownLeft",
        "mouthSmileLeft": "MouthSmileLeft",
        "jawOpen": "jawOpen",
    }
    assert len(first["without_key"]) == 48
    assert "tongueOut" in first["without_key"]
    assert first["without_weight"] == ["smirk", "tongueOut.001"]
    assert (second["matched"], second["driven"]) == ({"jawOpen": "jaw Open"}, ["eyeBlinkLeft"])
    words = blender.facts["applied"]["words"]
    assert words[0].startswith("First: 4 weights applied; no shape key for eyeBlinkRight, ")
    assert words[0].endswith("; no weight for smirk, tongueOut.001")
    assert words[1].endswith("; moved by drivers and left alone: eyeBlinkLeft")


def test_the_timecodes_set_the_clock_past_midnight(blender):
    assert blender.facts["applied"]["fps"] == 60
    assert blender.facts["applied"]["range"] == [10, 159]


def test_head_and_eye_turn_a_bone_and_an_object(blender, take):
    head = turned([take[f"Head{angle}"][-1] for angle in ("Yaw", "Pitch", "Roll")])
    assert np.abs(blender.arrays["head_turn"] - head).max() < 1e-5
    eye = turned([take["LeftEyeYaw"][-1], 0, 0]) @ blender.arrays["eye_before"]
    assert np.abs(blender.arrays["eye_after"] - eye).max() < 1e-5


def test_an_npz_replaces_an_earlier_take_and_fits_the_rate_of_the_scene(blender):
    again = blender.facts["again"]
    # The four of the take; three of them now hold the twelve frames of the NPZ.
    assert again["curves"] == 4
    assert again["places"] == pytest.approx(1 + np.arange(12) * 60 / 29.97, abs=1e-4)
    assert again["fps"] == 60
    assert again["range"] == [1, 150]
    assert again["sliders"][2] == pytest.approx([0, 1.6])
    assert again["sliders"][3] == pytest.approx([-0.5, 1])


def test_gaze_turns_an_eye_towards_it(blender, performances):
    gaze = performances["keyed"].gaze[0, 0].numpy()
    assert blender.arrays["gaze_turn"] @ SWAP @ [0, 0, 1] == pytest.approx(SWAP @ gaze, abs=1e-5)


def test_what_cannot_be_turned_or_moved_is_said_before_anything_is_written(blender):
    told = blender.facts["out_of_reach"]
    assert "Rig has no bone gone to turn" in told["bone gone"]
    assert "the shape keys of Absolute are absolute, and follow no weights" in told["absolute"]
    assert blender.facts["unmoved"] == [True, True]


def test_an_object_without_bones_turns_though_a_bone_was_named_before(blender):
    assert blender.facts["out_of_reach"]["bone of an object before"] == ""
    assert set(blender.facts["turned_instead"]) == {"delta_rotation_quaternion"}


def test_a_linked_mesh_is_refused_and_an_overridden_one_moves_beside_its_namesake(blender):
    refused, done = blender.facts["linked"]["told"]
    assert "the mesh of Face is linked from library.blend, where no curve can be kept" in refused
    assert blender.facts["linked"]["untouched"] == [True, True]
    assert (done, blender.facts["linked"]["moved"]) == ("", [True, True])


def test_muted_keys_and_bones_that_are_not_there_are_told(blender):
    words = blender.facts["unseen"]
    assert "; muted, and not seen: mouthFunnel; " in words
    assert words.endswith("; turned along: eye_left, eye_right; no bone to turn along: jaw")


@pytest.mark.parametrize("file", ["retake.csv", "retake.npz"])
def test_a_face_with_bones_opens_its_mouth_as_far(blender, performances, file):
    retake = performances["retake"]
    wanted = retake.pose(retake.vertices()).numpy()[[0, 5, 11]] @ SWAP.T
    found = blender.arrays[file][:, : wanted.shape[1]]
    # Jaw and eyes turn; what shape keys do on straight lines in between is off the arcs by parts of a mm.
    assert np.linalg.norm(found - wanted, axis=2).max() < 1e-3
    assert {turned.split('"')[1] for turned in blender.facts["bones"]} == {"jaw", "eye_left", "eye_right"}


def test_what_a_face_has_of_its_old_performance_alone_rests(blender):
    (plan,) = blender.facts["retaken"]["plans"]
    assert len(plan["matched"]) == 52 and plan["without_weight"] == []
    assert plan["stilled"] and all(name.startswith("component_") for name in plan["stilled"])
    assert {blender.facts["retaken"]["values"][name] for name in plan["stilled"]} == {0.0}
    assert blender.facts["retaken"]["words"].endswith("turned along: jaw, eye_left, eye_right")


@pytest.mark.parametrize(
    ("take_name", "fps", "places"),
    [
        # As Unreal reads them: 39 rows of which none is above frame 38 of a second are counted by 60.
        ("brief.csv", 60, range(1, 40)),
        ("brief.csv 59.94", 59.94, range(1, 40)),
        ("film.csv", 24 / 1.001, range(1, 151)),
        ("cinema.csv", 24, range(1, 151)),
        ("twice.csv", 60, range(1, 151)),
        ("gaps.csv", 60, [*range(1, 30), *range(40, 151)]),
        ("late.csv", 60, range(1, 151)),
    ],
)
def test_rows_come_on_the_frames_that_their_timecodes_say(blender, take_name, fps, places):
    clock = blender.facts["clocks"][take_name]
    assert clock["fps"] == pytest.approx(fps, rel=1e-6)
    assert clock["places"] == list(places)


def test_a_row_without_a_face_keeps_the_values_before_it(blender, take):
    values = dict(
        zip(*(blender.facts["clocks"]["gaps.csv"][key] for key in ("places", "values")), strict=True)
    )
    for frame, row in ((59, 58), (60, 58), (62, 58), (63, 62)):
        assert values[frame] == pytest.approx(take["JawOpen"][row], abs=1e-6), frame


def test_the_first_face_holds_for_the_rows_before_it(blender, take):
    values = blender.facts["clocks"]["late.csv"]["values"]
    assert values[:5] == pytest.approx(take["JawOpen"][[3, 3, 3, 3, 4]], abs=1e-6)


def test_thousands_of_frames_take_seconds(blender):
    assert blender.facts["long"]["points"] == 52 * 5000
    assert blender.facts["long"]["seconds"] < 20


TOLD = {
    "gone.npz": "gone.npz is not there",
    "gone.glb": "gone.glb is not there",
    "take.csv": "take.csv is neither an NPZ nor a GLB",
    "noise.npz": "noise.npz cannot be read as an NPZ of plain arrays, or is damaged",
    "noise.glb": "noise.glb cannot be read as a GLB, or is damaged",
    "foreign.glb": "foreign.glb is not a performance of meshanim; use Blender's own glTF import",
    "broken.glb": "broken.glb was refused by Blender's glTF importer: IndexError: list index out of range",
    "late_break.glb": "late_break.glb was refused by Blender's glTF importer: ",
    "rate.glb": "rate.glb cannot be read as a GLB, or is damaged",
    "meshes.glb": "meshes.glb cannot be read as a GLB, or is damaged",
    "list.glb": "list.glb is not a performance of meshanim; use Blender's own glTF import",
    "no_faces.npz": "no_faces.npz is not a performance of meshanim: it has no faces",
    "outside.npz": "outside.npz is damaged: the array faces holds what cannot be",
    "short.npz": "short.npz is damaged: the array vertices does not fit the others",
    "later.npz": "later.npz is from a later meshanim",
    "inches.npz": "inches.npz must be in m with Y up, and is in in with Y up",
    "pickled.npz": "pickled.npz cannot be read as an NPZ of plain arrays, or is damaged",
    "nan.npz": "nan.npz has vertices that are not finite",
    "keys wanted": "twisted.npz moves vertices and has no named weights",
    "large keys": "large.npz has weights beyond 10, which shape keys cannot have; import it as a Mesh Cache",
    "no folder": "nowhere cannot be written to; choose another Cache Folder",
    "nothing selected": "Select a mesh with shape keys",
    "noise.csv": "noise.csv is not a text of comma-separated values",
    "empty.csv": "empty.csv is not a Live Link Face CSV",
    "columns.csv": "columns.csv is not a Live Link Face CSV",
    "faceless.csv": "faceless.csv has no frame with a face",
    "torn.csv": "torn.csv must have 63 finite values in row 151",
    "words.csv": "words.csv holds something that is not a number",
    "apply large.npz": "the weight jawOpen goes beyond 10, which shape keys cannot have",
    "apply backwards.csv": "a timecode that does not follow the one before it in row 152",
    "apply gone.csv": "gone.csv is not there",
    "apply twisted.npz": "twisted.npz moves vertices and has no named weights to apply",
    "apply keyed.glb": "keyed.glb is neither a Live Link Face CSV nor an NPZ of meshanim",
    "apply take.csv": "no shape key of Wrong has the name of a weight, such as eyeBlinkLeft",
}


@pytest.mark.parametrize("case", TOLD)
def test_what_cannot_be_done_is_said_in_one_sentence(blender, case):
    told = blender.facts["told"][case].strip()
    assert TOLD[case] in told
    assert "Traceback" not in told
    assert "\n" not in told


def test_every_refusal_is_judged(blender):
    assert blender.facts["told"].keys() == TOLD.keys()


def test_a_refusal_leaves_nothing_behind(blender):
    assert blender.facts["left"] == [0, 0, 0]
    assert blender.facts["rate_left"] == 31
    assert blender.facts["untouched"]


def test_a_damaged_array_is_refused_in_one_sentence_or_not_needed(blender):
    damaged = blender.facts["damaged"]
    assert len(damaged) == 4 * 19
    for case, told in damaged.items():
        assert "Traceback" not in told, case
        assert "\n" not in told.strip(), case
    for key in ("vertices", "neutral", "faces", "fps", "basis", "group_sizes", "sample_rate"):
        assert all(damaged[f"{key} {damage}"] for damage in ("missing", "text", "deeper")), key
