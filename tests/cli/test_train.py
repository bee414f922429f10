"""``meshanim train``, at a toy's size."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from meshanim.audio import AudioToUnits, Sound
from meshanim.cli.main import run
from meshanim.cli.train import app
from meshanim.cli.training import say_where
from meshanim.datasets import TalkingClip, Utterance
from meshanim.rendering import PositionMapModel
from meshanim.synthesis import HeadMotionModel, SpeechModel
from meshanim.talking_heads import POLYNOMIAL_CONFIGS, PolynomialConfig, PolynomialModel, TcsanRenderer
from meshanim.training import (
    POLYNOMIAL_RECIPES,
    UNPROJECTION_RECIPES,
    PolynomialRecipe,
    Recipe,
    TrainingReport,
)
from meshanim.training.head_start import ChanceRecipe, PolynomialHearingRecipe
from meshanim.vision import FaceCrop, FaceFeatures, LipSyncNetwork, UnitClassifier


class ToyVideos(list[TalkingClip]):
    """Noise of any kind in place of faces."""

    def __init__(self, folder: Path, crop: FaceCrop, split: str, progress: object = None) -> None:
        generator = torch.Generator().manual_seed(0)
        for item in range(2):
            frames = torch.randint(0, 256, (50, 40, 40, 3), generator=generator, dtype=torch.uint8)
            landmarks = 40 * torch.rand(68, 2, generator=generator).expand(50, 68, 2)
            sound = Sound(torch.randn(32_000, generator=generator), 16_000)
            self.append(TalkingClip(f"{item}", "noise", None, split, 25.0, frames, landmarks, sound))


class ToySpeech(list[Utterance]):
    """Noise, and weights of any kind, in place of the made corpus."""

    def __init__(self, split: str, size: int, progress: object = None) -> None:
        generator = torch.Generator().manual_seed(0)
        for item in range(4):
            sound = Sound(torch.randn(6400, generator=generator), 16000)
            tracks = torch.rand(10, 52, generator=generator), torch.zeros(10, 6)
            self.append(Utterance(f"{item}", "noise", "", sound, 25.0, *tracks, torch.rand(135)))


def test_a_file_is_no_folder_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "face.jpg"
    picture.write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        run(["train", "expression", "-o", str(picture)])
    assert f"--out must be a folder, but {picture} is a file" in capsys.readouterr().err
    assert picture.read_text() == "mine"


def test_a_folder_that_cannot_be_is_refused_before_any_work(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("meshanim.faces.load_face", None)
    (tmp_path / "face.jpg").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place, said in (
        ("face.jpg/run", f"--out must be a folder, but {tmp_path / 'face.jpg'} is a file"),
        ("link", f"--out must be a folder, but {tmp_path / 'link'} is a link to what is not there"),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(["train", "expression", "-o", str(tmp_path / place)])
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(["train", "expression", "-o", "/proc/new/run"])
    assert "/proc/new/run cannot be written: /proc takes no files: " in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(["train", "expression", "-o", ""])
    assert "must be a folder, got an empty path" in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SystemExit, match="2"):
        run(["train", "expression", "-o", str(tmp_path / "new" / "run")])
    assert f"run cannot be written: no permission to write in {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_run_that_was_stopped_ends_as_an_interrupt_does(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that goes on after a success must not go on after this."""
    stopped = TrainingReport([{"loss": 1.0}], False)
    monkeypatch.setattr("meshanim.datasets.MadeSpeech", ToySpeech)
    monkeypatch.setattr("meshanim.training.train_head_motion", lambda *_, **__: (None, stopped))
    for quiet in ([], ["-q"]):
        with pytest.raises(SystemExit) as ended:
            run(["train", "head-motion", "-o", str(tmp_path), "--epochs", "3", *quiet])
        assert ended.value.code == 130
        told = capsys.readouterr()
        assert not told.err and ("1 of 3 epochs done, then stopped" in told.out) is not bool(quiet)


