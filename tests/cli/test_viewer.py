"""``meshanim view`` and ``meshanim studio``: where the page is, how it ends, and what does not fit."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import torch
import trimesh

from meshanim.export import export
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.viewer import Player

from .commands import call, one_sentence

pytest.importorskip("viser", reason="the extra viewer is not installed")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    trimesh.creation.box().export(tmp_path / "box.obj")
    return tmp_path / "box.obj"


def test_the_page_is_there_until_an_interrupt_ends_it(box: Path) -> None:
    # A shell that started the tests in the background made all below deaf to interrupts.
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = f"{hearing}; from meshanim.cli.main import run; run(['view', {str(box)!r}, '--port', '0'])"
    running = subprocess.Popen(
        [sys.executable, "-u", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        address = running.stdout.readline().split()[0]
        with urllib.request.urlopen(address, timeout=30) as page:
            assert b"<html" in page.read()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, out, err) == (0, "", "")


def test_beyond_loopback_there_is_a_warning(
    box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Player, "run", lambda self: None)
    assert call("view", box, "--port", "0", "--host", "0.0.0.0") == 0
    assert "over the network" in capsys.readouterr().err
    assert call("view", box, "--port", "0") == 0
    assert capsys.readouterr().err == ""


def test_a_second_file_of_another_mesh_is_one_sentence(
    box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trimesh.creation.icosphere(1).export(tmp_path / "ball.obj")
    assert call("view", box, "--against", tmp_path / "ball.obj", "--port", "0") == 2
    assert "must have 8 vertices, got 42" in capsys.readouterr().err


def test_nothing_is_said_of_the_lengths_of_files_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Player, "run", lambda self: None)
    for name, count, frames in (("long", 8, 50), ("short", 8, 25), ("other", 7, 25)):
        mesh = Mesh(torch.rand(count, 3), torch.tensor([[0, 1, 2]]))
        motion = mesh.vertices.expand(frames, -1, -1)
        export(Performance(mesh, 25.0, motion=motion), tmp_path / f"{name}.npz")
    assert call("view", tmp_path / "long.npz", "--against", tmp_path / "other.npz", "--port", "0") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "must have 8 vertices, got 7" in line
    assert call("view", tmp_path / "long.npz", "--against", tmp_path / "short.npz", "--port", "0") == 0
    assert "its last frame is held to 2.00 s" in capsys.readouterr().err


def test_the_studio_takes_a_folder_that_is_yet_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Player, "run", lambda self: None)
    assert call("studio", "--folder", tmp_path / "out", "--port", "0") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["view", "nowhere.npz"], "nowhere.npz"),
        (["studio", "--folder", __file__], f"--folder must be a folder, but {__file__} is a file"),
        (["studio", "--face", "nobody", "--port", "0"], "nobody"),
        (["studio", "--host", "192.0.2.1"], "cannot listen at 192.0.2.1"),
        (["studio", "--port", "70000"], "port must be at least 0 and at most 65535"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    assert said in one_sentence(capsys)


def test_without_the_extra_one_sentence_names_it(
    box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    for command in (["view", box], ["studio"]):
        assert call(*command) == 2
        assert "pip install 'meshanim[viewer]'" in capsys.readouterr().err
