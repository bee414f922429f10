"""What is found in a clip once and kept in the cache: landmarks, sound; and crops, a file for each rule."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from meshanim._files import atomic_path, cache_folder
from meshanim.audio import SPEECH_RATE, Sound, read_sound, resample
from meshanim.datasets._kept import reading_kept
from meshanim.datasets.spoken_clips import SpokenClip
from meshanim.vision import FaceCrop, cut_clip, follow_landmarks, read_video, whole_track

_FORMAT = 1
"""Goes up where landmarks, the rule of a crop or its cutting change."""
_BEGINNING = 2**16
"""Bytes of a file that, with its length, tell it from others: films differ in their first frames."""


@dataclass(frozen=True, eq=False)
class Watched:
    """A clip without its pictures.

    Attributes:
        landmarks: (T, 68, 2) float32 in the pictures' pixels.
        sound: at 16 kHz, as long as it is in the file.
        fps: frames per second.
    """

    landmarks: Tensor
    sound: Sound
    fps: float


class ClipCache:
    """The folder of what clips were found to hold; files are named by the clips' content.

    Several processes may fill it at once; one that is stopped leaves whole files only.
    """

    def __init__(self) -> None:
        self.folder = cache_folder() / "corpora" / f"talking-clips-{_FORMAT}"

    def watched(self, clip: SpokenClip) -> Watched:
        """Landmarks and sound of a clip.

        Raises:
            InputError: no video, no sound, or no face in half the frames.
        """
        path = self.folder / f"{_content(clip.video, clip.sound)}.safetensors"
        if not path.is_file():
            _keep(path, *_watch(clip))
        with reading_kept(path), safe_open(path, "pt") as file:
            landmarks, waveform = file.get_tensor("landmarks"), file.get_tensor("waveform")
            return Watched(landmarks, Sound(waveform, SPEECH_RATE), float(file.metadata()["fps"]))

    def crops(self, clip: SpokenClip, crop: FaceCrop) -> tuple[Tensor, Tensor]:
        """Frames (T, H, W, 3) uint8 in a crop, which stay on disk until they are looked at, and landmarks."""
        path = self._crops_path(clip, crop)
        if not path.is_file():
            _keep(path, _cut(clip, crop, self.watched(clip).landmarks), {"crop": repr(crop)})
        with reading_kept(path), safe_open(path, "pt") as file:
            return file.get_tensor("frames"), file.get_tensor("landmarks")

    def has(self, clip: SpokenClip, crop: FaceCrop) -> bool:
        """Whether the clip has been watched and cut before."""
        return self._crops_path(clip, crop).is_file()

    def _crops_path(self, clip: SpokenClip, crop: FaceCrop) -> Path:
        rule = hashlib.sha256(repr(crop).encode()).hexdigest()[:8]
        size = "x".join(str(side) for side in crop.size)
        return self.folder / f"{_content(clip.video, clip.sound)}-{size}-{rule}.safetensors"


def _content(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(path.stat().st_size.to_bytes(8, "little") + file.read(_BEGINNING))
    return digest.hexdigest()[:32]


def _keep(path: Path, tensors: dict[str, Tensor], about: dict[str, str]) -> None:
    with atomic_path(path) as made:
        save_file(tensors, made, about)


def _watch(clip: SpokenClip) -> tuple[dict[str, Tensor], dict[str, str]]:
    video = read_video(clip.video)
    landmarks = whole_track(follow_landmarks(video.frames()), str(clip.video))
    waveform = resample(read_sound(clip.sound), SPEECH_RATE).waveform
    return {"landmarks": torch.from_numpy(landmarks).float(), "waveform": waveform}, {"fps": repr(video.fps)}


def _cut(clip: SpokenClip, crop: FaceCrop, landmarks: Tensor) -> dict[str, Tensor]:
    frames, moved = cut_clip(read_video(clip.video).frames(), landmarks.double().numpy(), crop)
    return {"frames": torch.from_numpy(frames), "landmarks": torch.from_numpy(moved).float()}