def test_of_several_processes_one_says_how_far_a_run_is(tmp_path: Path, monkeypatch, capsys) -> None:
    report = TrainingReport([{"loss": 1.0}], True)
    say_where(report, 1, tmp_path, quiet=False)
    assert capsys.readouterr().out == f"1 of 1 epochs finished: {tmp_path}\n"
    monkeypatch.setattr("meshanim.training.processes.Processes.main", False)
    say_where(report, 1, tmp_path, quiet=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (["speech", "--start"], "SpeechModel, as speech-small"),
        (["speech-motion", "--model"], "SpeechModel, as speech-small"),
        (["polynomial", "--grid", "nowhere", "--encoders"], "PolynomialModel"),
    ],
)
def test_a_model_of_another_kind_is_named_before_a_corpus_is_made(
    asked: list[str], wanted: str, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("meshanim.datasets.MadeSpeech", None)
    with pytest.raises(SystemExit, match="2"):
        run(["train", *asked, "anny-expressions", "-o", str(tmp_path / "run")])
    said = capsys.readouterr().err.strip()
    assert said.endswith(f"of kind {wanted}, got 'ExpressionModel'") and "\n" not in said


def test_a_position_map_network_is_trained_and_says_where_it_is(
    tmp_path: Path, monkeypatch, own_cache: Callable[[Path], str]
) -> None:
    monkeypatch.setenv("MESHANIM_CACHE", own_cache(tmp_path / "cache"))
    sizes = ["--size", "32", "--pictures", "4", "--samples", "4", "--batch-size", "2", "--width", "1"]
    told = CliRunner().invoke(app, ["unprojection", "-o", str(tmp_path), "--epochs", "1", *sizes])
    assert told.exit_code == 0, told.output
    assert "1 of 1 epochs finished" in told.output
    assert PositionMapModel.from_pretrained(tmp_path).layout.size == 32


@pytest.mark.parametrize("network", UNPROJECTION_RECIPES)
def test_a_position_map_recipe_stays_as_it_is(network: str, tmp_path: Path, monkeypatch) -> None:
    chosen: list[Recipe] = []

    def trained(pictures: object, recipe: Recipe, *_: object, **__: object) -> tuple[None, TrainingReport]:
        chosen.append(recipe)
        return None, TrainingReport([], True)

    monkeypatch.setattr("meshanim.datasets.KeptFaces", lambda *_: None)
    monkeypatch.setattr("meshanim.training.train_unprojection", trained)
    told = CliRunner().invoke(app, ["unprojection", "-o", str(tmp_path), "--network", network])
    assert told.exit_code == 0, told.output
    assert chosen == [UNPROJECTION_RECIPES[network]] and chosen[0].name == network


def test_head_motion_is_trained_on_made_speech(tmp_path: Path, monkeypatch) -> None:
    sound, weights = Sound(0.1 * torch.randn(16_000), 16_000), torch.zeros(25, 52)
    motion = 0.1 * torch.randn(25, 6)
    said = [
        Utterance(f"{take}", "she", "", sound, 25.0, weights, motion, torch.zeros(1)) for take in range(2)
    ]
    monkeypatch.setattr("meshanim.datasets.MadeSpeech", lambda *_, **__: said)
    told = CliRunner().invoke(app, ["head-motion", "-o", str(tmp_path), "--epochs", "1"])
    assert told.exit_code == 0, told.output
    assert "1 of 1 epochs finished" in told.output
    assert HeadMotionModel.from_pretrained(tmp_path).config.features == 256


def test_a_speech_model_is_trained_and_gone_on_with(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("meshanim.datasets.MadeSpeech", ToySpeech)
    sizes = ["--epochs", "1", "--batch-size", "2", "--window", "5", "-q"]
    first = CliRunner().invoke(app, ["speech", "-o", str(tmp_path / "first"), *sizes])
    assert first.exit_code == 0, first.output
    start = ["--start", str(tmp_path / "first")]
    told = CliRunner().invoke(app, ["speech", "-o", str(tmp_path / "second"), *start, *sizes[:-1]])
    assert told.exit_code == 0, told.output
    assert "1 of 1 epochs finished" in told.output
    assert SpeechModel.from_pretrained(tmp_path / "second").config.window == 5
    monkeypatch.setattr("meshanim.datasets.CapturedGrid", lambda folder, split: ToySpeech(split, 4))
    other = CliRunner().invoke(app, ["speech", "-o", str(tmp_path / "first"), "--grid", "here", *sizes])
    assert "another run: recipe is 'made' there and 'grid' here; choose" in str(other.exception)


def test_a_talking_head_is_trained_on_clips(tmp_path: Path, monkeypatch) -> None:
    weights = torch.rand(40, 52, generator=torch.Generator().manual_seed(0)) / 10
    weights[20:23, [8, 9]] = 0.9  # a blink
    shown = torch.arange(128 * 96 * 3).view(1, 128, 96, 3).remainder(251).expand(40, -1, -1, -1).byte()
    heard = Sound(torch.randn(25_600), 16_000)
    clips = [TalkingClip("one", "he", "", "train", 25.0, shown, torch.zeros(40, 68, 2), heard, weights)]
    sizes = PolynomialConfig(audio=4, identity=4, joint=8, rank=2, width=2)
    monkeypatch.setitem(POLYNOMIAL_CONFIGS, "toy", sizes)
    starts = PolynomialHearingRecipe(epochs=1), ChanceRecipe(epochs=1, sequences=2)
    recipe = PolynomialRecipe(
        config="toy", encoder_epochs=1, hearing=starts[0], chance=starts[1], frames=5, judge_width=2
    )
    monkeypatch.setitem(POLYNOMIAL_RECIPES, "toy", recipe)
    monkeypatch.setattr("meshanim.datasets.GridVideos", lambda *_, **__: clips)
    asked = ["polynomial", "--grid", str(tmp_path), "-o", str(tmp_path), "--recipe", "toy", "--epochs", "1"]
    told = CliRunner().invoke(app, [*asked, "--fusion", "cmf"])
    assert told.exit_code == 0, told.output
    assert "1 of 1 epochs finished" in told.output
    assert PolynomialModel.from_pretrained(tmp_path).config.fusion == "cmf"


def toy_videos(
    folder: object, crop: object, split: str = "train", progress: object = None
) -> list[TalkingClip]:
    """Noise in place of GRID's clips."""
    generator = torch.Generator().manual_seed(0)
    return [
        TalkingClip(
            f"{item}",
            "noise",
            None,
            split,
            25.0,
            torch.randint(256, (10, 112, 112, 3), generator=generator).byte(),
            torch.zeros(10, 68, 2),
            Sound(torch.randn(6400, generator=generator), 16000),
            torch.rand(10, 52, generator=generator),
            torch.zeros(10, 6),
        )
        for item in range(2)
    ]


def test_a_talking_head_is_trained_with_those_who_judge_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("meshanim.datasets.CapturedGrid", lambda folder, split: ToySpeech(split, 4))
    monkeypatch.setattr("meshanim.datasets.GridVideos", toy_videos)
    load: dict[str, Callable[[Path], object]] = {
        "audio-units": AudioToUnits.from_pretrained,
        "unit-classifier": UnitClassifier.from_pretrained,
        "face-features": FaceFeatures.from_pretrained,
    }
    for name, read in load.items():
        told = CliRunner().invoke(app, [name, "-o", str(tmp_path / name), "--grid", "here", "--epochs", "1"])
        assert told.exit_code == 0 and "1 of 1 epochs finished" in told.output, told.output
        read(tmp_path / name)
    judges = {"hearing": "audio-units", "classifier": "unit-classifier", "features": "face-features"}
    given = [part for option, name in judges.items() for part in (f"--{option}", str(tmp_path / name))]
    sizes = ["--grid", "here", "--epochs", "1", "--recipe", "full"]
    told = CliRunner().invoke(app, ["tcsan", "-o", str(tmp_path / "head"), *sizes, *given])
    assert told.exit_code == 0 and "1 of 1 epochs finished" in told.output, told.output
    assert "perceptual loss: face features (trained on the corpus)" in told.output
    assert TcsanRenderer.from_pretrained(tmp_path / "head").needs == {"audio"}


def test_a_judge_of_lips_is_trained(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("meshanim.datasets.GridVideos", ToyVideos)
    told = CliRunner().invoke(
        app, ["lip-sync", "--grid", str(tmp_path), "-o", str(tmp_path), "--epochs", "1", "--batch-size", "1"]
    )
    assert told.exit_code == 0, told.output
    assert "1 of 1 epochs finished" in told.output
    assert LipSyncNetwork.from_pretrained(tmp_path).fps == 25
