"""A voice in, a face that speaks out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape
from meshanim._progress import Progress
from meshanim.audio.sound import SPEECH_RATE, Sound, resample
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.faces.articulation import ArticulatedMover
from meshanim.performance import Performance, check_frames
from meshanim.synthesis.acting import Acting, EyeControl, columns_of
from meshanim.synthesis.blinks import Blinks
from meshanim.synthesis.gaze import LOOKS, Gaze, gaze_directions
from meshanim.synthesis.lips import Lips

BLOCK = SPEECH_RATE
"""Samples that are heard at once: a second."""
BUILT_IN = "anny"
"""Face whose identities speech models know; others get the speech of the mean person."""

BLINKS, GAZE = Blinks(), Gaze()
"""What eyes do of themselves."""


class LipModel(Protocol):
    """What moves the lips, such as :class:`meshanim.synthesis.SpeechModel`."""

    def stream(
        self, blocks: Iterable[Tensor], identity: Tensor | None = None, fps: float = 25.0
    ) -> Iterator[Tensor]:
        """ARKit weights in blocks (n, 52) of waveforms (m,) at 16 kHz."""


class HeadControl(Protocol):
    """What moves the head, such as :class:`meshanim.synthesis.HeadMotionModel`."""

    def head_motion(self, sound: Sound, *, fps: float) -> Tensor:
        """Head motion (T, 6): axis-angle in radians, then translation in metres."""


def spoken_names(face: FaceModel) -> tuple[str, ...]:
    """Those of ARKit's names whose shapes a face has, by which it speaks.

    Raises:
        InputError: it has none.
    """
    own = face.arkit_mapping.any(dim=1).tolist()
    if not any(own):
        count = len(face.weight_names)
        raise InputError(f"face {face.name} must have ARKit shapes to speak, got {count} other ones")
    return tuple(name for name, known in zip(ARKIT_NAMES, own, strict=True) if known)


def speak(
    sound: Sound,
    face: FaceModel,
    model: LipModel,
    identity: Tensor | None = None,
    fps: float = 25.0,
    blinks: EyeControl | None = BLINKS,
    gaze: EyeControl | None = GAZE,
    head: HeadControl | None = None,
    amplitude: float = 1.0,
    emotion: Mapping[str, float] | str | None = None,
    progress: Progress | None = None,
) -> Performance:
    """A face speaks what is heard; its lips follow the sound, and all else its own control.

    Nothing here has the size of all vertices: ten minutes take as much memory as their sound and curves. No
    gradients reach the sound; see :meth:`meshanim.synthesis.SpeechModel.weights_of` for them.

    Args:
        sound: a voice, at any sample rate.
        face: with all or some of ARKit's shapes; what it lacks is left out.
        model: from sound to ARKit weights.
        identity: (I,) coefficients of the face; the mean face without them.
        fps: frames per second, any positive number.
        blinks: :class:`Blinks`, :class:`ClipBlinks`, or None for none.
        gaze: :class:`Gaze`, :class:`ClipGaze`, or None for eyes that look straight ahead.
        head: a :class:`HeadMotionModel`, :class:`ClipHead`, :class:`ClipHeadStyle`, or None for a still one.
        amplitude: how many times as widely as the model has it the mouth moves; lips close all the same.
        emotion: expression under the speech, ``happy:0.5``, or a mixture; closed lips stay closed.
        progress: told the frames done and in all.

    Returns:
        A performance by ARKit's weights, those that the face has, with the sound; its jaw turns and its lids
        slide.

    Raises:
        InputError: a face without ARKit's shapes, an identity that is not its own, a number out of range.
    """
    check_range("fps", fps, 0, open_low=True)
    check_frames(sound.duration, fps)
    if identity is not None:
        check_finite("identity", identity)
        check_shape("identity", identity, (len(face.identity_names),))
        identity = identity.to(face.units)
    names = spoken_names(face)
    own = columns_of(names)
    mapping = face.arkit_mapping[own]
    mover = ArticulatedMover(face, identity, mapping)
    acting = Acting(Lips(face, mover.articulation), fps, blinks, gaze, amplitude, emotion)
    known = identity if face.name == BUILT_IN and face.identity_names else None
    said = (block.to(face.units) for block in model.stream(_heard(sound), known, fps))
    weights = _acted(acting, said, sound.frame_count(fps), progress)
    return Performance(
        neutral=face.neutral.with_vertices(face.rest(identity)),
        fps=fps,
        weights=weights[:, own],
        basis=torch.einsum("ak,kvc->avc", mapping, face.basis(identity)),
        weight_names=names,
        mover=mover,
        face_model=face.name,
        identity=identity,
        labels=acting.label.expand(len(weights), -1) if bool(acting.label.any()) else None,
        head_motion=None if head is None else head.head_motion(sound, fps=fps).to(face.units),
        gaze=gaze_directions(weights[:, columns_of(LOOKS)]),
        waveform=sound.waveform.detach().clamp(-1, 1),
        sample_rate=sound.sample_rate,
    )


@torch.no_grad()
def _heard(sound: Sound) -> Iterator[Tensor]:
    yield from resample(sound, SPEECH_RATE).waveform.split(BLOCK)


def _acted(
    acting: Acting,
    speech: Iterator[Tensor],
    count: int,
    progress: Progress | None,
) -> Tensor:
    """ARKit weights (T, 52) of blocks (n, 52) of speech, each acted with what lies around it."""
    near, first, done = torch.zeros(0, len(ARKIT_NAMES)), 0, 0
    acted = []
    for block, last in _telling_the_last(speech):
        near = torch.cat([near.to(block), block])
        settled = first + len(near) - (0 if last else acting.reach)
        if settled > done or last:
            acted.append(acting.weights(near, first)[done - first : settled - first])
            done = settled
            if progress is not None:
                progress(done, count)
        passed = max(0, done - acting.reach - first)
        near, first = near[passed:], first + passed
    return torch.cat(acted)


def _telling_the_last(blocks: Iterable[Tensor]) -> Iterator[tuple[Tensor, bool]]:
    """Each block, and whether none follows."""
    coming = iter(blocks)
    block = next(coming, None)
    while block is not None:
        following = next(coming, None)
        yield block, following is None
        block = following
