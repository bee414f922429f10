"""Live Link Face CSV: read by the csv module, and its times as Unreal's importer counts them."""

import csv
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export import export, read_performance
from meshanim.export.timecodes import seconds_of
from meshanim.faces import ARKIT_NAMES, face_from_mesh, load_face
from meshanim.faces.articulation import ArticulatedMover
from meshanim.faces.lid_clearing import clear_lids
from meshanim.performance import Performance

HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,"
    "EyeSquintLeft,EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,"
    "EyeSquintRight,EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,"
    "MouthRight,MouthLeft,MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,"
    "MouthDimpleRight,MouthStretchLeft,MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,"
    "MouthShrugUpper,MouthPressLeft,MouthPressRight,MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,"
    "MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,"
    "CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,TongueOut,HeadYaw,HeadPitch,HeadRoll,"
    "LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)


def read(path, fps=None, face=None) -> Any:
    """As read_performance, but its tracks are there."""
    return read_performance(path, fps, face)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def unreal_seconds(rows):
    """As LiveLinkFaceImporter of Unreal 5 has it: 60 frames per second where one is above 30, else 30."""
    parts = [[float(part) for part in row["Timecode"].split(":")] for row in rows]
    rate = 60 if any(frame > 30 for *_, frame in parts) else 30
    return np.array([h * 3600 + m * 60 + s + frame / rate for h, m, s, frame in parts])


def take(frames, fps, **tracks):
    """All 52 weights, each with a course of its own, over a triangle."""
    face = load_face("anny")
    weights = torch.rand(frames, len(ARKIT_NAMES), generator=torch.Generator().manual_seed(3))
    basis = torch.einsum("ak,kvc->avc", face.arkit_mapping, face.basis())
    return Performance(face.neutral, fps, None, weights, basis, ARKIT_NAMES, **tracks)


def test_columns_go_by_name(tmp_path):
    performance = take(3, 60.0)
    path = export(performance, tmp_path / "a.csv")
    assert path.read_text().splitlines()[0] == HEADER
    for row, weights in zip(rows_of(path), performance.weights, strict=True):
        assert row["BlendShapeCount"] == "61" and len(row) == 63
        for name, weight in zip(ARKIT_NAMES, weights.tolist(), strict=True):
            assert float(row[name[0].upper() + name[1:]]) == pytest.approx(weight, abs=1e-6)


@pytest.mark.parametrize("fps", [60.0, 30.0, 25.0, 23.976, 29.97, 50.0, 120.0, 12.5])
@pytest.mark.parametrize("frames", [5, 100])
def test_unreal_reads_the_right_times_at_any_rate(tmp_path, fps, frames):
    rows = rows_of(export(take(frames, fps), tmp_path / "a.csv"))
    # A thousandth of a frame at 30.
    assert unreal_seconds(rows) == pytest.approx(np.arange(frames) / fps, abs=2e-5)


def test_head_and_eyes_turn_about_their_own_axes(tmp_path):
    angles = {"Yaw": "Y", "Pitch": "X", "Roll": "Z"}
    head = torch.zeros(4, 6)
    for frame, axis in enumerate(angles.values(), start=1):
        head[frame, "XYZ".index(axis)] = 0.3
    gaze = torch.tensor([0.0, 0, 1]).repeat(4, 2, 1)
    gaze[1, 0] = torch.tensor(Rotation.from_euler("Y", 0.2).apply([0, 0, 1]))
    gaze[2, 1] = torch.tensor(Rotation.from_euler("X", 0.2).apply([0, 0, 2]))
    rows = rows_of(export(take(4, 30.0, head_motion=head, gaze=gaze), tmp_path / "a.csv"))
    for frame, name in enumerate(angles, start=1):
        for other in angles:
            assert float(rows[frame][f"Head{other}"]) == pytest.approx(0.3 * (other == name), abs=1e-6)
    assert float(rows[1]["LeftEyeYaw"]) == pytest.approx(0.2, abs=1e-6) and float(rows[1]["RightEyeYaw"]) == 0
    assert float(rows[2]["RightEyePitch"]) == pytest.approx(0.2, abs=1e-6)
    assert all(float(row["LeftEyeRoll"]) == 0 for row in rows)


