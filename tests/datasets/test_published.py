"""Readers of published corpora, on small folders made in their layout."""

from pathlib import Path

import pytest
import torch
import trimesh

from meshanim._check import InputError
from meshanim.datasets import read_4dfab, read_coma, read_vocaset

CORNERS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
FACES = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]


def write_frames(folder: Path, stem: str, count: int, suffix: str = ".ply", scale: float = 1.0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(1, count + 1):
        mesh = trimesh.Trimesh((CORNERS * frame * scale).numpy(), FACES, process=False)
        mesh.export(folder / f"{stem}.{frame:06d}{suffix}")


def test_coma(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("reader", [read_coma, read_vocaset, read_4dfab])
def test_a_folder_without_recordings_is_named(reader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mesh files were found"):
        list(reader(tmp_path))
    with pytest.raises(InputError, match="there is no such folder"):
        list(reader(tmp_path / "missing"))
