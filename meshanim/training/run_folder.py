"""The folder of a run, which one training has at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from meshanim._check import InputError
from meshanim._files import hold_folder, remove_leftovers
from meshanim.training.checkpoint import NAME
from meshanim.training.run_log import HISTORY


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Have a folder for oneself, and take away what killed trainings have left there half written.

    No kill leaves it closed. Where a folder cannot be locked others may be there, and everything stays.

    Raises:
        InputError: another process, or another thread of this one, trains there.
    """
    with ExitStack() as stack:
        try:
            alone = stack.enter_context(hold_folder(folder))
        except BlockingIOError:
            raise InputError(
                f"{folder} must be free for one training, but another one is at work there"
            ) from None
        if alone:
            for name in (NAME, HISTORY):
                remove_leftovers(folder / name)
        yield
