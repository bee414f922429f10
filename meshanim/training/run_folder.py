"""The folder of a run, which one training has at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meshanim._check import InputError
from meshanim._files import remove_leftovers
from meshanim.training.checkpoint import NAME
from meshanim.training.run_log import HISTORY


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Have a folder for oneself, and take away what killed trainings have left there half written.

    No kill leaves it closed. Windows and some network drives cannot lock a folder: others may be there then,
    and everything stays.

    Raises:
        InputError: another process, or another thread of this one, trains there.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder} must be free for one training, but another one is at work there"
            ) from None
        except OSError:
            pass
        else:
            for name in (NAME, HISTORY):
                remove_leftovers(folder / name)
        yield
    finally:
        os.close(handle)
