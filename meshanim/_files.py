"""Writing files so that a reader never meets half of one; a ground-floor module that any room may import."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from safetensors import SafetensorError

from meshanim._check import InputError

_RENAME_EXCHANGE = 2
"""Flag of Linux's renameat2."""
_LONG = 40
"""Letters of a stem, each of which may take four of the 255 bytes that most file systems have for a name."""


def cache_folder() -> Path:
    """Folder for what can be made again; the environment variable ``MESHANIM_CACHE`` moves it."""
    return Path(os.environ.get("MESHANIM_CACHE") or platformdirs.user_cache_dir("meshanim"))


def _beginning(target: Path) -> str:
    """What temporary names for ``target`` begin with; of a long stem the first letters and a sum over all."""
    stem = target.stem
    if len(stem) > _LONG:
        stem = f"{stem[:_LONG]}-{zlib.crc32(os.fsencode(stem)):08x}"
    return f".{stem}."


def _temporary_name(target: Path, suffix: str) -> Path:
    """A name beside ``target`` that no other process or thread takes, of a length that file systems allow."""
    return target.with_name(f"{_beginning(target)}{os.getpid()}-{threading.get_ident()}{suffix}")


def _usual_mode(unused: Path) -> int:
    """Mode that a new file of that name gets, by the umask and what its folder asks for."""
    unused.touch()
    try:
        return stat.S_IMODE(unused.stat().st_mode)
    finally:
        unused.unlink()


def _system_error(error: Exception) -> int | None:
    """What the system said to a writer that tells of it in words of its own; None where it says itself."""
    if isinstance(error, SafetensorError):
        told = re.search(r"os error (\d+)", str(error))
        return int(told[1]) if told else None
    # NumPy's, of an array that a file did not take as a whole
    return errno.ENOSPC if re.search(r"requested and \d+ written", str(error)) else None


@contextmanager
def _said_by_the_system(target: Path) -> Iterator[None]:
    """Let all errors of the system be OSErrors with their number, whatever a writer makes of them."""
    try:
        yield
    except (SafetensorError, OSError) as error:
        number = _system_error(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(target)) from error


@contextmanager
def _made_folder(folder: Path) -> Iterator[None]:
    """Make ``folder`` and its parents; take away again what was made where the block fails."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in missing:
            try:
                place.rmdir()
            except OSError:
                break
        raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it becomes ``path`` when the block ends without an error.

    The temporary name keeps the suffix, so that writers that go by it work. The folder is made where it
    is missing. The file gets the mode of any new file, also from a writer that keeps it from others. After an
    error nothing is left behind, and a file that stood at ``path`` still stands.

    Raises:
        InputError: ``path`` is a folder.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} must be a file to write, but it is a folder")
    with _made_folder(target.parent), _said_by_the_system(target):
        temporary = _temporary_name(target, target.suffix)
        mode = _usual_mode(temporary)
        try:
            yield temporary
            temporary.chmod(mode)
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change names at one stroke; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    names = os.fsencode(first.absolute()), os.fsencode(second.absolute())
    return renameat2 is not None and renameat2(0, names[0], 0, names[1], _RENAME_EXCHANGE) == 0


def _aside(folder: Path) -> Path:
    """Where the older folder stands for the moment between two names, where they cannot be exchanged."""
    return folder.with_name(f".{folder.name}.aside")


def _take_place(new: Path, folder: Path) -> Path:
    """Give ``new`` the name of a folder that stands; returns the name that the older one has now."""
    if _exchange(new, folder):
        return new
    aside = _aside(folder)
    folder.rename(aside)
    try:
        new.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    return aside


def check_place(folder: Path, target: Path, wanted: str) -> None:
    """Raise unless ``folder`` stands or can be made, and takes new files: one is made and taken away again.

    Permissions alone do not tell: root has all, in folders too that take no files, such as /proc.

    Args:
        folder: to be written in.
        target: what is to be written there, and
        wanted: what it must be, for messages.

    Raises:
        InputError: a file, or a link to what is not there, is in the way.
        OSError: nothing can be made there.
    """
    standing = next(it for it in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(it))
    if not standing.is_dir():
        what = "a file" if standing.exists() else "a link to what is not there"
        raise InputError(f"{wanted}, but {standing} is {what}")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise PermissionError(f"{target} cannot be written: no permission to write in {standing}")
    try:
        _usual_mode(_temporary_name(standing / target.name, ".try"))
    except OSError as error:
        raise OSError(f"{target} cannot be written: {standing} takes no files: {error.strerror}") from error


def check_folder(folder: Path) -> None:
    """Raise unless :func:`atomic_folder` can write there, and replace what stands there without a loss.

    Raises:
        InputError: a file, the working directory, a mount point, or a folder that has folders in it.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder to write, but it is a file")
    if folder.samefile(os.curdir):
        raise InputError(f"{folder} is replaced as a whole, so it must not be the one that this runs in")
    if os.path.ismount(folder):
        raise InputError(f"{folder} is replaced as a whole, so it must not be a mount point")
    inner = next((place for place in folder.iterdir() if place.is_dir() and not place.is_symlink()), None)
    if inner is not None:
        raise InputError(
            f"{folder} is replaced as a whole, so it must hold files only, got folder {inner.name}"
        )


