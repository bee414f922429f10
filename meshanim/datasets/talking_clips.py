"""Real talking heads: faces cut from published clips at a fixed place and size, beside their voices.

Landmarks and crops are made once and kept in the cache. No corpus is part of the project: whoever has one
names its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_choice, check_range, check_shape
from meshanim._progress import Progress
from meshanim.audio import Sound
from meshanim.datasets._watched import ClipCache
from meshanim.datasets.captured_grid import PERFORMANCES, CapturedGrid, grid_splits
from meshanim.datasets.spoken_clips import SpokenClip, grid_sentence
from meshanim.datasets.utterances import SPLITS
from meshanim.vision import FaceCrop, shown_frames


@dataclass(frozen=True, eq=False)
class TalkingClip:
    """One person says one sentence, seen in a crop; immutable.

    Attributes:
        name: of the clip, unique for its speaker.
        speaker: the corpus' name of the person.
        text: what is said, where it is known.
        split: ``train``, ``validation`` or ``test``, where the corpus has one.
        fps: frames per second; frame t is seen at t / fps seconds.
        frames: (T, H, W, 3) uint8 RGB.
        landmarks: (T, 68, 2) column and row in the frames' pixels.
        sound: the voice at 16 kHz, T / fps seconds.
        weights: (T, 52) ARKit weights, where the face was captured.
        head_motion: (T, 6) of the captured face, canonical to posed head.
        identity: (I,) coefficients of the built-in face, of the captured one.

    Raises:
        InputError: tracks of different lengths, or a wrong shape.
    """

    name: str
    speaker: str
    text: str | None
    split: str | None
    fps: float
    frames: Tensor
    landmarks: Tensor
    sound: Sound
    weights: Tensor | None = None
    head_motion: Tensor | None = None
    identity: Tensor | None = None

    def __post_init__(self) -> None:
        check_range("fps", self.fps, 0, open_low=True)
        check_shape("frames", self.frames, (None, None, None, 3))
        check_shape("landmarks", self.landmarks, (self.frame_count, 68, 2))
        for name, size in (("weights", 52), ("head_motion", 6)):
            track = getattr(self, name)
            if track is not None:
                check_shape(name, track, (self.frame_count, size))

    def __repr__(self) -> str:
        height, width = self.frames.shape[1:3]
        return (
            f"TalkingClip({self.name}: {self.frame_count} frames of {height} x {width} at {self.fps:g} fps)"
        )

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.frames)

    @property
    def duration(self) -> float:
        """Seconds, T / fps."""
        return self.frame_count / self.fps


class TalkingClips(Sequence[TalkingClip]):
    """Clips of a published corpus in one crop, such as one part of what ``split_by_speaker`` gives.

    All that were not cut before are cut first; one that is stopped goes on with the next clip.

    Args:
        clips: of :func:`read_grid`, :func:`read_tcd_timit` or :func:`read_crema_d`.
        crop: where the face is to be.
        fps: frames per second that all clips are brought to, by repeating and leaving out frames; each
            clip's own by default.
        progress: called with clips done and their number.

    Raises:
        InputError: no clip; or one without sound, or without a face in half of its frames.
        MissingExtra: the extra ``vision`` is not installed, and a clip has not been cut yet.
    """

    def __init__(
        self,
        clips: Sequence[SpokenClip],
        crop: FaceCrop,
        fps: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        if not clips:
            raise InputError("clips must hold at least one, got none")
        self.clips, self.crop, self.fps, self._cache = clips, crop, fps, ClipCache()
        for done, clip in enumerate(clips):
            if not self._cache.has(clip, crop):
                self._cache.crops(clip, crop)
            if progress is not None:
                progress(done + 1, len(clips))

    def __repr__(self) -> str:
        height, width = self.crop.size
        return f"{type(self).__name__}({len(self)} clips of {height} x {width})"

    def __len__(self) -> int:
        return len(self.clips)

    @overload
    def __getitem__(self, item: int) -> TalkingClip: ...
    @overload
    def __getitem__(self, item: slice) -> list[TalkingClip]: ...
    def __getitem__(self, item: int | slice) -> TalkingClip | list[TalkingClip]:
        if isinstance(item, slice):
            return [self._clip(place) for place in range(*item.indices(len(self)))]
        return self._clip(range(len(self))[item])

    def _clip(self, item: int) -> TalkingClip:
        spoken = self.clips[item]
        watched = self._cache.watched(spoken)
        frames, landmarks = self._cache.crops(spoken, self.crop)
        rate = self.fps or watched.fps
        if rate != watched.fps:
            shown = torch.from_numpy(shown_frames(len(frames), watched.fps, rate))
            frames, landmarks = frames[shown], landmarks[shown]
        tracks = (spoken.name, spoken.speaker, spoken.text, spoken.split, rate, frames, landmarks)
        return TalkingClip(*tracks, _as_long(watched.sound, len(frames) / rate), *self._captured(item))

    def _captured(self, item: int) -> tuple[Tensor, ...]:
        """Weights, head motion and identity, where they are known."""
        return ()


class GridVideos(TalkingClips):
    """One split of GRID clips in one crop, with their captured performances where these are known.

    Args:
        folder: of the clips, ``s1/*.mpg`` and ``speakers/*.mpg``.
        crop: where the face is to be.
        split: ``train``, ``validation`` or ``test``, as in :func:`grid_splits`.
        performances: the file of captured performances; the checkout's by default, where there is one.
        progress: called with clips done and their number.

    Raises:
        InputError: an unknown split, no such folder, a clip that is missing or has no face; on reading,
            another clip than was captured.
    """

    def __init__(
        self,
        folder: str | Path,
        crop: FaceCrop,
        split: str = "train",
        performances: str | Path = PERFORMANCES,
        progress: Progress | None = None,
    ) -> None:
        check_choice("split", split, SPLITS)
        root = Path(folder)
        if not root.is_dir():
            raise InputError(f"folder must hold the clips of GRID, got {root}, which is none")
        known = Path(performances).is_file()
        self.captured = CapturedGrid(root, split, performances) if known else None
        names = self.captured.names if self.captured else _names(root, split)
        super().__init__([_grid_clip(root, name, split) for name in names], crop, progress=progress)

    def _captured(self, item: int) -> tuple[Tensor, ...]:
        if self.captured is None:
            return ()
        return self.captured.tracks(self.captured.names[item])


def _names(root: Path, split: str) -> list[str]:
    found = [f"{path.parent.name}/{path.stem}" for path in root.glob("*/*.mpg")]
    return [name for name, part in grid_splits(found).items() if part == split]


def _grid_clip(root: Path, name: str, split: str) -> SpokenClip:
    video, (place, sentence) = root / f"{name}.mpg", name.split("/")
    # speakers/ has a person a clip
    speaker = name if place == "speakers" else place
    return SpokenClip(name, speaker, grid_sentence(sentence), video, video, split=split)


def _as_long(sound: Sound, seconds: float) -> Sound:
    """The sound, so long: cut, or silence added, since films are often some milliseconds off their sound."""
    samples = round(seconds * sound.sample_rate)
    missing = max(0, samples - len(sound.waveform))
    return Sound(functional.pad(sound.waveform, (0, missing))[:samples], sound.sample_rate)
