"""Commands as a shell would call them, and what they say where something is wrong."""

from pathlib import Path

import pytest

from meshanim.cli.main import run


def call(*arguments: str | Path) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as stopped:
        run([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def one_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What stands on standard error: one line, no traceback."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("meshanim: ") and "Traceback" not in lines[0], lines
    return lines[0]