def _keep(file: Path, folder: Path) -> None:
    """Have a file in another folder too: the same one, or a copy where a file can have but one name."""
    try:
        os.link(file, folder / file.name, follow_symlinks=False)
    except OSError:
        shutil.copy2(file, folder / file.name, follow_symlinks=False)


def _retire(old: Path, folder: Path, replaces: str) -> None:
    """Take away the older folder; files that somebody put there in the last moment move to the newer one."""
    for file in set(old.iterdir()) - set(old.glob(replaces)):
        if not os.path.lexists(folder / file.name):
            file.rename(folder / file.name)
    shutil.rmtree(old, ignore_errors=True)


def _put_back(target: Path, replaces: str) -> None:
    """Undo or finish what a kill has interrupted."""
    if target.exists():
        _retire(_aside(target), target, replaces)
    else:
        _aside(target).rename(target)


def _replace_folder(new: Path, target: Path, replaces: str) -> None:
    check_folder(target)
    for file in set(target.iterdir()) - set(target.glob(replaces)):
        if not os.path.lexists(new / file.name):
            _keep(file, new)
    shutil.copymode(target, new)
    _retire(_take_place(new, target), target, replaces)


@contextmanager
def hold_folder(folder: Path) -> Iterator[bool]:
    """Hold a folder while the block runs; yields whether it is certain that nobody else is at work there.

    No kill leaves it held. Windows and some network drives cannot lock a folder: others may be there then.

    Raises:
        BlockingIOError: another process, or another thread of this one, holds it.
        OSError: it is missing or cannot be read.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        alone = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            alone = False
        yield alone
    finally:
        os.close(handle)


def _remove_left_parts(target: Path) -> None:
    """Take away what kills have left of :func:`atomic_folder` for ``target``.

    Who writes in one holds it since before it had a file; an empty one may be about to be held.
    """
    begun = re.compile(re.escape(_beginning(target)) + r"\d+-\d+\.parts")
    with suppress(OSError):  # a folder that cannot be read keeps them
        for parts in [place for place in target.parent.iterdir() if begun.fullmatch(place.name)]:
            if any(parts.iterdir()):
                with suppress(BlockingIOError), hold_folder(parts) as alone:
                    if alone:
                        shutil.rmtree(parts, ignore_errors=True)


@contextmanager
def atomic_folder(path: str | Path, replaces: str) -> Iterator[Path]:
    """Yield an empty temporary folder; it becomes ``path`` when the block ends without an error.

    A folder that stands there is replaced as a whole: whoever looks, or is left with it by a kill, has all
    of the older files that match the pattern ``replaces``, or all of the new ones. Other files in it stay,
    but for those of the same name as a new one.
    After an error nothing is left behind, and the folder is as it was. What a kill leaves under a hidden name
    goes with the next call. Where a system cannot exchange two names at one stroke, which Linux can, a kill
    between two renames leaves the older folder under such a name, and the next call puts it back.

    Raises:
        InputError: see :func:`check_folder`.
        OSError: the folder cannot be written to.
    """
    target = Path(path).resolve()
    if _aside(target).is_dir():
        _put_back(target, replaces)
    check_folder(target)
    with _made_folder(target.parent), _said_by_the_system(target):
        temporary = _temporary_name(target, ".parts")
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_left_parts(target)
        try:
            temporary.mkdir()
            with hold_folder(temporary):
                yield temporary
                if not target.exists():
                    temporary.rename(target)
                else:
                    _replace_folder(temporary, target, replaces)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(target: Path) -> None:
    """Take away what kills have left of :func:`atomic_path` for ``target``; nobody may be writing it."""
    begun = re.compile(re.escape(_beginning(target)) + r"\d+-\d+" + re.escape(target.suffix))
    for file in target.parent.iterdir():
        if begun.fullmatch(file.name):
            file.unlink(missing_ok=True)
