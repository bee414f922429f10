"""The command line: what it makes, and one sentence and exit code 2 for whatever does not fit."""

import errno
import os
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from meshanim.cli import doctor
from meshanim.cli.options import WRITTEN, frame_rate
from meshanim.cli.progress import Steps
from meshanim.export import FORMATS, read_performance
from meshanim.faces import load_face

from .commands import call, one_sentence

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
SHORT = ["--duration", "0.4", "--fps", "10"]


def write_obj(path: Path, vertices: np.ndarray = CORNERS, faces: np.ndarray = FACES) -> Path:
    rows = [f"v {x} {y} {z}" for x, y, z in vertices] + [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_help_waits_for_no_library() -> None:
    script = "import sys, meshanim.cli.app; print({'torch', 'numpy', 'scipy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_animate_writes_every_format_at_once(tmp_path: Path) -> None:
    names = ["smile.npz", "smile.glb", "smile.pc2", "smile.gif"]
    outputs = [part for name in names for part in ("-o", str(tmp_path / name))]
    assert call("animate", *SHORT, *outputs, "-o", f"{tmp_path}/frames/", "--quiet") == 0
    performance = read_performance(tmp_path / "smile.npz")
    assert performance.frame_count == 4
    assert len(list((tmp_path / "frames").glob("*.obj"))) == 4
    moved = performance.vertices() - performance.neutral.vertices
    assert float(moved.norm(dim=-1).max()) > 2e-3


@pytest.mark.parametrize("command", ["animate", "speak", "solve", "convert", "capture"])
def test_help_names_all_formats(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, "--help") == 0
    assert set(FORMATS) <= set(re.findall(r"\.[a-z0-9]+\b", capsys.readouterr().out))
    assert set(re.findall(r"\.[a-z0-9]+\b", WRITTEN)) == set(FORMATS)


def test_files_beside_an_output_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("animate", *SHORT, "-o", tmp_path / "a.pc2") == 0
    assert f"written: {tmp_path / 'a.pc2'}, {tmp_path / 'a.obj'}\n" in capsys.readouterr().err


def test_a_mesh_of_the_users_own_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_obj(tmp_path / "a.obj")
    before = own.read_bytes()
    assert call("animate", *SHORT, "-o", tmp_path / "a.pc2") == 2
    assert "a.obj is written beside a.pc2" in one_sentence(capsys)
    assert own.read_bytes() == before and list(tmp_path.iterdir()) == [own]


@pytest.mark.parametrize(("written", "meant"), [("24000/1001", 24000 / 1001), ("12.5", 12.5), ("60/1", 60)])
def test_a_frame_rate_may_be_a_fraction(written: str, meant: float) -> None:
    assert frame_rate(written) == meant


def test_what_is_no_frame_rate_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("film", "1/0", "1/2/3"):
        assert call("animate", "--fps", wrong, "-o", tmp_path / "a.npz") == 2
        assert "24000/1001" in capsys.readouterr().err


def test_a_fraction_is_the_frame_rate_of_the_file(tmp_path: Path) -> None:
    assert call("animate", "--duration", "0.2", "--fps", "24000/1001", "-o", tmp_path / "a.npz", "-q") == 0
    assert read_performance(tmp_path / "a.npz").fps == 24000 / 1001


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        assert call("animate", *SHORT, "--seed", "7", "-o", tmp_path / name, "-q") == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_curves_that_no_weight_has_are_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("animate", *SHORT, "-o", tmp_path / "a.npz", "-o", tmp_path / "a.csv") == 2
    assert "ARKit's 52 weights" in one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []


def test_an_age_that_expressions_are_not_made_for_is_told(tmp_path, capsys) -> None:
    for age, told in (("2", True), ("5", False)):
        assert call("animate", *SHORT, "--identity", f"age={age}", "-o", tmp_path / "face.npz", "-q") == 0
        said = capsys.readouterr().err
        assert ("age=2 is below 5" in said) == told and len(said.splitlines()) == told


def test_a_named_identity_changes_the_face(tmp_path: Path) -> None:
    call("animate", *SHORT, "--identity", "age=6,gender=1", "-o", tmp_path / "child.npz", "-q")
    call("animate", *SHORT, "-o", tmp_path / "mean.npz", "-q")
    played = read_performance(tmp_path / "child.npz")
    assert played.face_model == "anny" and played.identity is not None
    assert torch.equal(played.identity, load_face("anny").identity(age=6, gender=1))
    child, mean = (read_performance(tmp_path / f"{name}.npz").neutral.vertices for name in ("child", "mean"))
    assert float((child.amax(0) - child.amin(0)).prod()) < 0.8 * float((mean.amax(0) - mean.amin(0)).prod())


def test_a_mesh_of_the_built_in_topology_is_a_face(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    neutral = load_face("anny").neutral
    grown = write_obj(tmp_path / "grown.obj", (1.1 * neutral.vertices).numpy(), neutral.faces.numpy())
    assert call("animate", *SHORT, "--face", grown, "-o", tmp_path / "out.npz", "-q") == 0
    rest = read_performance(tmp_path / "out.npz").neutral.vertices
    assert float((rest - 1.1 * neutral.vertices).norm(dim=-1).max()) < 1e-6
    capsys.readouterr()
    for asked in (["--seed", "7"], ["--identity", "age=7"]):
        assert call("animate", *SHORT, "--face", grown, *asked, "-o", tmp_path / "b.npz", "-q") == 2
        assert "fixed" in one_sentence(capsys) and not (tmp_path / "b.npz").exists()


def test_faults_of_a_mesh_are_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = np.concatenate([FACES, [[0, 1, 1], [0, 1, 2]]])
    assert call("inspect", write_obj(tmp_path / "faulty.obj", faces=faces)) == 0
    said = capsys.readouterr().out
    assert "non-manifold edges" in said
    assert "faces that name a vertex twice" in said


def test_inspect_knows_the_built_in_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    neutral = load_face("anny").neutral
    path = write_obj(tmp_path / "head.obj", neutral.vertices.numpy(), neutral.faces.numpy())
    assert call("inspect", path) == 0
    assert "fits: the built-in head (use --face" in capsys.readouterr().out


def test_inspect_says_why_a_head_is_no_face(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    neutral = load_face("anny").neutral
    right, up, front = neutral.vertices.T.numpy()
    for vertices, word in (
        (100 * neutral.vertices.numpy(), "mesh must be in metres"),
        (np.stack([right, -front, up], axis=1), "mesh must have Y up"),
    ):
        path = write_obj(tmp_path / "head.obj", vertices, neutral.faces.numpy())
        assert call("inspect", path) == 0
        assert f"fits: the built-in head by its number of vertices, but {word}" in capsys.readouterr().out
        assert call("animate", *SHORT, "--face", path, "-o", tmp_path / "a.npz") == 2
        assert word in one_sentence(capsys)


def test_inspect_lists_the_names_of_a_face_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("inspect", "anny") == 0
    said, face = capsys.readouterr().out, load_face("anny")
    assert all(re.search(rf"[ ,]{name}[,\n]", said) for name in (*face.identity_names, *face.weight_names))
    assert "identity, 5 to 90: age\n" in said and "identity, -1 to 1: l-cheek-trans-up" in said
    assert call("inspect", "ict=nowhere") == 2
    assert "got nothing there" in one_sentence(capsys)


def test_the_project_s_own_glb_is_a_face(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made.glb"
    assert call("animate", "--expression", "happy", *SHORT, "-o", made) == 0
    capsys.readouterr()
    assert call("inspect", made) == 0
    said = capsys.readouterr().out
    assert "fits: the built-in head" in said and "4746 texture coordinates" in said
    assert "coincident" not in said
    assert call("animate", "--face", made, "--expression", "sad", *SHORT, "-o", tmp_path / "again.npz") == 0


def test_doctor_names_versions_kernels_and_caches(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("doctor") == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("torch", "kernels", "extras", "caches"))


def test_doctor_says_why_kernels_cannot_be_had_and_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking() -> str:
        raise OSError("MESHANIM_KERNELS=cuda, but PyTorch sees no CUDA device")

    monkeypatch.setattr("meshanim.ops.kernels_in_use", lacking)
    assert call("doctor") == 0
    said = capsys.readouterr().out
    assert "none: MESHANIM_KERNELS=cuda, but PyTorch sees no CUDA device\n" in said and "caches" in said


def test_doctor_names_a_cache_that_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path / "none yet"))
    assert call("doctor") == 0
    assert re.search(rf"empty +{re.escape(str(tmp_path / 'none yet'))}\n", capsys.readouterr().out)


def test_a_cache_that_cannot_be_written_is_told_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path))

    monkeypatch.setattr("meshanim.export.check_targets", closed)
    for cache, told in ((tmp_path / "cache", True), (tmp_path.parent / "elsewhere", False)):
        monkeypatch.setenv("MESHANIM_CACHE", str(cache))
        assert call("animate", *SHORT, "-o", tmp_path / "a.npz") == 2
        assert one_sentence(capsys).endswith("; MESHANIM_CACHE names another folder for caches") == told


