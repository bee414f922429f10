"""``meshanim evaluate``: how good one video of a talking head is, beside the true one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from meshanim.cli.progress import Steps
    from meshanim.metrics import Film
    from meshanim.vision import FaceCrop, LipSyncNetwork, Video

_LIP_SYNC, _CLASSIFIER = "research/lip-sync-grid", "research/unit-classifier-grid"
"""Trained on GRID, which is for research: in a checkout, not in an installed package."""
_LARGEST = 2**31
"""Bytes of a film's frames, which are all in memory at once."""
_SAME_RATE = 0.01
"""Frames/s by which rates may differ and be one: files round them."""
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
    truth: Annotated[
        Path,
        typer.Argument(help="The true one, of the same size and rate; see --renderer.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .json file for the figures.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A picture of the person; the first true frame by default.")
    ] = None,
    renderer: Annotated[
        str | None,
        typer.Option(
            help="polynomial or tcsan, if it made the video: the true one, whole, is cut as it draws."
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="A trained lip-sync network, by folder; a checkout's by default.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the figures.")] = False,
) -> None:
    """Compare two videos of a talking face, frame by frame: pictures, lips, likeness, blinks, synchrony."""
    from meshanim._check import InputError
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources
    from meshanim.metrics import score_talking_head
    from meshanim.vision import read_video

    if output is not None and output.suffix.lower() != ".json":
        raise InputError(f"output must end in .json, got {output}")
    if output is not None:
        check_targets([output], (".json",))
        keep_sources([output], prediction, truth, reference)
    crop = None if renderer is None else _crop(renderer)
    picture = None if reference is None else _person(reference)
    videos = read_video(prediction), read_video(truth)
    fps = videos[1].fps if crop is None else videos[0].fps
    _check_alike(*videos, crop)
    with Steps(quiet) as steps:
        network, units = _judge(judge, steps), _unit_reader(steps)
        film = _watched(videos[0], fps, steps)
        true = _watched(videos[1], fps, steps) if crop is None else _cut(videos[1], crop, fps, steps)
        made, real = _as_long(film, true, steps)
        if made.sound is None and real.sound is None:
            steps.say("neither video has sound: figures of picture and sound are left out")
        scores = score_talking_head(made, real, picture, network, units=units)
    _show(scores)
    if output is not None:
        about = {"frames": len(real.frames), "fps": real.fps, "size": list(videos[0].size)}
        _write(output, {"prediction": str(prediction), "truth": str(truth), **about}, scores)


def _person(path: Path) -> Tensor:
    """A picture with a face in it."""
    import torch

    from meshanim._check import InputError
    from meshanim.vision import find_landmarks, read_image

    picture = read_image(path)
    if find_landmarks(picture) is None:
        raise InputError(f"{path} must show a face, got none")
    return torch.from_numpy(picture)


def _crop(renderer: str) -> FaceCrop:
    """Where a renderer's frames have the face."""
    from meshanim._check import check_choice
    from meshanim.talking_heads import CROPS

    check_choice("renderer", renderer, CROPS)
    return CROPS[renderer]


def _check_alike(prediction: Video, truth: Video, crop: FaceCrop | None) -> None:
    """Raise unless two videos can be compared frame by frame, the true one cut where there is a crop."""
    from meshanim._check import InputError

    wanted, whose = (truth.size, "true one's") if crop is None else (crop.size, "renderer's")
    if prediction.size != wanted:
        sizes = "{} x {}, got {} x {}".format(*wanted, *prediction.size)
        hint = "; --renderer cuts a true one to what a renderer draws" if crop is None else ""
        raise InputError(f"{prediction.path} must have the {whose} size, {sizes}{hint}")
    if crop is None and abs(prediction.fps - truth.fps) > _SAME_RATE:
        raise InputError(
            f"{prediction.path} must have the true one's {truth.fps:g} frames/s, got {prediction.fps:g}"
        )


def _judge(name: str | None, steps: Steps) -> LipSyncNetwork | None:
    from meshanim._check import InputError
    from meshanim.vision import LipSyncNetwork

    try:
        return LipSyncNetwork.from_pretrained(name or _LIP_SYNC)
    except InputError:
        if name is not None:
            raise
        steps.say("no trained lip-sync network is here: figures of picture and sound are left out")
        return None


def _unit_reader(steps: Steps) -> Callable[[Tensor, Tensor], Tensor] | None:
    from meshanim._check import InputError
    from meshanim.vision import UnitClassifier

    try:
        return UnitClassifier.from_pretrained(_CLASSIFIER).see
    except InputError:
        steps.say("no trained classifier of action units is here: their figures are left out")
        return None


def _watched(video: Video, fps: float, steps: Steps) -> Film:
    """A video with the face in it, at a rate that is its own but for rounding."""
    import numpy as np
    import torch

    from meshanim.audio import find_sound
    from meshanim.metrics import Film

    _check_room(video, video.size)
    frames = np.stack(list(video.frames()))
    landmarks = torch.from_numpy(_followed(video, frames, steps)).float()
    return Film(torch.from_numpy(frames), landmarks, fps, find_sound(video.path))


def _cut(video: Video, crop: FaceCrop, fps: float, steps: Steps) -> Film:
    """The face in a video as a crop has it, brought to a rate by repeating and leaving out frames."""
    import torch

    from meshanim.audio import find_sound
    from meshanim.metrics import Film
    from meshanim.vision import cut_clip, shown_frames

    _check_room(video, crop.size)
    frames, landmarks = cut_clip(video.frames(), _followed(video, video.frames(), steps), crop)
    if abs(video.fps - fps) > _SAME_RATE:
        steps.say(f"the true film's {video.fps:g} frames/s are compared at {fps:g}")
        shown = shown_frames(len(frames), video.fps, fps)
        frames, landmarks = frames[shown], landmarks[shown]
    return Film(torch.from_numpy(frames), torch.from_numpy(landmarks).float(), fps, find_sound(video.path))


def _check_room(video: Video, size: tuple[int, int]) -> None:
    """Raise where the frames of a video at this size take too much memory."""
    from meshanim._check import InputError

    frame = 3 * size[0] * size[1]
    if frame * video.expected_frames > _LARGEST:
        raise InputError(
            f"{video.path} must have at most {_LARGEST // frame} frames of its size to be compared, "
            f"got about {video.expected_frames}: cut it, or make it smaller"
        )


def _followed(video: Video, frames: Iterable[NDArray[np.uint8]], steps: Steps) -> NDArray[np.float64]:
    """(T, 68, 2) landmarks in a video's frames."""
    from meshanim.vision import follow_landmarks, whole_track

    told = steps.step(f"landmarks of {video.path.name}")

    def counted() -> Iterator[NDArray[np.uint8]]:
        for done, frame in enumerate(frames, 1):
            yield frame
            told(done, max(done, video.expected_frames))

    return whole_track(follow_landmarks(counted()), str(video.path))


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
