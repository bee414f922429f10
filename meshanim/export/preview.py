"""MP4 and GIF: a performance to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.performance import Performance
from meshanim.rendering import render_frames
from meshanim.vision import write_gif, write_video


def _pictures(
    performance: Performance, size: tuple[int, int], yaw: float, progress: Progress | None
) -> Iterator[NDArray[np.uint8]]:
    for index, picture in enumerate(render_frames(performance, size, yaw)):
        yield picture
        if progress is not None:
            progress(index + 1, performance.frame_count)


def write_mp4(
    performance: Performance,
    path: Path,
    progress: Progress | None = None,
    size: tuple[int, int] = (512, 512),
    yaw: float = 0.0,
) -> None:
    """Write H.264 video at the performance's frame rate, with its sound where it has one.

    Args:
        performance: what to show.
        path: the ``.mp4`` file.
        progress: told the frames done and in all.
        size: (height, width) in pixels.
        yaw: degrees that the camera stands to the side; positive shows more of the head's left side.
    """
    sound = None if performance.waveform is None else performance.waveform.detach().cpu().numpy()
    with atomic_path(path) as place:
        pictures = _pictures(performance, size, yaw, progress)
        write_video(place, pictures, performance.fps, sound, performance.sample_rate)


def write_gif_preview(
    performance: Performance,
    path: Path,
    progress: Progress | None = None,
    size: tuple[int, int] = (320, 320),
    yaw: float = 0.0,
) -> None:
    """Write a looping GIF; arguments as for :func:`write_mp4`."""
    with atomic_path(path) as place:
        write_gif(place, _pictures(performance, size, yaw, progress), performance.fps)
