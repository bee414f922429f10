"""Who draws talking heads on GRID's clips, and how their frames are judged.

Judges are networks of this project, trained on the same man's training clips (``data/research``): a network
of lips and voice, and a classifier of action units. Face embeddings are dlib's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import RUNS
from torch import Tensor

from meshanim.audio import SPEECH_UNITS, Sound
from meshanim.datasets import GridVideos, TalkingClip
from meshanim.faces import ARKIT_NAMES, FaceModel, load_face
from meshanim.faces.facs import action_units_from_arkit, occurring_units
from meshanim.metrics import Film, action_unit_scores, mouth_region, psnr_db, score_talking_head
from meshanim.performance import Performance
from meshanim.talking_heads import Appearance, Renderer, load_renderer
from meshanim.training.unit_losses import OCCURS_FROM
from meshanim.vision import TCSAN_CROP, FaceCrop, LipSyncNetwork, UnitClassifier, embed_face
from meshanim.vision.cropping import STABLE

ROOT = Path(__file__).parents[1]
GRID = ROOT.parent / "shared" / "data" / "grid_sample"
RESEARCH = ROOT / "data" / "research"
LIP_SYNC, CLASSIFIER = RESEARCH / "lip-sync-grid", RESEARCH / "unit-classifier-grid"


def person(clip: TalkingClip, crop: FaceCrop) -> Appearance:
    """Who a clip shows by its first frame, which its crop has already where renderers want it."""
    landmarks = clip.landmarks[:1].clone()
    landmarks[0, list(STABLE)] = torch.from_numpy(crop.stable_places).to(landmarks)
    return Appearance(clip.frames[:1], torch.eye(3)[None, :2], landmarks)


def performance(clip: TalkingClip, face: FaceModel, sound: Sound) -> Performance:
    """What happens in a clip as it was captured, with a voice."""
    weights = torch.zeros(clip.frame_count, 52) if clip.weights is None else clip.weights
    identity = face.default_identity if clip.identity is None else clip.identity
    return Performance(
        face.neutral.with_vertices(face.rest(identity)),
        clip.fps,
        weights=face.weights_from_arkit(weights),
        basis=face.basis(identity),
        weight_names=face.weight_names,
        face_model=face.name,
        identity=identity,
        head_motion=clip.head_motion,
        action_units=action_units_from_arkit(weights, ARKIT_NAMES, SPEECH_UNITS),
        waveform=sound.waveform,
        sample_rate=sound.sample_rate,
    ).lasting(clip.frame_count)


@dataclass(frozen=True)
class Drawn:
    """A trained renderer by its folder; loaded in the process that draws.

    Attributes:
        kind: of :data:`meshanim.talking_heads.RENDERERS`.
        folder: of its weights.
        seed: of what it draws by chance.
    """

    kind: str
    folder: Path
    seed: int = 0

    def __call__(self, clip: TalkingClip, sound: Sound, crop: FaceCrop) -> Tensor:
        """Frames of a clip with a voice."""
        renderer, face = self.load(), load_face("anny")
        generator = torch.Generator().manual_seed(self.seed + _number(clip.name))
        return renderer.render(performance(clip, face, sound), person(clip, crop), generator)

    def load(self) -> Renderer:
        """The renderer."""
        return load_renderer(self.kind, self.folder)


def _number(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


@dataclass(frozen=True)
class Still:
    """The reference frame for all time, or another picture."""

    picture: Tensor | None = None

    def __call__(self, clip: TalkingClip, sound: Sound, crop: FaceCrop) -> Tensor:
        """Frames of a clip with a voice."""
        picture = clip.frames[0] if self.picture is None else self.picture
        return picture.expand_as(clip.frames).contiguous()


Contestant = Callable[[TalkingClip, Sound, FaceCrop], Tensor]
"""Frames (T, H, W, 3) uint8 of a clip, from its first frame and a voice."""


def mean_frame(clips: Sequence[TalkingClip]) -> Tensor:
    """(H, W, 3) uint8 mean of all frames of clips."""
    return torch.stack([clip.frames.double().mean(dim=0) for clip in clips]).mean(dim=0).round().byte()


@dataclass(frozen=True)
class Task:
    """One clip to be judged, in a process of its own.

    Attributes:
        who: draws.
        split: of GRID, and
        place: of the clip in it.
        voice: place of the clip whose voice is heard.
        crop: of the frames.
        full: judge likeness and synchrony too, not pictures, mouths and units alone.
    """

    who: Contestant
    split: str
    place: int
    voice: int
    crop: FaceCrop
    full: bool = True

    def run(self) -> dict[str, Any]:
        """Scores of the clip, and units said and shown in it."""
        torch.set_num_threads(1)
        clips = GridVideos(GRID, self.crop, self.split)
        clip, sound = clips[self.place], clips[self.voice].sound
        frames = self.who(clip, sound, self.crop)
        film = Film.watch(frames, clip.fps, sound, clip.name)
        scores: dict[str, Any] = score_talking_head(
            film,
            clip,
            clip.frames[0],
            LipSyncNetwork.from_pretrained(LIP_SYNC) if self.full else None,
            ("dlib", embed_face) if self.full else None,
        )
        scores |= _pictures(frames, clip)
        if clip.weights is not None:
            scores["said"] = said_units(frames).tolist()
            scores["shown"] = occurring_units(clip.weights, ARKIT_NAMES, SPEECH_UNITS).tolist()
        return scores


def _pictures(frames: Tensor, clip: TalkingClip) -> dict[str, float]:
    """PSNR without the first frame, which everybody is given: drawn as it is, it would be infinite."""
    region = mouth_region(clip.landmarks, (clip.frames.shape[1], clip.frames.shape[2]))
    made, truth = frames[1:], clip.frames[1:]
    return {"psnr_db": psnr_db(made, truth), "psnr_mouth_db": psnr_db(region.cut(made), region.cut(truth))}


@torch.no_grad()
def said_units(frames: Tensor) -> Tensor:
    """(T, 5) bool: units that the classifier sees in frames (T, H, W, 3)."""
    from meshanim.talking_heads import to_network

    classifier = UnitClassifier.from_pretrained(CLASSIFIER)
    pictures = to_network(frames)
    if pictures.shape[-2:] != (112, 112):
        pictures = torch.nn.functional.interpolate(pictures, size=(112, 112), mode="bilinear")
    return classifier(pictures) >= OCCURS_FROM


def _run(task: Task) -> dict[str, Any]:
    return task.run()


@dataclass
class Judge:
    """Judges contestants on one split in one crop, two clips at a time.

    Attributes:
        crop: of all frames.
        split: of GRID.
        places: of the clips in it.
        full: as in :class:`Task`.
    """

    crop: FaceCrop
    split: str = "test"
    places: Sequence[int] = field(default_factory=lambda: test_places(False))
    full: bool = True

    def scores(self, who: Contestant, shift: int = 0) -> dict[str, float]:
        """Means over the clips; medians of offsets; units over all frames.

        Args:
            who: draws.
            shift: clips further on whose voice is heard, round and round.
        """
        count = len(self.places)
        tasks = [
            Task(who, self.split, place, self.places[(index + shift) % count], self.crop, self.full)
            for index, place in enumerate(self.places)
        ]
        with get_context("spawn").Pool(2) as pool:
            rows = pool.map(_run, tasks, chunksize=1)
        return summary(rows)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """One row of many clips' scores."""
    names = dict.fromkeys(name for row in rows for name in row if name not in ("said", "shown"))
    means: dict[str, float] = {}
    for name in names:
        values = [row[name] for row in rows if name in row]
        middle = np.median if name.startswith("av_offset") else np.mean
        means[name] = float(middle(values))
        if name.startswith("av_offset"):
            means[f"{name}_within_1"] = float(np.mean(np.abs(values) <= 1))
    if all("said" in row for row in rows):
        said, shown = (
            torch.tensor([frame for row in rows for frame in row[key]]) for key in ("said", "shown")
        )
        found = action_unit_scores(said, shown)
        means["au_f1_mean"], means["au_accuracy_mean"] = found.mean
        for unit, f1, accuracy in zip(SPEECH_UNITS, found.f1.tolist(), found.accuracy.tolist(), strict=True):
            means[f"au{unit}_f1"], means[f"au{unit}_accuracy"] = f1, accuracy
    return means


