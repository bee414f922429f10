"""``meshanim capture``: a clip or a photo in, files with the face's motion out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim._progress import Progress
from meshanim.cli.options import BESIDE, WRITTEN, Quiet
from meshanim.cli.writing import say_written

if TYPE_CHECKING:
    from meshanim.capture import Captured

_NEUTRAL, _VIDEO, _PICTURE = ".obj", ".mp4", ".png"


def capture(
    clip: Annotated[Path, typer.Argument(help="A video, or a photo, of a face.", show_default=False)],
    output: Annotated[
        list[str],
        typer.Option(
            "--output",
            "-o",
            help=f"What to write, may be repeated: {WRITTEN}; .obj with the neutral face; .mp4 and .png have "
            f"the face on the frames or the first. {BESIDE}, beside these and .abc the texture as NAME.png.",
        ),
    ],
    face: Annotated[str, typer.Option(help="anny, ict=PATH, flame=PATH, or a mesh file.")] = "anny",
    quiet: Quiet = False,
) -> None:
    """Capture a face from a clip: who it is, how the head moves, and what the face does."""
    from meshanim.capture import capture as captured_from
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources
    from meshanim.faces import load_face

    keep_sources(output, clip, face=face)
    model = load_face(face)
    check_targets(output, (_NEUTRAL, _PICTURE), model.weight_names, texture=True, sound=True)
    with Steps(quiet) as steps:
        captured = captured_from(clip, model, steps.step)
        for path in output:
            say_written(_write(captured, clip, path, steps.step(Path(path).name)), steps)


def _write(captured: Captured, clip: Path, path: str, progress: Progress) -> list[Path]:
    """Write one output; returns the files that it made."""
    from meshanim.export import export, write_obj, written_files

    suffix = "" if path.endswith("/") else Path(path).suffix.lower()
    if suffix == _NEUTRAL:
        write_obj(captured.performance.neutral, path)
    elif suffix in (_VIDEO, _PICTURE):
        _write_overlay(captured, clip, Path(path), progress)
    else:
        export(captured.performance, path, progress, captured.appearance)
        return written_files(captured.performance, path, captured.appearance)
    return [Path(path)]


def _write_overlay(captured: Captured, clip: Path, path: Path, progress: Progress) -> None:
    from meshanim._files import atomic_path
    from meshanim.capture import Clip, Overlay
    from meshanim.vision import write_image, write_video

    performance = captured.performance
    drawn = Overlay(performance, captured.appearance).frames(Clip(clip).frames())
    if path.suffix.lower() == _PICTURE:
        with atomic_path(path) as place:
            write_image(place, next(drawn))
        return

    def counted():
        for index, frame in enumerate(drawn):
            yield frame
            progress(index + 1, performance.frame_count)

    sound = None if performance.waveform is None else performance.waveform.numpy()
    with atomic_path(path) as place:
        write_video(place, counted(), performance.fps, sound, performance.sample_rate)
