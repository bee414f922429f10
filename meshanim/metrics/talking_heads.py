"""All figures of one talking head beside the true one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError, check_range, check_shape
from meshanim.audio import Sound, log_mel_windows
from meshanim.metrics.action_units import action_unit_scores, units_in_neither
from meshanim.metrics.blinks import eye_closure, find_blinks
from meshanim.metrics.likeness import content_distance, cosine_similarity
from meshanim.metrics.lip_sync import REACH, AVOffset, av_offset
from meshanim.metrics.mouth_landmarks import mouth_landmark_distance
from meshanim.metrics.pictures import mouth_region, psnr_db, ssim
from meshanim.metrics.sharpness import cpbd
from meshanim.vision import (
    LipSyncNetwork,
    embed_face,
    find_landmarks,
    follow_landmarks,
    mouth_pictures,
    shown_frames,
    whole_track,
)
from meshanim.vision.lip_sync import BANDS, STEPS, WINDOW

EMBEDDED = 5
"""Every so many frames one is embedded: who somebody is changes slowly."""

Embedding = Callable[[NDArray[np.uint8], NDArray], NDArray]
"""From a picture (H, W, 3) and its landmarks (68, 2) to (E,), such as :func:`meshanim.vision.embed_face`."""
UnitDetector = Callable[[Tensor, Tensor], Tensor]
"""From frames (T, H, W, 3) uint8 and landmarks (T, 68, 2) to (T, A), above 0.5 where a unit is there."""


class Filmed(Protocol):
    """What is compared, such as :class:`Film` or :class:`meshanim.datasets.TalkingClip`."""

    @property
    def frames(self) -> Tensor: ...  # noqa: D102
    @property
    def landmarks(self) -> Tensor: ...  # noqa: D102
    @property
    def fps(self) -> float: ...  # noqa: D102
    @property
    def sound(self) -> Sound | None: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one face, and its voice where there is one.

    Attributes:
        frames: (T, H, W, 3) uint8.
        landmarks: (T, 68, 2) in pixels.
        fps: frames per second.
        sound: beside the frames.
    """

    frames: Tensor
    landmarks: Tensor
    fps: float
    sound: Sound | None = None

    def __post_init__(self) -> None:
        check_range("fps", self.fps, 0, open_low=True)
        check_shape("frames", self.frames, (None, None, None, 3))
        check_shape("landmarks", self.landmarks, (len(self.frames), 68, 2))

    @classmethod
    def watch(cls, frames: Tensor, fps: float, sound: Sound | None = None, name: str = "film") -> Self:
        """Find the face in frames, those of a crop as well as whole pictures.

        Raises:
            InputError: no face in half of them; the message names the film.
            MissingExtra: the extra ``vision`` is not installed.
        """
        landmarks = whole_track(follow_landmarks(frames.numpy()), name)
        return cls(frames, torch.from_numpy(landmarks).float(), fps, sound)

    def first(self, count: int) -> Self:
        """The first frames alone; the sound stays whole."""
        return type(self)(self.frames[:count], self.landmarks[:count], self.fps, self.sound)


