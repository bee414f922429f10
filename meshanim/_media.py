"""Media files through PyAV; on the ground floor, since one room takes their pictures and one their sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from meshanim._check import InputError


@contextmanager
def opened(path: str | Path, kind: str) -> Iterator[av.container.InputContainer]:
    """The container of a media file.

    Raises:
        InputError: it cannot be read as ``kind``, such as "a video".
        OSError: the file is missing.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist, or is not a file")
    try:
        # FFmpeg takes the first part of a relative "take:1.mp4" for a protocol.
        container = av.open(str(Path(path).absolute()))
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"{path} must be {kind}, and cannot be read as one") from error
    with container:
        yield container


def decoded(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator:
    """Frames of one stream as far as they can be decoded: a file may break off anywhere."""
    try:
        yield from container.decode(stream)
    except (av.error.FFmpegError, EOFError):
        return


def start_of(stream: av.stream.Stream) -> float:
    """Seconds at which a stream begins."""
    return float((stream.start_time or 0) * (stream.time_base or 0))
