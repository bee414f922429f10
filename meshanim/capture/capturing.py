"""A clip or a photo in, a performance and an appearance out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._check import InputError
from meshanim._progress import Progress, Steps, silent
from meshanim.audio import Sound, find_sound
from meshanim.capture.landmark_fit import LandmarkFit, Person
from meshanim.capture.look import Look
from meshanim.capture.references import choose_references
from meshanim.capture.refinement import Refinement
from meshanim.capture.residuals import State
from meshanim.capture.slits import shut_slits
from meshanim.faces import FaceModel
from meshanim.performance import Performance
from meshanim.rendering import Camera
from meshanim.talking_heads.appearance import Appearance
from meshanim.vision import (
    IMAGE_SUFFIXES,
    Video,
    find_only_face,
    follow_landmarks,
    read_image,
    read_landmarks,
    read_video,
)

_PHOTO_FPS = 25.0
REFERENCES = 8


class Captured(NamedTuple):
    """What a clip shows, who it shows, and the landmarks (T, 68, 2) seen, in pixels, NaN where none."""

    performance: Performance
    appearance: Appearance
    landmarks: Tensor


def is_photo(path: str | Path) -> bool:
    """Whether a file is named as a still picture is."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


class Clip:
    """A video, or a photo as a clip of one frame.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._video: Video | None = None if is_photo(path) else read_video(path)
        self._photo = read_image(path) if self._video is None else None
        self.fps = _PHOTO_FPS if self._video is None else self._video.fps
        self.size = self._video.size if self._video is not None else self._photo.shape[:2]  # type: ignore[union-attr]
        self.expected_frames = 1 if self._video is None else self._video.expected_frames

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """(H, W, 3) uint8 frames, read anew each time."""
        if self._video is not None:
            yield from self._video.frames()
        elif self._photo is not None:
            yield self._photo

    def sound(self) -> Sound | None:
        """In step with the frames, where there is any."""
        return None if self._video is None else find_sound(self.path)


def capture(path: str | Path, face: FaceModel, progress: Steps = silent) -> Captured:
    """Fit a face model to the face in a clip or photo.

    The largest face is followed through the clip; a photo must show one alone. Where it is hidden for some
    frames, the motion is bridged.

    Args:
        path: a video, or a still picture.
        face: a model that names the 68 landmarks.
        progress: called with the name of each step, gives the callback that is told done and total.

    Raises:
        InputError: no face in any frame, several of like size in a photo, or a file that is neither video
            nor picture.
        MissingExtra: dlib or its weights are not installed.
        OSError: the file is missing or cannot be read.
    """
    clip = Clip(path)
    landmarks = find_clip_landmarks(clip, progress("finding landmarks"))
    fit = LandmarkFit(face, shut_slits(landmarks), clip.size, clip.fps)
    person = fit.person()
    state, look = fit.track(person, progress("fitting landmarks")), None
    if face.neutral.uv is not None:
        refinement = Refinement(clip.frames, fit, person, landmarks)
        state = refinement.refine(state, refinement.look(state), progress("fitting pixels"))
        look = refinement.bare_look(state)
    performance, camera = _performance(clip, fit, person, state)
    return Captured(performance, _appearance(clip, performance, camera, landmarks, look), landmarks)


def find_clip_landmarks(clip: Clip, progress: Progress) -> Tensor:
    """(T, 68, 2) of all frames; a photo must show one face."""
    if is_photo(clip.path):
        photo = next(clip.frames())
        return torch.from_numpy(read_landmarks(photo, find_only_face(photo, str(clip.path))))[None]
    found = []
    missing = np.full((68, 2), np.nan)
    for points in follow_landmarks(clip.frames()):
        found.append(missing if points is None else points)
        progress(len(found), max(len(found), clip.expected_frames))
    landmarks = torch.from_numpy(np.stack(found))
    if bool(landmarks.isnan().all()):
        frames = f"any of its {len(landmarks)} frames"
        raise InputError(f"{clip.path} must show a face that looks towards the camera, got none in {frames}")
    return landmarks


def _performance(clip: Clip, fit: LandmarkFit, person: Person, state: State) -> tuple[Performance, Camera]:
    """What was fitted, in a world whose origin is where the head mostly is, and its camera."""
    face, identity = fit.face, person.identity.float()
    origin = state.pose[:, 3:].median(dim=0).values
    weights = torch.zeros(len(state.weights), len(face.weight_names))
    weights[:, fit.points.units] = state.weights.float()
    sound = clip.sound()
    performance = Performance(
        neutral=face.neutral.with_vertices(face.rest(identity)),
        fps=clip.fps,
        weights=weights,
        basis=face.basis(identity),
        weight_names=face.weight_names,
        face_model=face.name,
        identity=identity,
        head_motion=torch.cat([state.pose[:, :3], state.pose[:, 3:] - origin], dim=1).float(),
        waveform=None if sound is None else sound.waveform,
        sample_rate=None if sound is None else sound.sample_rate,
    )
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    focal, (height, width) = float(person.focal), clip.size
    matrix = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return performance, Camera(matrix, flip, flip @ origin.float(), (height, width))


def _appearance(
    clip: Clip, performance: Performance, camera: Camera, landmarks: Tensor, look: Look | None
) -> Appearance:
    """Reference frames of different poses and expressions, read in a second walk through the clip."""
    assert performance.weights is not None and performance.head_motion is not None
    assert performance.identity is not None and performance.face_model is not None
    seen = (~landmarks.isnan().any(dim=(1, 2))).nonzero().flatten()
    chosen = seen[choose_references(performance.weights[seen], performance.head_motion[seen], REFERENCES)]
    wanted = set(chosen.tolist())
    pictures = (image for index, image in enumerate(clip.frames()) if index in wanted)
    return Appearance.cut(
        pictures,
        landmarks[chosen],
        head_motion=performance.head_motion[chosen],
        weights=performance.weights[chosen],
        camera=camera,
        face_model=performance.face_model,
        identity=performance.identity,
        texture=None if look is None else look.texture,
        light=None if look is None else look.light.coefficients,
    )
