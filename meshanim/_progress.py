"""How long work says how far it is; on the ground floor, since most rooms have some."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told what is done and how much there is in all."""
Steps = Callable[[str], Progress]
"""Gives the progress of a step by its name."""


def unheard(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def silent(step: str) -> Progress:
    """Steps that nobody looks at."""
    return unheard