def test_turns_are_applied_yaw_first(tmp_path):
    turn = Rotation.from_euler("YXZ", [0.5, -0.3, 0.2])
    head = torch.cat([torch.tensor(turn.as_rotvec()).float(), torch.zeros(3)])[None]
    (row,) = rows_of(export(take(1, 30.0, head_motion=head), tmp_path / "a.csv"))
    assert [float(row[f"Head{name}"]) for name in ("Yaw", "Pitch", "Roll")] == pytest.approx([0.5, -0.3, 0.2])


@pytest.mark.parametrize("fps", [60.0, 25.0, 24 / 1.001])
def test_curves_come_back_over_a_face(tmp_path, fps):
    head = 0.2 * torch.randn(40, 6, generator=torch.Generator().manual_seed(5))
    gaze = torch.nn.functional.normalize(torch.tensor([0.1, -0.2, 1.0]), dim=0).repeat(40, 2, 1)
    performance = take(40, fps, head_motion=head, gaze=gaze)
    back = read(export(performance, tmp_path / "a.csv"), face=load_face("anny"))
    assert back.fps == pytest.approx(fps, rel=1e-9) and back.weight_names == ARKIT_NAMES
    # Timecodes and weights have their decimals.
    assert torch.allclose(back.weights, performance.weights, atol=2e-3)
    assert torch.allclose(back.head_motion[:, :3], head[:, :3], atol=1e-3)
    assert torch.allclose(back.gaze, gaze, atol=1e-4)
    assert (back.head_motion[:, 3:] == 0).all()


@pytest.fixture(scope="module")
def spoken():
    """As speak makes it: eyes blink, look and the jaw opens along arcs."""
    face, mapping = load_face("anny"), load_face("anny").arkit_mapping
    weights = torch.zeros(9, len(ARKIT_NAMES))
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "jawOpen"):
        weights[:, ARKIT_NAMES.index(name)] = torch.linspace(0, 1, 9)
    weights[:, ARKIT_NAMES.index("jawOpen")] = torch.linspace(1, 0, 9) ** 2
    basis = torch.einsum("ak,kvc->avc", mapping, face.basis())
    mover = ArticulatedMover(face, mapping=mapping)
    return Performance(face.neutral, 60.0, None, weights, basis, ARKIT_NAMES, None, mover, "anny")


def test_the_built_in_head_moves_by_curves_as_it_speaks(spoken, tmp_path):
    back = read(export(spoken, tmp_path / "a.csv"), face=load_face("anny"))
    straight = 1000 * (spoken.vertices() - spoken.straight()).norm(dim=2).max()
    assert straight > 3
    # half a millionth of a weight, some of them at once, moves nothing further than float32 tells
    assert 1000 * (back.vertices() - spoken.vertices()).norm(dim=2).max() < 1e-4
    files = [tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "a.glb", tmp_path / "b.glb"]
    for path, performance in zip(files, (spoken, back, spoken, back), strict=True):
        found = read(export(performance, path))
        # components that share the work of joints leave less than a tenth of a millimetre
        off = 0.1 if path.suffix == ".glb" else 1e-4
        assert 1000 * (found.vertices() - spoken.vertices()).norm(dim=2).max() < off


def test_curves_keep_lids_in_front_of_the_eyes(tmp_path):
    frown = take(2, 30.0)
    names = ("browDownLeft", "browDownRight", "noseSneerLeft", "noseSneerRight")
    weights = torch.tensor([[float(name in names) for name in ARKIT_NAMES]] * 2)
    back = read(export(replace(frown, weights=weights), tmp_path / "a.csv"), face=load_face("anny"))
    # float32 rounds positions of 0.1 m to a hundred-millionth
    torch.testing.assert_close(clear_lids(back.neutral, back.vertices()), back.vertices(), rtol=0, atol=1e-7)


def test_curves_are_the_same_text_after_a_way_through_npz(spoken, tmp_path):
    first = export(spoken, tmp_path / "a.csv")
    assert "-0.000000" not in first.read_text()
    kept = read(export(read(first, face=load_face("anny")), tmp_path / "b.npz"))
    assert export(kept, tmp_path / "c.csv").read_text() == first.read_text()


