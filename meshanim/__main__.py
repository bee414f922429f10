"""``python -m meshanim``: the command line."""

from meshanim.cli.main import run

run()
