"""Scripts that measure for minutes and write results do so only when nothing else was asked."""

from __future__ import annotations

import ast
import importlib
import json
import resource
from pathlib import Path

import pytest
from report import run_parts, take_no_arguments, write_results

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


def test_a_full_disk_keeps_older_results(tmp_path, monkeypatch):
    monkeypatch.setattr("report.RESULTS", tmp_path)
    before = write_results("x", {"rows": [1]}).read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_results("x", {"rows": [2]})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
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
