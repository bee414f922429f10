"""``meshanim speak``: a voice or a text in, files with a face that speaks it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim.cli.options import Face, Fps, Identity, Joints, Output, Quiet
from meshanim.cli.writing import write_all

if TYPE_CHECKING:
    from meshanim.audio import Sound
    from meshanim.faces import FaceModel
    from meshanim.performance import Performance
    from meshanim.synthesis.acting import EyeControl
    from meshanim.synthesis.speaking import HeadControl

_BUILT_IN_MODEL, _BUILT_IN_VOICE = "speech-small", "en-gb"


def speak(
    output: Output,
    audio: Annotated[
        Path | None, typer.Option(help="The voice: any sound file, or a video's sound.", show_default=False)
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="What to say, in place of --audio; espeak-ng speaks it.")
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(help="Who says the text: a voice of espeak-ng, en-us, en-gb+f2; by default en-gb."),
    ] = None,
    face: Face = "anny",
    model: Annotated[str, typer.Option(help="Trained model, by name or folder.")] = _BUILT_IN_MODEL,
    identity: Identity = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="When eyes blink and wander, and without --identity who, where the face has a choice: drawn "
            "at random from this seed."
        ),
    ] = None,
    emotion: Annotated[
        str | None, typer.Option(help="Expression under the speech: happy:0.5, or a mixture as for animate.")
    ] = None,
    amplitude: Annotated[float, typer.Option(help="How widely the mouth moves, 0 to 3.")] = 1.0,
    blinks: Annotated[
        str, typer.Option(help="Blinks a second, 0 to 1, none, or a file with a captured clip's.")
    ] = "0.28",
    gaze: Annotated[str, typer.Option(help="natural, fixed, or a file with a captured clip's.")] = "natural",
    head: Annotated[
        str,
        typer.Option(
            help="natural, still, a captured clip's file for its motion, or like=FILE for its manner."
        ),
    ] = "natural",
    fps: Fps = 25.0,
    joints: Joints = True,
    quiet: Quiet = False,
) -> None:
    """Let a face speak: a voice, or a text."""
    from meshanim.cli.person import person
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources
    from meshanim.faces import ARKIT_NAMES, load_face
    from meshanim.synthesis import SpeechModel, spoken_names
    from meshanim.synthesis import speak as spoken

    check_targets(output)
    clips = (Path(text.removeprefix("like=")) for text in (blinks, gaze, head))
    keep_sources(output, audio, *filter(Path.is_file, clips), face=face)
    who = load_face(face)
    names = spoken_names(who)
    check_targets(output, weight_names=names, sound=True)
    drawn = seed if identity is None and who.identity_names else None
    coefficients = person(who, identity, drawn)
    eyes = _blinks(blinks, seed or 0, who), _gaze(gaze, seed or 0, who)
    with Steps(quiet) as steps:
        if len(names) < len(ARKIT_NAMES):
            steps.say(f"{who.name} has {len(names)} of ARKit's 52 shapes; what the others do is left out")
        performance = spoken(
            _voice(audio, text, voice),
            who,
            SpeechModel.from_pretrained(model),
            coefficients,
            fps,
            *eyes,
            _head(head, who),
            amplitude,
            emotion,
            progress=steps.step("speaking"),
        )
        write_all(performance, output, steps, who, joints)


def _voice(audio: Path | None, text: str | None, voice: str | None) -> Sound:
    from meshanim._check import InputError
    from meshanim.audio import read_sound

    if (audio is None) == (text is None):
        came = "neither" if audio is None else "both"
        raise InputError(f"the voice must come from --audio or from --text, got {came}")
    if audio is not None and voice is not None:
        raise InputError(f"--voice says a --text and must be left out with --audio, got {voice!r}")
    if audio is not None:
        return read_sound(audio)
    from meshanim.audio.espeak import speak_text

    assert text is not None
    return speak_text(text, voice or _BUILT_IN_VOICE).sound


def _clip(path: str, option: str, words: str, face: FaceModel) -> Performance:
    from meshanim._check import InputError
    from meshanim.export import read_performance

    if not Path(path).suffix:
        raise InputError(f"--{option} must be {words} or a file, got {path!r}")
    return read_performance(path, face=face if Path(path).suffix.lower() == ".csv" else None)


def _blinks(text: str, seed: int, face: FaceModel) -> EyeControl | None:
    from meshanim.synthesis import Blinks, ClipBlinks

    if text == "none":
        return None
    try:
        rate = float(text)
    except ValueError:
        return ClipBlinks(_clip(text, "blinks", "blinks a second, none", face))
    return Blinks(rate, seed) if rate else None


def _gaze(text: str, seed: int, face: FaceModel) -> EyeControl | None:
    from meshanim.synthesis import ClipGaze, Gaze

    if text == "natural":
        return Gaze(seed)
    return None if text == "fixed" else ClipGaze(_clip(text, "gaze", "natural, fixed", face))


def _head(text: str, face: FaceModel) -> HeadControl | None:
    from meshanim.synthesis import ClipHead, ClipHeadStyle, HeadMotionModel

    if text == "still":
        return None
    if text == "natural":
        return HeadMotionModel.from_pretrained()
    manner = text.removeprefix("like=")
    clip = _clip(manner, "head", "natural, still, like=FILE", face)
    return ClipHead(clip) if manner == text else ClipHeadStyle(HeadMotionModel.from_pretrained(), clip)
