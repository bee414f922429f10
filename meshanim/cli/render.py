"""``meshanim render``: a performance and a picture of somebody in, a video of that person out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim.cli.options import Quiet, fps_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from meshanim.cli.progress import Steps
    from meshanim.performance import Performance
    from meshanim.talking_heads import Appearance, Renderer

_VIDEO, _ANIMATION = ".mp4", ".gif"


def render(
    source: Annotated[
        Path, typer.Argument(help="Performance: any file that convert reads, but .csv.", show_default=False)
    ],
    reference: Annotated[
        Path, typer.Option(help="Who it looks like: a picture or a video of one face.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The video, .mp4 or .gif.")],
    audio: Annotated[
        Path | None, typer.Option(help="The voice, in place of the performance's.", show_default=False)
    ] = None,
    renderer: Annotated[str, typer.Option(help="polynomial, tcsan or mesh.")] = "mesh",
    weights: Annotated[
        str | None, typer.Option(help="Of the renderer, by name or folder; a checkout's own by default.")
    ] = None,
    fps: Annotated[float | None, fps_option("Of a source that states none; as for convert.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of what polynomial draws by chance, such as blinks; 0 by default.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Render a performance as a talking head."""
    import torch

    from meshanim._check import InputError, check_seed
    from meshanim.audio import read_sound
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources, read_performance
    from meshanim.faces import load_face, retarget
    from meshanim.talking_heads import load_renderer

    if output.suffix.lower() not in (_VIDEO, _ANIMATION):
        raise InputError(f"the output must end in {_VIDEO} or {_ANIMATION}, got {str(output)!r}")
    check_targets([output])
    keep_sources([output], source, reference, audio)
    check_seed(seed or 0)
    drawing = load_renderer(renderer, weights)
    if seed is not None and not drawing.chance:
        raise InputError(
            f"seed must be left out for {drawing.name}, which draws nothing by chance, got {seed}"
        )
    performance = _with_units(read_performance(source, fps))
    if drawing.name == "mesh":
        performance = _recognised(performance)
    with Steps(quiet) as steps:
        if audio is not None:
            voice = read_sound(audio)
            performance = replace(performance, waveform=voice.waveform, sample_rate=voice.sample_rate)
        drawing.check(performance)
        appearance = _appearance(reference, drawing, performance, steps)
        if performance.waveform is not None:
            performance = _in_step(performance, steps)
        if appearance.identity is not None:
            performance = retarget(performance, load_face("anny"), appearance.identity)
        frames = drawing.stream(performance, appearance, torch.Generator().manual_seed(seed or 0))
        _write(output, frames, drawing, performance, steps)


def _with_units(performance: Performance) -> Performance:
    """The performance with the action units that its ARKit weights show, where it brings none."""
    from meshanim.audio import SPEECH_UNITS
    from meshanim.faces import ARKIT_NAMES
    from meshanim.faces.facs import action_units_from_arkit

    weights, names = performance.weights, performance.weight_names
    if performance.action_units is not None or weights is None or not set(names) & set(ARKIT_NAMES):
        return performance
    return replace(performance, action_units=action_units_from_arkit(weights, names, SPEECH_UNITS))


def _in_step(performance: Performance, steps: Steps) -> Performance:
    """Sound and motion of one length: the shorter goes on with silence or its last frame."""
    assert performance.waveform is not None and performance.sample_rate is not None
    heard = len(performance.waveform) / performance.sample_rate
    frames = max(performance.frame_count, round(heard * performance.fps))
    if frames > performance.frame_count:
        steps.say(
            f"the motion ends after {performance.duration:.2f} s; its last frame is held to {heard:.2f} s"
        )
    elif heard + 1 / performance.fps <= performance.duration:
        steps.say(f"the sound ends after {heard:.2f} s; silence follows to {performance.duration:.2f} s")
    return performance.lasting(frames)


def _appearance(reference: Path, drawing: Renderer, performance: Performance, steps: Steps) -> Appearance:
    """From the picture alone; for the built-in face as a mesh, with the shape and skin that capture finds."""
    from meshanim.talking_heads import Appearance

    if drawing.name == "mesh" and performance.face_model == "anny":
        from meshanim.capture import capture
        from meshanim.faces import load_face

        appearance = capture(reference, load_face("anny"), steps.step).appearance
        if appearance.eyes is None:
            steps.say(f"{reference.name} shows no eye that is open and clear: the built-in head's are drawn")
        return appearance
    appearance = Appearance.from_video(reference)
    if drawing.name == "mesh":
        steps.say(f"only the built-in head wears a person's skin: this mesh goes without {reference.name}'s")
    return appearance


def _recognised(performance: Performance) -> Performance:
    """The performance, said to be of the built-in head where it does not say, but has its triangles."""
    import torch

    from meshanim.faces import load_face

    own = load_face("anny").neutral.faces
    if performance.face_model is None and torch.equal(performance.neutral.faces, own):
        return replace(performance, face_model="anny")
    return performance


def _write(output: Path, chunks: Iterator, drawing: Renderer, performance: Performance, steps: Steps) -> None:
    from meshanim._files import atomic_path
    from meshanim.vision import write_gif, write_video

    fps = drawing.fps or performance.fps
    total, report = round(performance.duration * fps), steps.step(output.name)

    def frames() -> Iterator[NDArray[np.uint8]]:
        done = 0
        for chunk in chunks:
            yield from chunk.numpy()
            done += len(chunk)
            report(done, max(done, total))

    sound = None if performance.waveform is None else performance.waveform.numpy()
    with atomic_path(output) as place:
        if output.suffix.lower() == _ANIMATION:
            write_gif(place, frames(), fps)
        else:
            write_video(place, frames(), fps, sound, performance.sample_rate)
    steps.say(f"written: {output}")