def test_doctor_knows_the_packages_of_all_extras() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    names = {
        extra: {re.match(r"[\w-]+", package)[0] for package in packages}  # type: ignore[index]
        for extra, packages in {**project["optional-dependencies"], "": project["dependencies"]}.items()
    }
    assert set(doctor._REQUIRED) == names.pop("")
    for extra in ("benchmarks", "test", "dev"):
        names.pop(extra)
    assert {extra: set(packages) for extra, packages in doctor._EXTRAS.items()} == names


def test_doctor_names_what_a_half_installed_extra_lacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_EXTRAS", {"speech": ("pytest", "not-there")})
    assert call("doctor") == 0
    assert f"pytest {pytest.__version__}, not-there missing (pip install 'meshanim[speech]')" in (
        capsys.readouterr().out
    )


BAD_MESHES = {
    "missing": (None, "missing.obj"),
    "text": ("once upon a time\n", "text.obj"),
    "noise": (os.urandom(4000), "noise.glb"),
    "not a number": ("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "nan.obj"),
    "index": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "index.obj"),
    "empty": ("", "empty.obj"),
    "suffix": ("v 0 0 0\n", "mesh.xyzw"),
}


@pytest.mark.parametrize("command", ["inspect", "animate"])
@pytest.mark.parametrize("fault", BAD_MESHES)
def test_a_bad_mesh_is_one_sentence(
    fault: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, name = BAD_MESHES[fault]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.iterdir())
    more: list[str | Path] = [] if command == "inspect" else ["-o", tmp_path / "out.glb", "--face"]
    assert call(command, *more, path) == 2
    assert name in one_sentence(capsys)
    assert sorted(tmp_path.iterdir()) == before