def test_a_face_of_a_mesh_moves_by_curves_along_the_same_arcs(spoken, tmp_path):
    face = face_from_mesh(load_face("anny").neutral, load_face("anny"))
    back = read(export(spoken, tmp_path / "a.csv"), face=face)
    assert 1000 * (back.vertices() - spoken.vertices()).norm(dim=2).max() < 0.01


def test_a_recording_with_dropped_frames_is_made_steady(tmp_path):
    path = export(take(40, 60.0), tmp_path / "a.csv")
    lines = path.read_text().splitlines()
    lines[11] = ",".join([lines[11].split(",")[0], "0"])
    path.write_text("\n".join(line for index, line in enumerate(lines) if index not in (20, 21)) + "\n")
    back = read(path, face=load_face("anny"))
    assert back.frame_count == 40 and back.fps == 60
    assert torch.allclose(back.weights[10], back.weights[9], atol=1e-6)
    middle = back.weights[18] + (back.weights[21] - back.weights[18]) / 3
    assert torch.allclose(back.weights[19], middle, atol=1e-4)


def test_a_recording_may_begin_before_a_face_is_seen(tmp_path):
    path = export(take(10, 60.0), tmp_path / "a.csv")
    lines = path.read_text().splitlines()
    lines[1:4] = [f"{line.split(',')[0]},0" for line in lines[1:4]]
    path.write_text("\n".join(lines) + "\n")
    back = read(path, face=load_face("anny"))
    assert back.frame_count == 10
    assert torch.allclose(back.weights[:4], take(10, 60.0).weights[3], atol=2e-3)
    path.write_text("\n".join(lines[:4]) + "\n")
    with pytest.raises(InputError, match="no frame with a face"):
        read(path, face=load_face("anny"))


def test_a_recording_may_go_over_midnight(tmp_path):
    path = export(take(40, 30.0), tmp_path / "a.csv")
    before = path.read_text().replace("\n00:00:00:", "\n23:59:59:").replace("\n00:00:01:", "\n00:00:00:")
    path.write_text(before)
    back = read(path, face=load_face("anny"))
    assert back.frame_count == 40 and back.fps == 30
    assert torch.allclose(back.weights, take(40, 30.0).weights, atol=2e-3)


def recorded(path, count, counted, per_second, mark=":"):
    """A file of the app: timecodes that count ``counted`` frames a second, from just before a minute on."""
    lines = export(take(count, 30.0), path).read_text().splitlines()
    rows = [line.partition(",")[2] for line in lines[1:]]
    for index in range(count):
        number = Fraction(index * counted, per_second)
        if mark == ";":
            # The first minute ends after two seconds; two numbers of 30, or four of 60, are left out there.
            number += counted // 15 if number >= 2 * counted else 0
        seconds, frame = divmod(number, counted)
        clock = f"00:{58 + (58 + seconds) // 60:02d}:{(58 + seconds) % 60:02d}"
        rows[index] = f"{clock}{mark}{int(frame):02d}.{round(frame % 1 * 1000):03d},{rows[index]}"
    path.write_text("\n".join([lines[0], *rows]) + "\n")
    return path


@pytest.mark.parametrize("counted", [24, 25, 30, 60])
@pytest.mark.parametrize("share", [1, 2, 3])
def test_takes_of_the_app_are_even_whatever_their_timecodes_count(tmp_path, counted, share):
    """Every frame, every second and every third one have a row; the weights say which."""
    fps = Fraction(counted, share)
    count = 4 * counted // share
    back = read(recorded(tmp_path / "a.csv", count, counted, fps), face=load_face("anny"))
    assert back.fps == pytest.approx(float(fps), rel=1e-6) and back.frame_count == count
    assert torch.allclose(back.weights, take(count, 30.0).weights, atol=1e-4)


@pytest.mark.parametrize("counted", [30, 60])
def test_drop_frame_timecodes_count_the_seconds_of_the_clock(tmp_path, counted):
    back = read(recorded(tmp_path / "a.csv", 4 * counted, counted, counted, ";"), face=load_face("anny"))
    assert back.fps == pytest.approx(counted / 1.001, rel=1e-9) and back.frame_count == 4 * counted
    assert torch.allclose(back.weights, take(4 * counted, 30.0).weights, atol=1e-4)


