"""``meshanim train``, at a toy's size."""

from pathlib import Path

from typer.testing import CliRunner

from meshanim.cli.train import app
from meshanim.rendering import PositionMapModel


def test_a_position_map_network_is_trained_and_says_where_it_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MESHANIM_CACHE", str(tmp_path / "cache"))
    sizes = ["--size", "32", "--pictures", "4", "--samples", "4", "--batch-size", "2", "--width", "1"]
    told = CliRunner().invoke(app, ["unprojection", "-o", str(tmp_path), "--epochs", "1", *sizes])
    assert told.exit_code == 0, told.output
    assert "1 of 1 epochs finished" in told.output
    assert PositionMapModel.from_pretrained(tmp_path).layout.size == 32