BAD_ARGUMENTS = {
    "negative duration": (["--duration", "-1"], "duration must be above 0, got -1"),
    "no frames": (["--fps", "0"], "fps must be above 0, got 0"),
    "unknown expression": (["--expression", "bored"], "expression must be one of happy"),
    "intensity": (["--intensity", "3"], "intensity must be"),
    "unknown identity": (["--identity", "agee=3"], "got 'agee'"),
    "an age that nobody has": (["--identity", "age=-800"], "age must be at least 0 and at most 90, got -800"),
    "endless": (["--duration", "inf"], "duration must be above 0 and finite, got inf"),
    "more frames than fit": (["--fps", "1e9"], "frames, duration times fps, must be at least 0 and at most"),
    "a seed too large": (["--seed", str(2**64)], "seed must be at least 0"),
    "unreadable identity": (["--identity", "age"], "must read like age=30"),
    "an identity of two ages": (["--identity", "age=3, age=30"], "name each coefficient once, got age twice"),
    "two identities": (["--identity", "age=3", "--seed", "1"], "got both"),
    "unknown model": (["--model", "nowhere"], "nowhere"),
    "a model of another face": (
        ["--model", "ict-expressions"],
        "--face must have the topology of the model's mesh, 26719 vertices and 52220 triangles, got 4538 "
        "vertices and 9014 triangles; the model is of ICT-FaceKit, whose shapes come with ict=PATH",
    ),
    "unknown face": (["--face", "nobody"], "nobody"),
    "no such model folder": (["--face", "ict=/nowhere"], "/nowhere"),
}