@pytest.mark.parametrize(("minute", "left_out"), [(1, 2), (9, 2), (10, 0), (19, 2), (20, 0)])
def test_drop_frame_timecodes_leave_nothing_out_at_every_tenth_minute(minute, left_out):
    before = [f"00:{minute - 1:02d}:59;{frame:02d}" for frame in (28, 29)]
    after = [f"00:{minute:02d}:00;{left_out + frame:02d}" for frame in (0, 1)]
    assert np.diff(seconds_of([*before, *after])) == pytest.approx(1001 / 30_000)


@pytest.mark.parametrize("fps", [1.0, 5.0, 12.5, 24.0, 31.0, 50.0])
def test_our_own_timecodes_are_read_as_they_were_written(tmp_path, fps):
    performance = take(int(4 * fps) + 1, fps)
    back = read(export(performance, tmp_path / "a.csv"), face=load_face("anny"))
    assert back.fps == pytest.approx(fps, rel=1e-9) and back.frame_count == performance.frame_count


def test_of_rows_with_one_timecode_the_first_counts(tmp_path):
    path = export(take(40, 30.0), tmp_path / "a.csv")
    lines = path.read_text().splitlines()
    again = ",".join([lines[7].split(",")[0], *lines[20].split(",")[1:]])
    path.write_text("\n".join([*lines[:8], again, *lines[8:]]) + "\n")
    back = read(path, face=load_face("anny"))
    assert back.fps == 30 and torch.allclose(back.weights, take(40, 30.0).weights, atol=1e-4)
    path.write_text("\n".join([lines[0], lines[1], lines[1]]) + "\n")
    with pytest.raises(InputError, match="timecodes must follow one another"):
        read(path, face=load_face("anny"))


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_a_spreadsheet_saves_is_read(tmp_path, mark, encoding):
    """Decimal commas, other marks between cells, and empty cells where a row had no face."""
    path = export(take(40, 30.0), tmp_path / "a.csv")
    rows = [line.split(",") for line in path.read_text().splitlines()]
    rows[11][1:] = ["0", *[""] * 61]
    text = "\r\n".join(mark.join(cell.replace(".", ",") for cell in row) for row in rows)
    path.write_text(text + "\r\n", encoding=encoding)
    back = read(path, face=load_face("anny"))
    assert back.fps == 30 and back.frame_count == 40
    assert torch.allclose(back.weights[:10], take(40, 30.0).weights[:10], atol=1e-4)
    assert torch.equal(back.weights[10], back.weights[9])


def test_sides_of_a_shape_are_written_as_their_mean(tmp_path):
    moved, sides = take(2, 60.0), ("browInnerUpLeft", "browInnerUpRight", "cheekPuffLeft")
    weights = torch.tensor([[0.0, 0.0, 0.0], [0.2, 0.6, 0.5]])
    divided = replace(moved, weights=weights, basis=moved.basis[:3], weight_names=sides)
    last = rows_of(export(divided, tmp_path / "a.csv"))[-1]
    assert float(last["BrowInnerUp"]) == pytest.approx(0.4) and float(last["CheekPuff"]) == pytest.approx(
        0.25
    )


def test_a_performance_without_arkit_names_is_sent_to_the_solver(moving, weighted, tmp_path):
    named = replace(weighted, weight_names=("a", "b", "c", "d"))
    for performance in (moving, named):
        with pytest.raises(
            InputError, match=r"solve for them first: meshanim solve, or meshanim\.faces\.solve_performance"
        ):
            export(performance, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("Timecode", "Time", "does not begin with Timecode,BlendShapeCount"),
        ("00:00:00:00.000", "now", "timecodes must read like"),
        ("00:00:00:01.000", "00:00:00:03.000", "timecodes must follow one another"),
        (",61,", ",61,nan,", "line 2 must have 63 cells, got 64"),
        (",0.000000,", ",x,", "damaged"),
        (",0.000000,", ",nan,", "not finite"),
    ],
)
def test_bad_files_are_named(tmp_path, old, new, wrong):
    path = export(take(3, 30.0), tmp_path / "a.csv")
    path.write_text(path.read_text().replace(old, new, 1))
    for fps in (None, 30.0):
        with pytest.raises(InputError, match=wrong):
            read(path, fps, face=load_face("anny"))


def test_curves_need_a_face(tmp_path):
    with pytest.raises(InputError, match="give the face model they move"):
        read(export(take(3, 30.0), tmp_path / "a.csv"))
