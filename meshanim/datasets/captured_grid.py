"""GRID clips with captured performances: real voices, and what the faces on the videos did.

The clips are not part of the project: whoever has them names their folder. The performances, made once by
``benchmarks/capture_grid.py`` and kept fixed, are in ``data/research`` of a checkout; GRID is for research,
so that they are not installed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from meshanim._check import InputError, check_choice
from meshanim._files import atomic_path
from meshanim.audio.sound import SPEECH_RATE, read_sound, resample
from meshanim.datasets.spoken_clips import grid_sentence
from meshanim.datasets.utterances import SPLITS, Utterance

PERFORMANCES = Path(__file__).parents[2] / "data" / "research" / "grid-performances.safetensors"
TRACKS = ("weights", "head_motion", "identity")
_SPEAKER = "s1"
_TRAIN, _VALIDATION = 80, 90


def grid_splits(names: Sequence[str]) -> dict[str, str]:
    """Split of each clip, named ``folder/sentence``.

    In ``s1``, sorted by name, the first 80 train, the next 10 validate and the others test; so do the clips
    of all other folders.
    """
    own = sorted(name for name in names if name.startswith(f"{_SPEAKER}/"))
    splits = dict.fromkeys(sorted(names), "test")
    splits |= dict.fromkeys(own[:_TRAIN], "train")
    return splits | dict.fromkeys(own[_TRAIN:_VALIDATION], "validation")


def clip_digest(path: Path) -> str:
    """SHA-256 of a clip's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_performances(
    path: str | Path, clips: Mapping[str, Mapping[str, Tensor]], known: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write captured clips, by name ``folder/sentence``, to one file.

    Args:
        path: of the file.
        clips: ``weights`` (T, 52), kept with 16 bits, ``head_motion`` (T, 6) and ``identity`` (I,).
        known: ``fps`` and ``sha256`` of each clip.
    """
    tensors = {
        f"{name}.{track}": clip[track].half() if track == "weights" else clip[track].float()
        for name, clip in clips.items()
        for track in TRACKS
    }
    rows = json.dumps({name: dict(known[name]) for name in clips})
    with atomic_path(path) as made:
        save_file({name: value.contiguous() for name, value in tensors.items()}, made, {"clips": rows})


class CapturedGrid(Sequence[Utterance]):
    """One split of the captured clips, each read as it is asked for.

    Args:
        folder: of the clips, ``s1/*.mpg`` and ``speakers/*.mpg``.
        split: ``train``, ``validation`` or ``test``, as in :func:`grid_splits`.
        performances: the file of captured performances; the checkout's by default.

    Raises:
        InputError: an unknown split, no such folder, no performances, a clip that is missing; on reading,
            another one than was captured.
    """

    def __init__(
        self, folder: str | Path, split: str = "train", performances: str | Path = PERFORMANCES
    ) -> None:
        check_choice("split", split, SPLITS)
        self.folder, self.split, self._path = Path(folder), split, Path(performances)
        if not self.folder.is_dir():
            raise InputError(f"folder must hold the clips of GRID, got {self.folder}, which is none")
        if not self._path.is_file():
            own = ", which is in a checkout of meshanim only" if self._path == PERFORMANCES else ""
            raise InputError(f"performances must be a file that capture_grid.py made, got {self._path}{own}")
        try:
            with safe_open(self._path, "pt") as file:
                self._clips: dict[str, Any] = json.loads(file.metadata()["clips"])
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise InputError(f"{self._path} must hold captured clips, got {error!r}") from None
        splits = grid_splits(list(self._clips))
        self.names = [name for name, part in splits.items() if part == split]
        for name in self.names:
            self._clip(name)

    def __repr__(self) -> str:
        return f"CapturedGrid({self.split}: {len(self)} clips)"

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, item: int) -> Utterance: ...
    @overload
    def __getitem__(self, item: slice) -> list[Utterance]: ...
    def __getitem__(self, item: int | slice) -> Utterance | list[Utterance]:
        if isinstance(item, slice):
            return [self._utterance(name) for name in self.names[item]]
        return self._utterance(self.names[item])

    def tracks(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (T, 52), head motion (T, 6) and identity (I,) of one clip, by its name."""
        clip = self._clip(name)
        if clip_digest(clip) != self._clips[name]["sha256"]:
            raise InputError(f"{clip} must be the clip that was captured, got another of this name")
        with safe_open(self._path, "pt") as file:
            weights, motion, identity = (file.get_tensor(f"{name}.{track}").float() for track in TRACKS)
        return weights, motion, identity

    def _clip(self, name: str) -> Path:
        clip = self.folder / f"{name}.mpg"
        if not clip.is_file():
            raise InputError(f"folder must hold the clip {name}.mpg, got {self.folder} without it")
        return clip

    def _utterance(self, name: str) -> Utterance:
        tracks = self.tracks(name)
        speaker, sentence = name.split("/")
        return Utterance(
            name,
            speaker if speaker == _SPEAKER else f"{speaker}/{sentence}",
            grid_sentence(sentence) or sentence,
            resample(read_sound(self.folder / f"{name}.mpg"), SPEECH_RATE),
            self._clips[name]["fps"],
            *tracks,
            split=self.split,
        )