@pytest.mark.parametrize("fault", BAD_ARGUMENTS)
def test_a_bad_argument_is_one_sentence(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, said = BAD_ARGUMENTS[fault]
    assert call("animate", *arguments, "-o", tmp_path / "out.glb") == 2
    assert said in one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []


def test_another_topology_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("animate", "--face", write_obj(tmp_path / "box.obj"), "-o", tmp_path / "out.glb") == 2
    sentence = one_sentence(capsys)
    assert "box.obj" in sentence and "4538" in sentence.replace(",", "") and "4 vertices" in sentence


@pytest.mark.parametrize("name", ["smile.avi", "smile"])
def test_an_unknown_suffix_is_named_before_any_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("animate", "-o", tmp_path / name) == 2
    assert ".glb" in one_sentence(capsys)


def test_a_folder_where_a_file_should_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "smile.glb").mkdir()
    assert call("animate", "-o", tmp_path / "smile.glb") == 2
    assert "it is a folder" in one_sentence(capsys)


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("animate", *SHORT, "-o", "/proc/smile.glb", "-q") == 2
    assert "/proc" in one_sentence(capsys)


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    load_face("anny")
    monkeypatch.setattr("meshanim._files.os.fsync", full)
    assert call("animate", *SHORT, "-o", tmp_path / "smile.glb", "-q") == 2
    assert "No space left" in one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(*_: object) -> None:
        torch.empty(2**60, dtype=torch.uint8)

    for full in (allocate, lambda *_: bytearray(2**62)):
        monkeypatch.setattr("meshanim.export.check_targets", full)
        assert call("animate", *SHORT, "-o", tmp_path / "a.npz") == 2
        assert "memory ran out" in one_sentence(capsys)


def test_an_unknown_option_is_an_error_of_use() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from meshanim.cli.main import run; run(['animate', '--no-such-option'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No such option" in done.stderr
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                raise {raised}

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupts())
from meshanim.cli.main import run
run(["animate", "-o", "/nowhere.npz"])
"""
"""A command that is interrupted when it imports a module, in whose place another error may come."""


@pytest.mark.parametrize(
    ("module", "raised"),
    [
        ("typer", ""),
        ("torch", "ImportError(name)"),
        ("meshanim.export", ""),
        ("meshanim.synthesis", "SystemExit(130)"),
    ],
)
def test_an_interrupt_is_one_line_at_any_time(module: str, raised: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED.format(module=module, raised=raised)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "meshanim: stopped\n")


def test_where_there_is_no_terminal_a_long_step_leaves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshanim.cli.progress._PATIENCE", -1.0)
    with Steps(quiet=False) as steps:
        report = steps.step("long")
        report(1, 2)
        steps.say("said")
    assert capsys.readouterr() == ("", "said\n")


def test_meshes_of_other_kinds_are_inspected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in ("ply", "stl", "glb", "off"):
        path = tmp_path / f"tetrahedron.{suffix}"
        trimesh.Trimesh(CORNERS, FACES, process=False).export(path)
        assert call("inspect", path) == 0
        assert "4 vertices, 6 edges, 4 triangles" in capsys.readouterr().out


def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def warn(*_: object) -> str:
        warnings.warn("the head\n  cannot be cached", stacklevel=2)
        return "none"

    monkeypatch.setattr("meshanim.ops.kernels_in_use", warn)
    assert call("doctor") == 0
    assert one_sentence(capsys) == "meshanim: the head cannot be cached"
