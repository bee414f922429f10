"""Expressions4D: 180 people performing six expressions, made here so that anyone can make it again.

It stands where the 4DFAB corpus stands in Potamias et al. 2020 (section 5.1): 180 subjects, six posed
expressions each, captured at 60 frames per second and sampled every 5 frames, 153 subjects to train on and
27 to test on. Nothing in it was recorded: shapes come from a face model, motion from
:mod:`meshanim.datasets.performing`, and the face is moved by :class:`meshanim.faces.Articulation` (the jaw
turns, lids slide on the eyeball, units are carried to each identity by its deformation gradient), so that no
linear basis is exact on it.

Limits: one model draws all faces; nobody speaks, turns the head, wrinkles or has teeth that show through
flesh; styles are Gaussian; and the part of a style that the shape foretells does so linearly, through the six
leading principal components of the neutral shapes. Real people are less obliging.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from meshanim._check import check_choice, check_item, check_range, check_seed
from meshanim._files import atomic_folder, cache_folder
from meshanim._progress import Progress
from meshanim.datasets._kept import MappedArray, make_array, reading_kept
from meshanim.datasets._seeds import generator_of
from meshanim.datasets.performing import (
    STYLE_SIZE,
    Style,
    Timing,
    draw_timing,
    involuntary_weights,
    voluntary_weights,
    weight_track,
)
from meshanim.faces import ARKIT_NAMES, Articulation, FaceModel
from meshanim.faces.facs import EXPRESSIONS

FPS = 12.0
SUBJECTS = 180
TEST_SHARE = 0.15
SHAPE_FEATURES = 6
LEAST_EXTREMENESS = 0.05
_FORMAT = 4


@dataclass(frozen=True)
class ExpressionSequence:
    """One person performing one expression.

    Attributes:
        subject: number of the person in the corpus.
        expression: one of the six emotions.
        neutral: (V, 3) the person at rest, metres.
        labels: (T, 6) label track: linear onset and offset, scaled by the extremeness (eq 6).
        vertices: (T, V, 3) metres.
        timing: when the phases begin, seconds.
        fps: frames per second.
    """

    subject: int
    expression: str
    neutral: Tensor
    labels: Tensor
    vertices: Tensor
    timing: Timing
    fps: float = FPS


def extremeness(deformation: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Scale of a sequence's label (Potamias et al. 2020, eq 6).

    Args:
        deformation: mean distance of the sequence's vertices from the neutral face.
        mean, deviation: of that figure over the training sequences of the expression.

    Returns:
        Values in [LEAST_EXTREMENESS, 1]. The equation reaches 0, at which the label would no longer name
        the expression, while the paper's text says (0, 1]; hence the floor.
    """
    scaled = (((deformation - mean) / deviation).clamp(-1, 1) + 1) / 2
    return scaled.clamp(min=LEAST_EXTREMENESS)


def shape_features(neutrals: Tensor) -> Tensor:
    """Leading principal components (S, SHAPE_FEATURES) of shapes (S, V, 3), each of unit variance."""
    shapes = neutrals.flatten(1).double()
    scores, scale, _ = torch.linalg.svd(shapes - shapes.mean(dim=0), full_matrices=False)
    scores = torch.where(scale > 1e-6 * scale[0], scores, torch.zeros(()))[:, :SHAPE_FEATURES]
    largest = scores.gather(0, scores.abs().argmax(dim=0, keepdim=True))
    scores = scores * torch.where(largest < 0, -1.0, 1.0) * len(shapes) ** 0.5
    return torch.nn.functional.pad(scores, (0, SHAPE_FEATURES - scores.shape[1])).float()


