"""Readers of published corpora, on small folders made in their layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from meshanim._check import InputError
from meshanim.datasets import read_4dfab, read_biwi, read_coma, read_vocaset
from meshanim.datasets.published import VOCASET_SPLIT

CORNERS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
FACES = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]


def write_frames(folder: Path, stem: str, count: int, suffix: str = ".ply", scale: float = 1.0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(1, count + 1):
        mesh = trimesh.Trimesh((CORNERS * frame * scale).numpy(), FACES, process=False)
        mesh.export(folder / f"{stem}.{frame:06d}{suffix}")


def test_coma_is_read_by_subject_and_expression(tmp_path: Path) -> None:
    write_frames(tmp_path / "FaceTalk_170725_00137_TA" / "bareteeth", "bareteeth", 7)
    write_frames(tmp_path / "FaceTalk_170725_00137_TA" / "cheeks_in", "cheeks_in", 2)
    recordings = list(read_coma(tmp_path))
    assert [(r.subject, r.name, len(r.frames)) for r in recordings] == [
        ("FaceTalk_170725_00137_TA", "bareteeth", 7),
        ("FaceTalk_170725_00137_TA", "cheeks_in", 2),
    ]
    performance = recordings[0].performance(step=5)
    assert performance.fps == 12.0
    torch.testing.assert_close(performance.vertices()[1], CORNERS * 6)


def test_vocaset_with_template_and_sound(tmp_path: Path) -> None:
    write_frames(tmp_path / "unposedcleaneddata" / "FaceTalk_A_TA" / "sentence01", "sentence01", 3)
    (tmp_path / "templates").mkdir()
    trimesh.Trimesh((CORNERS * 9).numpy(), FACES, process=False).export(
        tmp_path / "templates" / "FaceTalk_A_TA.ply"
    )
    sound = tmp_path / "audio" / "FaceTalk_A_TA" / "sentence01.wav"
    sound.parent.mkdir(parents=True)
    sound.touch()
    (recording,) = read_vocaset(tmp_path)
    assert recording.sound == sound
    torch.testing.assert_close(recording.performance().neutral.vertices, CORNERS * 9)


def test_4dfab_in_millimetres(tmp_path: Path) -> None:
    write_frames(tmp_path / "001" / "happy", "frame", 2, suffix=".obj", scale=1000)
    (recording,) = read_4dfab(tmp_path)
    torch.testing.assert_close(recording.performance().vertices()[1], CORNERS * 2)


def test_a_frame_of_another_topology_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "subject" / "happy"
    write_frames(folder, "a", 2)
    trimesh.Trimesh(CORNERS.numpy(), FACES[:3], process=False).export(folder / "a.000002.ply")
    (recording,) = read_coma(tmp_path)
    with pytest.raises(InputError, match=r"a\.000002\.ply must have the template's 4 vertices"):
        recording.performance()


def test_a_missing_frame_is_named(tmp_path: Path) -> None:
    write_frames(tmp_path / "subject" / "happy", "a", 7)
    for frame in (2, 4, 6):
        (tmp_path / "subject" / "happy" / f"a.{frame:06d}.ply").unlink()
    (recording,) = read_coma(tmp_path)
    assert recording.performance().frame_count == 4
    (tmp_path / "subject" / "happy" / "a.000003.ply").unlink()
    (recording,) = read_coma(tmp_path)
    with pytest.raises(InputError, match=r"numbered in equal steps, got a gap after a\.000001\.ply"):
        recording.performance()


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for frame in (8, 9, 10, 11):
        write_mesh(tmp_path / "001" / "happy" / f"{frame}.obj", 1000 * frame)
    (recording,) = read_4dfab(tmp_path)
    assert recording.performance().vertices()[:, 1, 0].tolist() == pytest.approx([8, 9, 10, 11])


def test_what_macos_leaves_beside_files_is_passed_over(tmp_path: Path, arrays: Path) -> None:
    write_frames(tmp_path / "subject" / "happy", "a", 3)
    for file in [*(tmp_path / "subject" / "happy").iterdir(), *(arrays / "vertices_npy").iterdir()]:
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    assert next(read_coma(tmp_path)).performance().frame_count == 3
    assert len(list(read_vocaset(arrays))) == 6


@pytest.mark.parametrize("step", [0, -1, 1.5, "2"])
def test_a_step_is_a_whole_number_of_frames(step, tmp_path: Path) -> None:
    write_frames(tmp_path / "subject" / "happy", "a", 3)
    (recording,) = read_coma(tmp_path)
    with pytest.raises(InputError, match=f"step must be a whole number, at least 1, got {step!r}"):
        recording.performance(step)


def write_array(path: Path, count: int = 4) -> np.ndarray:
    """Frames (T, 3 V) that grow, as the arrays of VOCASET and BIWI are laid out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.stack([CORNERS.numpy().reshape(-1) * (frame + 1) for frame in range(count)])
    np.save(path, frames)
    return frames