def test_places(speakers: bool) -> list[int]:
    """Places in the test split of s1's 18 clips, or of the ten of other speakers that nobody trained on.

    ``speakers/bbaf2n`` is the same file as the training clip of this name.
    """
    clips = GridVideos(GRID, TCSAN_CROP, "test").clips
    places = [place for place, clip in enumerate(clips) if (clip.speaker != "s1") is speakers]
    return [place for place in places if clips[place].name != "speakers/bbaf2n"]


def training_minutes(folder: Path) -> float | None:
    """Minutes from a run's first event to its last, by its TensorBoard files; None where there are none."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    minutes = 0.0
    for events in sorted(folder.rglob("tensorboard")):
        read = EventAccumulator(str(events), size_guidance={"scalars": 0, "images": 1})
        read.Reload()
        tags = read.Tags()["scalars"]
        if tags:
            times = [event.wall_time for event in read.Scalars(tags[0])]
            # the first epoch is told of at its end
            minutes += (times[-1] - times[0]) / 60 * len(times) / max(1, len(times) - 1)
    return minutes or None


def parameters(folder: Path) -> int:
    """Numbers in a model's weights."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118


def config(folder: Path) -> dict[str, Any]:
    """A model's configuration."""
    return json.loads((folder / "config.json").read_text())


PICTURES = RUNS / "talking_heads"
"""Pictures of people on GRID's films stay out of the project."""
