"""The ``meshanim`` command: what does not succeed ends in one sentence and an exit code."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

STOPPED = 130
"""Exit code of what an interrupt ended, as shells have it."""


@contextmanager
def _stopping_on_interrupt() -> Iterator[None]:
    """End the block by Ctrl-C with one line and :data:`STOPPED`, whatever libraries make of an interrupt.

    They turn it into an ImportError, an exit without a word, and more. Who takes it for a good end, as pages
    in the browser do, gets that. An interrupt that is not heard here, or not as usual, stays as it is.
    """
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    heard = threading.current_thread() is threading.main_thread()
    usual = heard and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if usual:
            signal.signal(signal.SIGINT, interrupt)
        yield
    except BaseException as end:
        good = isinstance(end, SystemExit) and not end.code
        if good or not (interrupted or isinstance(end, KeyboardInterrupt)):
            raise
        print("meshanim: stopped", file=sys.stderr)
        sys.exit(STOPPED)
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _tell(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as one line, without the place in the code that gave it."""
    print(f"meshanim: {' '.join(str(message).split())}", file=sys.stderr)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line: bad input ends in one sentence and exit code 2, an interrupt in 130."""
    with _stopping_on_interrupt(), warnings.catch_warnings():
        warnings.showwarning = _tell
        # Imported here, since it takes time in which somebody may think better of it.
        from meshanim.cli.app import app

        try:
            app(arguments, prog_name="meshanim")
        except Exception as fault:
            sentence = _sentence(fault)
            if sentence is None:
                raise
            print(f"meshanim: {sentence}", file=sys.stderr)
            sys.exit(2)


def _sentence(fault: Exception) -> str | None:
    """What is said of bad input, and of a machine that is at its end; None for a fault of our own."""
    from meshanim._check import InputError, MissingExtra

    if isinstance(fault, InputError | MissingExtra | OSError):
        return " ".join(str(fault).split()) + _other_cache(fault)
    if _memory_ran_out(fault):
        return "memory ran out; fewer frames, or a smaller size, take less"
    return None


def _other_cache(fault: Exception) -> str:
    """The way out, where it is the cache that cannot be written: some homes are closed, or small."""
    from meshanim._files import cache_folder

    if not isinstance(fault, OSError) or not isinstance(fault.filename, str):
        return ""
    place, folder = Path(fault.filename), cache_folder()
    beside = place.is_relative_to(folder) or folder.is_relative_to(place)
    return "; MESHANIM_CACHE names another folder for caches" if beside else ""


def _memory_ran_out(fault: Exception) -> bool:
    """Whether there was not enough memory: of the main memory, PyTorch tells only in a sentence."""
    from torch import OutOfMemoryError

    told = isinstance(fault, RuntimeError) and "can't allocate memory" in str(fault)
    return told or isinstance(fault, MemoryError | OutOfMemoryError)