def write_mesh(path: Path, size: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.Trimesh((CORNERS * size).numpy(), FACES, process=False).export(path)


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    """VOCASET as it is laid out since FaceFormer, one subject of each part of the split."""
    for part in VOCASET_SPLIT:
        for sentence in ("sentence07", "sentence33"):
            write_array(tmp_path / "vertices_npy" / f"{VOCASET_SPLIT[part][0]}_{sentence}.npy")
    write_mesh(tmp_path / "templates" / "FLAME_sample.ply")
    return tmp_path


def test_vocaset_as_arrays_with_vocas_split(arrays: Path) -> None:
    recordings = list(read_vocaset(arrays))
    assert {(r.subject, r.name): r.split for r in recordings} == {
        (VOCASET_SPLIT[part][0], sentence): part if part == "train" or sentence == "sentence33" else None
        for part in VOCASET_SPLIT
        for sentence in ("sentence07", "sentence33")
    }
    assert [len(subjects) for subjects in VOCASET_SPLIT.values()] == [8, 2, 2]
    performance = recordings[0].performance(step=2)
    assert performance.fps == 30 and performance.neutral.faces.tolist() == FACES
    torch.testing.assert_close(performance.vertices(), torch.stack([CORNERS, CORNERS * 3]))
    torch.testing.assert_close(performance.neutral.vertices, CORNERS)


def test_vocaset_arrays_with_template_and_sound(arrays: Path) -> None:
    subject = VOCASET_SPLIT["train"][0]
    write_mesh(arrays / "templates" / f"{subject}.ply", 9)
    (arrays / "wav").mkdir()
    (arrays / "wav" / f"{subject}_sentence07.wav").touch()
    recording = next(r for r in read_vocaset(arrays) if (r.subject, r.name) == (subject, "sentence07"))
    assert recording.sound == arrays / "wav" / f"{subject}_sentence07.wav"
    torch.testing.assert_close(recording.performance().neutral.vertices, CORNERS * 9)


def test_biwi_gets_its_size_from_the_scan(tmp_path: Path) -> None:
    """Frames as the arrays in use were made: turned half round X, centred, over the root of the area."""
    size, flip = 150.0, torch.tensor([1.0, -1.0, -1.0])
    write_mesh(tmp_path / "rigid_scans" / "F2.obj", size)
    scan = trimesh.load_mesh(tmp_path / "rigid_scans" / "F2.obj", process=False)
    upright = (CORNERS - CORNERS.mean(dim=0)) * flip * size
    (tmp_path / "vertices_npy").mkdir()
    made = (upright / scan.area**0.5).reshape(1, -1).numpy()
    for name in ("e01", "e33", "e37", "e40", "07"):
        np.save(tmp_path / "vertices_npy" / f"F2_{name}.npy", made)
    recordings = list(read_biwi(tmp_path))
    found = {r.name: (r.subject, r.fps, r.split) for r in recordings}
    parts = {"e01": "train", "e33": "validation", "e37": "test-a", "e40": "test-a", "07": None}
    assert found == {name: ("F2", 25.0, part) for name, part in parts.items()}
    performance = recordings[0].performance()
    torch.testing.assert_close(performance.vertices()[0], upright * 1e-3)
    torch.testing.assert_close(performance.neutral.vertices, upright * 1e-3)


def test_biwi_subjects_that_nothing_was_trained_on(tmp_path: Path) -> None:
    write_mesh(tmp_path / "rigid_scans" / "M1.obj", 150)
    for name in ("e36", "e37"):
        write_array(tmp_path / "vertices_npy" / f"M1_{name}.npy")
    assert [r.split for r in read_biwi(tmp_path)] == [None, "test-b"]


def test_biwi_scans_must_be_there_and_in_millimetres(tmp_path: Path) -> None:
    write_array(tmp_path / "vertices_npy" / "M1_e37.npy")
    with pytest.raises(InputError, match=r"rigid_scans has no M1\.obj"):
        read_biwi(tmp_path)
    write_mesh(tmp_path / "rigid_scans" / "M1.obj", 0.15)
    (recording,) = read_biwi(tmp_path)
    with pytest.raises(InputError, match=r"M1\.obj must be a face in millimetres"):
        recording.performance()


def test_arrays_that_do_not_fit_are_named(arrays: Path) -> None:
    recording = next(read_vocaset(arrays))
    (path,) = recording.frames
    for content, said in (
        (np.zeros((3, 15)), r"must have shape \(any, 12\), got \(3, 15\)"),
        (np.full((3, 12), np.nan), r"must be finite"),
        (np.full((3, 12), "a"), r"must hold numbers, got <U1"),
        (np.array([{"a": 1}], dtype=object), "must be an array of positions"),
    ):
        np.save(path, content, allow_pickle=True)
        with pytest.raises(InputError, match=rf"{path.name} {said}"):
            recording.performance()
    path.write_bytes(b"noise")
    with pytest.raises(InputError, match="cannot be read as one"):
        recording.performance()
    (arrays / "templates" / "FLAME_sample.ply").unlink()
    with pytest.raises(InputError, match="no mesh was found in templates"):
        read_vocaset(arrays)


@pytest.mark.parametrize("reader", [read_coma, read_vocaset, read_biwi, read_4dfab])
def test_a_folder_without_recordings_is_named(reader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no (mesh files|arrays) were found"):
        reader(tmp_path)
    with pytest.raises(InputError, match="there is no such folder"):
        reader(tmp_path / "missing")
