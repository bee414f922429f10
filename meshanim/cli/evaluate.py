"""``meshanim evaluate``: how good one video of a talking head is, beside the true one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim._check import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from meshanim.cli.progress import Steps
    from meshanim.metrics import Film
    from meshanim.vision import LipSyncNetwork, Video

_LIP_SYNC, _CLASSIFIER = "research/lip-sync-grid", "research/unit-classifier-grid"
"""Trained on GRID, which is for research: in a checkout, not in an installed package."""
_LARGEST = 2**31
"""Bytes of a film's frames, which are all in memory at once."""
_LABELS = {
    "psnr_db": "PSNR, dB",
    "psnr_mouth_db": "PSNR of the mouth, dB",
    "ssim": "SSIM",
    "ssim_mouth": "SSIM of the mouth",
    "lmd_px": "mouth landmarks off, pixels",
    "lmd_interocular": "mouth landmarks off, eye distances",
    "cpbd": "sharpness, CPBD",
    "acd_dlib": "distance to the reference, dlib's embedding (ACD)",
    "csim_dlib": "cosine to the reference, dlib's embedding (CSIM)",
    "blinks_per_s": "blinks/s",
    "blink_duration_s": "blink duration, s",
    "au_f1": "action units about the mouth, F1",
    "au_accuracy": "action units about the mouth, accuracy",
    "au_absent": "those that neither video shows, each 0 in the mean F1",
    "av_offset_frames": "picture late by, frames",
    "av_confidence": "AV confidence",
}


def evaluate(
    prediction: Annotated[Path, typer.Argument(help="The video that a model made.", show_default=False)],
    truth: Annotated[Path, typer.Argument(help="The true one, of the same size.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .json file for the figures.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A picture of the person; the first true frame by default.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="A trained lip-sync network, by folder; a checkout's by default.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the figures.")] = False,
) -> None:
    """Compare two videos of a talking face, frame by frame: pictures, lips, likeness, blinks, synchrony."""
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets
    from meshanim.metrics import score_talking_head
    from meshanim.vision import read_video

    if output is not None and output.suffix.lower() != ".json":
        raise InputError(f"output must end in .json, got {output}")
    if output is not None:
        check_targets([output], (".json",))
    picture = None if reference is None else _person(reference)
    videos = read_video(prediction), read_video(truth)
    _check_alike(*videos)
    with Steps(quiet) as steps:
        network, units = _judge(judge, steps), _unit_reader(steps)
        made, real = _as_long(_watched(videos[0], steps), _watched(videos[1], steps), steps)
        if made.sound is None and real.sound is None:
            steps.say("neither video has sound: figures of picture and sound are left out")
        scores = score_talking_head(made, real, picture, network, units=units)
    _show(scores)
    if output is not None:
        about = {"frames": len(real.frames), "fps": real.fps, "size": list(videos[1].size)}
        _write(output, {"prediction": str(prediction), "truth": str(truth), **about}, scores)


def _person(path: Path) -> Tensor:
    """A picture with a face in it."""
    import torch

    from meshanim.vision import find_landmarks, read_image

    picture = read_image(path)
    if find_landmarks(picture) is None:
        raise InputError(f"{path} must show a face, got none")
    return torch.from_numpy(picture)


def _check_alike(prediction: Video, truth: Video) -> None:
    """Raise unless two videos can be compared frame by frame."""
    if prediction.size != truth.size:
        sizes = (f"{size[0]} x {size[1]}" for size in (truth.size, prediction.size))
        raise InputError("{} must have the true one's size, {}, got {}".format(prediction.path, *sizes))
    if abs(prediction.fps - truth.fps) > 0.01:
        raise InputError(
            f"{prediction.path} must have the true one's {truth.fps:g} frames/s, got {prediction.fps:g}"
        )


def _judge(name: str | None, steps: Steps) -> LipSyncNetwork | None:
    from meshanim.vision import LipSyncNetwork

    try:
        return LipSyncNetwork.from_pretrained(name or _LIP_SYNC)
    except InputError:
        if name is not None:
            raise
        steps.say("no trained lip-sync network is here: figures of picture and sound are left out")
        return None


def _unit_reader(steps: Steps) -> Callable[[Tensor, Tensor], Tensor] | None:
    from meshanim.vision import UnitClassifier

    try:
        return UnitClassifier.from_pretrained(_CLASSIFIER).see
    except InputError:
        steps.say("no trained classifier of action units is here: their figures are left out")
        return None


def _watched(video: Video, steps: Steps) -> Film:
    """A video with the face in it."""
    import numpy as np
    import torch

    from meshanim.audio import find_sound
    from meshanim.metrics import Film
    from meshanim.vision import follow_landmarks, whole_track

    size = 3 * video.size[0] * video.size[1]
    if size * video.expected_frames > _LARGEST:
        raise InputError(
            f"{video.path} must have at most {_LARGEST // size} frames of its size to be compared, got about "
            f"{video.expected_frames}: cut it, or make it smaller"
        )
    told = steps.step(f"landmarks of {video.path.name}")
    frames = np.stack(list(video.frames()))

    def counted():
        for index, frame in enumerate(frames):
            yield frame
            told(index + 1, len(frames))

    landmarks = torch.from_numpy(whole_track(follow_landmarks(counted()), str(video.path))).float()
    return Film(torch.from_numpy(frames), landmarks, video.fps, find_sound(video.path))


def _as_long(prediction: Film, truth: Film, steps: Steps) -> tuple[Film, Film]:
    """The frames that both have."""
    counts = len(prediction.frames), len(truth.frames)
    if counts[0] != counts[1]:
        steps.say(f"{counts[0]} frames beside {counts[1]} true ones: the first {min(counts)} are compared")
    return prediction.first(min(counts)), truth.first(min(counts))


def _show(scores: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "prediction", "truth", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, label in _LABELS.items():
        cells = [scores.get(name), scores.get(f"{name}_truth")]
        if cells != [None, None]:
            table.add_row(label, *("" if value is None else f"{value:.4g}" for value in cells))
    Console().print(table)


def _write(path: Path, about: dict[str, object], scores: dict[str, float]) -> None:
    """JSON, null where a figure is infinite, as the PSNR of equal frames is."""
    import json
    import math

    from meshanim._files import atomic_path

    finite = {name: value if math.isfinite(value) else None for name, value in scores.items()}
    with atomic_path(path) as place:
        place.write_text(json.dumps({**about, "scores": finite}, indent=1) + "\n", encoding="utf-8")
