"""No command writes over what it reads, whatever name it is given."""

from pathlib import Path

import pytest
import torch

from meshanim.cli.main import run
from meshanim.export import export, read_performance
from meshanim.faces import load_face
from meshanim.mesh import Mesh
from meshanim.performance import Performance


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        run([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], file: str, source: str) -> bool:
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line.startswith("meshanim: ") and line.endswith(
        f"{file} must be another file than {source}, which is read"
    )


@pytest.fixture
def triangle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Performance:
    """In the working directory as x.npz, and under other names."""
    monkeypatch.chdir(tmp_path)
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    performance = Performance(
        mesh, 25.0, None, torch.tensor([[0.0], [0.5]]), torch.rand(1, 3, 3), ("jawOpen",)
    )
    export(performance, "x.npz")
    Path("link.npz").symlink_to("x.npz")
    Path("hard.npz").hardlink_to("x.npz")
    return performance


@pytest.mark.parametrize("name", ["x.npz", "./x.npz", "../{}/x.npz", "new/../x.npz", "link.npz", "hard.npz"])
@pytest.mark.parametrize(
    "command", ["convert x.npz -q", "solve x.npz -q -o", "render x.npz --reference face.png -o"]
)
def test_a_performance_is_not_written_over_by_what_is_made_of_it(
    command: str, name: str, triangle: Performance, capsys: pytest.CaptureFixture[str]
) -> None:
    name = name.format(Path.cwd().name)
    if command.startswith("render"):
        name = name.replace(".npz", ".mp4")
        for other in ("x", "link", "hard"):
            Path(f"{other}.npz").rename(f"{other}.mp4")
        Path("link.mp4").unlink()
        Path("link.mp4").symlink_to("x.mp4")
        command = command.replace(".npz", ".mp4")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert call(*command.split(), name) == 2
    assert refused(capsys, str(Path(name)), command.split()[1])
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize("name", ["", ".", "/"])
@pytest.mark.parametrize("command", ["convert x.npz", "solve x.npz -o", "capture x.npz -o", "animate -o"])
def test_what_is_no_place_for_a_file_is_one_sentence(command: str, name: str, triangle, capsys) -> None:
    assert call(*command.split(), name) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "must be a path, got an empty one" in line or "is replaced as a whole" in line


@pytest.mark.parametrize(
    "command", ["convert SOURCE a.npz", "solve SOURCE -o a.npz", "capture SOURCE -o a.npz"]
)
@pytest.mark.parametrize("name", ["", ".", "/"])
def test_what_is_no_file_to_read_is_one_sentence(command: str, name: str, triangle, capsys) -> None:
    assert call(*(name if part == "SOURCE" else part for part in command.split())) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("meshanim: ") and not Path("a.npz").exists()


def test_nothing_is_written_where_one_of_several_is_the_source(triangle, capsys) -> None:
    before = sorted(Path().iterdir())
    assert call("convert", "x.npz", "a.glb", "x.npz") == 2
    assert refused(capsys, "x.npz", "x.npz") and sorted(Path().iterdir()) == before


def test_what_lies_beside_a_cache_is_kept_too(triangle, capsys) -> None:
    export(triangle, "a.pc2")
    Path("a.obj").rename("a.glb")
    export(triangle, "a.glb")
    before = Path("a.glb").read_bytes()
    assert call("convert", "a.pc2", "a.glb", "--fps", "25") == 2
    assert refused(capsys, "a.glb", "a.glb") and Path("a.glb").read_bytes() == before


def test_a_sequence_does_not_take_the_place_of_the_folder_that_is_read(triangle, capsys) -> None:
    export(triangle, "seq/")
    Path("other").symlink_to("seq")
    for name in ("seq/", "other/", "./seq/"):
        assert call("convert", "seq", name, "--fps", "25") == 2
        assert "must be another folder than seq, which is read" in capsys.readouterr().err
    assert call("convert", "seq", "again/", "--fps", "25", "-q") == 0
    back = read_performance("again", fps=25)
    assert torch.allclose(back.vertices(), triangle.vertices(), atol=1e-6)


def test_a_face_is_not_written_over_by_what_it_performs(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    face = load_face("anny")
    still = Performance(face.neutral, 25.0, motion=face.neutral.vertices[None])
    export(still, "head.glb")
    export(still, "take/")
    short = ["--duration", "0.4", "--fps", "10", "-q"]
    before = Path("head.glb").read_bytes()
    for command in (
        ["animate", *short],
        ["speak", "--text", "hello"],
        ["solve", "x.npz"],
        ["capture", "x.mp4"],
    ):
        assert call(*command, "--face", "head.glb", "-o", "./head.glb") == 2
        assert refused(capsys, "head.glb", "head.glb")
    assert Path("head.glb").read_bytes() == before
    assert call("animate", *short, "--face", "take/take_000001.obj", "-o", "take/") == 2
    assert "take must be another folder than take/take_000001.obj, which is read" in capsys.readouterr().err
    assert call("animate", "--face", "ict=head.npz", "-o", "head.npz") == 2
    assert "head.npz" in capsys.readouterr().err


def test_a_folder_may_have_the_name_of_the_built_in_head(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call("animate", "--duration", "0.4", "--fps", "5", "-o", "anny/", "-q") == 0
    assert sorted(file.name for file in Path("anny").iterdir()) == ["anny_000001.obj", "anny_000002.obj"]


@pytest.mark.parametrize("option", ["--head", "--head=like=", "--gaze", "--blinks"])
def test_a_clip_is_not_written_over_by_what_moves_as_it_does(
    option: str, triangle: Performance, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"{option}x.npz"] if option.endswith("=") else [option, "x.npz"]
    assert call("speak", "--text", "hello", *given, "-o", "link.npz") == 2
    assert refused(capsys, "link.npz", "x.npz")


def test_figures_do_not_take_the_place_of_a_film(tmp_path: Path, monkeypatch, capsys) -> None:
    pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")
    monkeypatch.chdir(tmp_path)
    Path("film.json").write_bytes(b"a film")
    for films in (
        ("film.json", "b.mp4"),
        ("b.mp4", "film.json"),
        ("a.mp4", "b.mp4", "--reference", "film.json"),
    ):
        assert call("evaluate", *films, "-o", "film.json") == 2
        assert refused(capsys, "film.json", "film.json")
    assert Path("film.json").read_bytes() == b"a film"


@pytest.mark.parametrize(
    "command",
    ["speech --start", "speech-motion --model", "tcsan --grid g --hearing", "polynomial --grid g --encoders"],
)
def test_a_run_does_not_end_in_the_place_of_a_model_that_it_learns_from(
    command: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    assert call("train", *command.split(), str(tmp_path / "mine"), "-o", "mine") == 2
    assert f"mine must be another folder than {tmp_path / 'mine'}, which is read" in capsys.readouterr().err


def test_a_run_may_have_the_name_of_a_shipped_model(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("meshanim.datasets.MadeSpeech", None)
    Path("speech-small").mkdir()
    with pytest.raises(TypeError, match="not callable"):
        run(["train", "speech", "--start", "speech-small", "-o", "speech-small"])
