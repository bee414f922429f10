"""Scripts that measure for minutes and write results do so only when nothing else was asked."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path

import pytest
import torch
from report import run_parts, take_no_arguments, write_results

from meshanim.datasets import ExpressionSequence
from meshanim.datasets.performing import Timing
from meshanim.faces import EXPRESSIONS, FaceModel, load_face

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


def _started(script: Path) -> list[ast.stmt]:
    """What a script does when it is run."""
    return [
        line
        for block in ast.parse(script.read_text()).body
        if isinstance(block, ast.If) and "__name__" in ast.unparse(block.test)
        for line in block.body
    ]


def test_every_script_looks_at_its_arguments_first():
    heads = {
        script.name: ast.unparse(lines[0]) for script in SCRIPTS.glob("*.py") if (lines := _started(script))
    }
    assert len(heads) > 15
    partly = {"speech.py": "main()", "talking_heads.py": "run_parts('talking_heads', PARTS)"}
    assert heads == dict.fromkeys(heads, "take_no_arguments(__doc__)") | partly


def test_help_says_what_a_script_is_about_and_ends_it(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.py", "--help"])
    for asked in (
        lambda: take_no_arguments("Times a thing."),
        lambda: run_parts("x", {"Times": pytest.fail}),
    ):
        with pytest.raises(SystemExit) as stopped:
            asked()
        assert not stopped.value.code and "Times" in capsys.readouterr().out


def test_the_parts_of_speech_load_nothing_before_they_are_asked_for(monkeypatch, capsys):
    speech = importlib.import_module("speech")
    monkeypatch.setattr(speech, "Judge", pytest.fail)
    monkeypatch.setattr("sys.argv", ["speech.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        speech.main()
    assert (
        not stopped.value.code and "parts, all without one named: lips, contacts" in capsys.readouterr().out
    )


class _Drawn(list):
    """As little of a corpus as a script reads: one person's six expressions."""

    def __init__(self, face: FaceModel, *_: object) -> None:
        timing = Timing(0.1, 0.2, 0.3, 0.4, 0.5)
        rest = face.neutral.vertices
        moved = rest + torch.tensor([0.0, 0.0, 0.002]) * torch.arange(4)[:, None, None]
        super().__init__(
            ExpressionSequence(0, name, rest, torch.zeros(4, 6), moved, timing, 10.0) for name in EXPRESSIONS
        )
        self.face = face


def test_expressions_on_the_ict_face_are_predicted_once(monkeypatch):
    script, face, asked = importlib.import_module("expression_ict"), load_face("anny"), []
    drawn = _Drawn(face)

    def predict(item: int) -> torch.Tensor:
        asked.append(item)
        return drawn[item].vertices

    monkeypatch.setattr(script, "load_face", lambda _: face)
    monkeypatch.setattr(script, "Expressions4D", _Drawn)
    for maker in ("own_shapes", "predictor"):
        monkeypatch.setattr(script, maker, lambda *_: predict)
    for writer in ("write_results", "write_image"):
        monkeypatch.setattr(script, writer, lambda *_: None)
    script.main()
    assert sorted(asked) == sorted(3 * list(range(6)))


def test_a_full_disk_keeps_older_results(files_no_larger_than, tmp_path, monkeypatch):
    monkeypatch.setattr("report.RESULTS", tmp_path)
    before = write_results("x", {"rows": [1]}).read_text()
    with files_no_larger_than(10), pytest.raises(OSError, match="File too large"):
        write_results("x", {"rows": [2]})
    assert (tmp_path / "x.json").read_text() == before and json.loads(before)["rows"] == [1]
    assert len(list(tmp_path.iterdir())) == 1


def test_an_argument_that_means_nothing_ends_a_script(monkeypatch):
    monkeypatch.setattr("sys.argv", ["bench.py", "--quick"])
    with pytest.raises(SystemExit, match=r"bench\.py takes no arguments, got --quick"):
        take_no_arguments("Times a thing.")
    with pytest.raises(SystemExit, match="parts must be among one, got --quick"):
        run_parts("x", {"one": pytest.fail})
    monkeypatch.setattr("sys.argv", ["bench.py"])
    take_no_arguments("Times a thing.")