def score_talking_head(
    predicted: Filmed,
    truth: Filmed,
    reference: Tensor | None = None,
    lip_sync: LipSyncNetwork | None = None,
    embedding: tuple[str, Embedding] | None = ("dlib", embed_face),
    units: UnitDetector | None = None,
) -> dict[str, float]:
    """Figures of a predicted film by name, units in the names; see each metric for its definition.

    Those that need no true film beside them are there for the true one too, with ``_truth`` at the end.
    Figures that a missing judge would give are left out, as is a blink's duration where nobody blinks.

    Args:
        predicted: the frames that a model made.
        truth: of the same size, rate and length.
        reference: (H, W, 3) uint8 picture of the person; the first true frame by default.
        lip_sync: judges picture and sound, the predicted film's own or, without one, the true one's.
        embedding: name and function of the embedding of faces; every fifth frame is embedded.
        units: tells action units from frames.

    Raises:
        InputError: films of different sizes, rates or lengths, or a reference without a face.
        MissingExtra: torchmetrics is not installed.
    """
    check_shape("predicted frames", predicted.frames, tuple(truth.frames.shape))
    if predicted.fps != truth.fps:
        raise InputError(f"predicted must have the truth's {truth.fps:g} frames/s, got {predicted.fps:g}")
    scores = _beside(predicted, truth)
    if units is not None:
        said, shown = (units(film.frames, film.landmarks) for film in (predicted, truth))
        scores["au_f1"], scores["au_accuracy"] = action_unit_scores(said, shown).mean
        scores["au_absent"] = float(units_in_neither(said, shown).sum())
    known = None if embedding is None else (embedding[1], _reference(reference, truth, embedding[1]))
    for film, ending in ((predicted, ""), (truth, "_truth")):
        alone = {"cpbd": cpbd(film.frames), **_blinks(film)}
        if embedding is not None and known is not None:
            embedded = _embedded(film, known[0])
            alone[f"acd_{embedding[0]}"] = content_distance(embedded, known[1])
            alone[f"csim_{embedding[0]}"] = cosine_similarity(embedded, known[1])
        heard = film.sound or truth.sound
        if lip_sync is not None and heard is not None:
            alone |= _synchrony(lip_sync, film, heard)
        scores |= {name + ending: value for name, value in alone.items()}
    return scores


def _beside(predicted: Filmed, truth: Filmed) -> dict[str, float]:
    """Figures of the one film beside the other."""
    height, width = truth.frames.shape[1:3]
    mouth = mouth_region(truth.landmarks, (height, width))
    cut = mouth.cut(predicted.frames), mouth.cut(truth.frames)
    distance = mouth_landmark_distance(predicted.landmarks, truth.landmarks)
    return {
        "psnr_db": psnr_db(predicted.frames, truth.frames),
        "psnr_mouth_db": psnr_db(*cut),
        "ssim": ssim(predicted.frames, truth.frames),
        "ssim_mouth": ssim(*cut),
        "lmd_px": distance.px,
        "lmd_interocular": distance.interocular,
    }


def _blinks(film: Filmed) -> dict[str, float]:
    blinks = find_blinks(eye_closure(film.landmarks), film.fps)
    duration = blinks.mean_duration_s
    return {"blinks_per_s": blinks.rate_per_s} | ({} if duration is None else {"blink_duration_s": duration})


def _reference(picture: Tensor | None, truth: Filmed, embed: Embedding) -> Tensor:
    """The reference's embedding."""
    if picture is None:
        return torch.from_numpy(embed(truth.frames[0].numpy(), truth.landmarks[0].double().numpy()))
    landmarks = find_landmarks(picture.numpy())
    if landmarks is None:
        raise InputError("reference must show a face, got none")
    return torch.from_numpy(embed(picture.numpy(), landmarks))


def _embedded(film: Filmed, embed: Embedding) -> Tensor:
    pairs = zip(film.frames[::EMBEDDED].numpy(), film.landmarks[::EMBEDDED].double().numpy(), strict=True)
    return torch.from_numpy(np.stack([embed(frame, points) for frame, points in pairs]))


def _synchrony(network: LipSyncNetwork, film: Filmed, sound: Sound) -> dict[str, float]:
    """Offset and confidence; nothing for a film too short to seek the offset in."""
    found = measure_offset(network, film, sound)
    return {} if found is None else {"av_offset_frames": found.frames, "av_confidence": found.confidence}


@torch.no_grad()
def measure_offset(network: LipSyncNetwork, film: Filmed, sound: Sound) -> AVOffset | None:
    """How late a film's picture is by a network's judgement, in frames at the network's rate.

    Args:
        network: the judge, in evaluation.
        film: brought to the network's rate by repeating and leaving out frames.
        sound: beside the frames.

    Returns:
        None where there are too few frames to seek an offset within :data:`REACH`.
    """
    shown = torch.from_numpy(shown_frames(len(film.frames), film.fps, network.fps))
    windows = log_mel_windows(sound, network.fps, BANDS, STEPS)
    count = min(len(shown), len(windows))
    if count - WINDOW + 1 < 2 * REACH:
        return None
    mouths = mouth_pictures(film.frames[shown[:count]], film.landmarks[shown[:count]])
    seen, heard = network(mouths[None], windows[None, :count])
    return av_offset(seen[0], heard[0])
