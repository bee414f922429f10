"""Utterance: what one person said, and what the face and the head did meanwhile; one format of all speech."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from meshanim._check import InputError, check_choice, check_range, check_shape
from meshanim.audio.phones import Phone
from meshanim.audio.sound import Sound
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.performance import Performance

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Utterance:
    """One spoken sentence; immutable.

    Attributes:
        name: of the utterance, unique in its corpus.
        speaker: the corpus' name of the voice.
        text: what is said.
        sound: the voice, mono.
        fps: frames per second; frame t is seen at t / fps seconds.
        weights: (T, 52) ARKit weights in the order of ARKIT_NAMES, of the face in its own axes.
        head_motion: (T, 6) axis-angle in radians, then translation in metres, canonical to posed head.
        identity: (I,) coefficients of the built-in face.
        phones: the sounds in time, where they are known.
        head_style: name of the head motion's style, where it has one.
        split: ``train``, ``validation`` or ``test``.

    Raises:
        InputError: tracks of different lengths, a wrong shape, an unknown split.
    """

    name: str
    speaker: str
    text: str
    sound: Sound
    fps: float
    weights: Tensor
    head_motion: Tensor
    identity: Tensor
    phones: tuple[Phone, ...] = ()
    head_style: str | None = None
    split: str = "train"

    def __post_init__(self) -> None:
        check_range("fps", self.fps, 0, open_low=True)
        check_shape("weights", self.weights, (None, len(ARKIT_NAMES)))
        if self.frame_count == 0:
            raise InputError("an utterance must have at least one frame, got none")
        check_shape("head_motion", self.head_motion, (self.frame_count, 6))
        check_shape("identity", self.identity, (None,))
        check_choice("split", self.split, SPLITS)

    def __repr__(self) -> str:
        return f"Utterance({self.name}: {self.frame_count} frames at {self.fps:g} fps of {self.text!r})"

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.weights)

    @property
    def duration(self) -> float:
        """Seconds, T / fps."""
        return self.frame_count / self.fps

    def performance(self, face: FaceModel) -> Performance:
        """The utterance on a face: the built-in one with its identity, another as its mean.

        Vertices are linear in the weights; for motion along arcs see :func:`meshanim.faces.articulate`.
        """
        own = face.name == "anny"
        identity = self.identity if own else face.default_identity
        return Performance(
            face.neutral.with_vertices(face.rest(identity)),
            self.fps,
            weights=face.weights_from_arkit(self.weights),
            basis=face.basis(identity),
            weight_names=face.weight_names,
            face_model=face.name,
            identity=identity,
            head_motion=self.head_motion,
            waveform=self.sound.waveform,
            sample_rate=self.sound.sample_rate,
        )