def draw_styles(neutrals: Tensor, predictable: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Styles (S, STYLE_SIZE) of people, and the part that their shape foretells.

    Every entry has unit variance, of which ``predictable`` is a fixed random combination of the shape
    features, and the rest the person's own.
    """
    mixing = torch.randn(SHAPE_FEATURES, STYLE_SIZE, generator=generator)
    mixing = mixing / mixing.norm(dim=0, keepdim=True)
    own = torch.randn(len(neutrals), STYLE_SIZE, generator=generator)
    foretold = predictable**0.5 * shape_features(neutrals) @ mixing
    return foretold + (1 - predictable) ** 0.5 * own, foretold


class Expressions4D:
    """The corpus on one face model; sequences are made once, stored in the cache, and read from there.

    Args:
        face: the face model; Anny's people are 60 female and 120 male, 5 to 75 years old, other models' are
            drawn from their identity coefficients.
        split: ``train`` or ``test``; 15 % of the subjects, drawn at random, are the test set.
        seed: of everything random; the same seed gives the same bytes.
        predictable: share of the variance of styles that the neutral shape foretells.
        subjects: how many people.
        progress: called with subjects done and their number while the corpus is made.

    Raises:
        InputError: an unknown split, a share outside [0, 1], fewer than 4 subjects.
    """

    def __init__(
        self,
        face: FaceModel,
        split: str = "train",
        seed: int = 0,
        predictable: float = 0.5,
        subjects: int = SUBJECTS,
        progress: Progress | None = None,
    ) -> None:
        check_choice("split", split, ("train", "test"))
        check_range("predictable", predictable, 0, 1)
        check_range("subjects", subjects, 4)
        check_seed(seed)
        self.face, self.split, self.seed, self.predictable = face, split, seed, predictable
        self.identities = face.sample_population(generator_of(seed, 1), subjects)
        self.neutrals = torch.stack([face.vertices(identity) for identity in self.identities])
        self.styles, self.foretold = draw_styles(self.neutrals, predictable, generator_of(seed, 2))
        self._mover = 0, Articulation(face, self.identities[0])
        order = torch.randperm(subjects, generator=generator_of(seed, 3)).tolist()
        held_out = max(1, round(TEST_SHARE * subjects))
        self.test_subjects, self.train_subjects = sorted(order[:held_out]), sorted(order[held_out:])
        self.subjects = self.train_subjects if split == "train" else self.test_subjects
        self.folder = cache_folder() / "corpora" / self._digest()
        if not (self.folder / "index.json").is_file():
            self._make(progress)
        self._open()

    def _digest(self) -> str:
        # of what is drawn and read, not of what is computed, whose last bits depend on the number of threads
        key = hashlib.sha256(json.dumps([_FORMAT, self.face.name, self.seed, self.predictable]).encode())
        for tensor in (self.identities, self.face.units, self.face.neutral.faces):
            key.update(tensor.contiguous().numpy().tobytes())
        return f"expressions4d-{key.hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self.subjects) * len(EXPRESSIONS)

    def _take(self, subject: int, emotion: str) -> tuple[Timing, Tensor, float, torch.Generator]:
        generator = generator_of(self.seed, 4, subject, EXPRESSIONS.index(emotion))
        timing = draw_timing(generator)
        times = torch.arange(0, timing.end, 1 / FPS)
        strength = float(torch.exp(0.2 * torch.randn((), generator=generator)))
        return timing, times, strength, generator

    def _perform(self, subject: int, emotion: str) -> tuple[Timing, Tensor]:
        timing, times, strength, generator = self._take(subject, emotion)
        style = Style.from_vector(self.styles[subject])
        parts = [
            voluntary_weights(emotion, style, timing, times, strength),
            involuntary_weights(times, generator),
        ]
        return timing, weight_track(parts, ARKIT_NAMES)

    def _moved(self, subject: int, weights: Tensor) -> Tensor:
        with torch.no_grad():
            if self._mover[0] != subject:
                self._mover = subject, Articulation(self.face, self.identities[subject])
            return self._mover[1].vertices(self.face.weights_from_arkit(weights))

    def _make(self, progress: Progress | None) -> None:
        takes = [
            (subject, emotion, *self._perform(subject, emotion))
            for subject in range(len(self.neutrals))
            for emotion in EXPRESSIONS
        ]
        lengths = [len(weights) for *_, weights in takes]
        with atomic_folder(self.folder, replaces="*") as folder:
            shape = (sum(lengths), *self.neutrals.shape[1:])
            frames = make_array(folder / "frames.npy", np.float32, shape)
            deformation, start = [], 0
            for done, (subject, _, _, weights) in enumerate(takes):
                moved = self._moved(subject, weights)
                frames[start : start + len(moved)] = moved.numpy()
                deformation.append(float((moved - self.neutrals[subject]).norm(dim=-1).mean()))
                start += len(moved)
                if progress is not None:
                    progress(done + 1, len(takes))
            frames.flush()
            (folder / "index.json").write_text(json.dumps({"lengths": lengths, "deformation": deformation}))

    def _open(self) -> None:
        with reading_kept(self.folder):
            index = json.loads((self.folder / "index.json").read_text())
            self._frames = MappedArray(self.folder / "frames.npy")
            self._starts = np.concatenate([[0], np.cumsum(index["lengths"])])
            self.deformation = torch.tensor(index["deformation"]).view(-1, len(EXPRESSIONS))
        known = self.deformation[self.train_subjects]
        self.deformation_mean, self.deformation_deviation = known.mean(dim=0), known.std(dim=0)
        self.extremeness = extremeness(self.deformation, self.deformation_mean, self.deformation_deviation)

    def _place(self, item: int) -> tuple[int, str]:
        item = check_item("item", item, len(self))
        return self.subjects[item // len(EXPRESSIONS)], EXPRESSIONS[item % len(EXPRESSIONS)]

    def labels(self, item: int) -> Tensor:
        """Label track (T, 6) of one sequence, in [0, 1]."""
        subject, emotion = self._place(item)
        timing, times, _, _ = self._take(subject, emotion)
        column = EXPRESSIONS.index(emotion)
        track = torch.zeros(len(times), len(EXPRESSIONS))
        marks = np.array([timing.onset, timing.apex, timing.offset, timing.rest])
        level = torch.from_numpy(np.interp(times.numpy(), marks, [0.0, 1.0, 1.0, 0.0])).float()
        track[:, column] = level * self.extremeness[subject, column]
        return track

    def __iter__(self) -> Iterator[ExpressionSequence]:
        return (self[item] for item in range(len(self)))

    def __getitem__(self, item: int) -> ExpressionSequence:
        subject, emotion = self._place(item)
        take = subject * len(EXPRESSIONS) + EXPRESSIONS.index(emotion)
        frames = self._frames[self._starts[take] : self._starts[take + 1]]
        vertices = torch.from_numpy(np.array(frames))
        timing = self._take(subject, emotion)[0]
        return ExpressionSequence(
            subject, emotion, self.neutrals[subject], self.labels(item), vertices, timing
        )

    def oracle(self, item: int) -> Tensor:
        """Vertices (T, V, 3) from all that could be known beforehand: a bound, not a model.

        It knows the corpus' rules, the label track, the face, and the part of the person's style that the
        shape foretells; the person's own part and the involuntary movement it takes at their mean. The
        strength is set so that the mean deformation is what the label's extremeness says.
        """
        subject, emotion = self._place(item)
        timing, times, _, _ = self._take(subject, emotion)
        column = EXPRESSIONS.index(emotion)
        scale = self.extremeness[subject, column]
        wanted = self.deformation_mean[column] + (2 * scale - 1) * self.deformation_deviation[column]
        style, strength = Style.from_vector(self.foretold[subject]), torch.tensor(1.0)
        for _ in range(3):
            part = voluntary_weights(emotion, style, timing, times, strength)
            moved = self._moved(subject, weight_track([part], ARKIT_NAMES))
            strength = strength * wanted / (moved - self.neutrals[subject]).norm(dim=-1).mean()
        return moved
