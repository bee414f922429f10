"""Fitting of the linear expression learner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from meshanim._check import check_range
from meshanim.audio import NOISE_DECIBELS, Sound, mix_noise
from meshanim.datasets.utterances import Utterance
from meshanim.faces import FaceModel
from meshanim.mesh import Blendshapes
from meshanim.synthesis.expression_learner import ExpressionLearner, ExpressionLearnerConfig, landmark_shapes

EXPRESSION_LEARNER = ExpressionLearnerConfig()
_LEAST_RIDGE = 1e-9
"""Of an input's mean square, so that one that never varies is not divided by."""


@dataclass(frozen=True)
class ExpressionLearnerRecipe:
    """Recipe of an expression learner.

    Attributes:
        noisy: how often each utterance is heard with noise, 6 to 30 dB below it, besides once without.
        ridge: of the regression, as a share of each input's variance; neighbouring spectra are much alike.
        seed: of the noise.
        model: the sizes.
    """

    noisy: int = 1
    ridge: float = 1e-3
    seed: int = 0
    model: ExpressionLearnerConfig = EXPRESSION_LEARNER

    def __post_init__(self) -> None:
        check_range("noisy", self.noisy, 0)
        check_range("ridge", self.ridge, 0, open_low=True)


class _Clip(NamedTuple):
    """One utterance as it is learned from: landmarks (T, 68, 3) and the same at rest (68, 3)."""

    sound: Sound
    fps: float
    landmarks: Tensor
    rest: Tensor


def train_expression_learner(
    utterances: Sequence[Utterance], face: FaceModel, recipe: ExpressionLearnerRecipe
) -> ExpressionLearner:
    """Fit a learner to utterances on a face, by least squares in one go: it is what steps would lead to.

    Args:
        utterances: training set.
        face: the built-in one, whose identities the utterances have, or another, whose mean then speaks.
        recipe: the settings.

    Raises:
        InputError: no more frames than components, or a face that does not name the landmarks.
    """
    model = ExpressionLearner(recipe.model)
    clips = _clips(utterances, face)
    model.landmarks.fit(lambda: (clip.landmarks for clip in clips))
    outcome = _least_squares(_equations(model, clips, recipe), recipe.ridge)
    with torch.no_grad():
        model.regression.weight.copy_(outcome[:-1].mT)
        model.regression.bias.copy_(outcome[-1])
    return model.eval()


def _clips(utterances: Sequence[Utterance], face: FaceModel) -> list[_Clip]:
    clips: list[_Clip] = []
    known: dict[bytes, Blendshapes] = {}
    for utterance in utterances:
        own = utterance.identity if face.name == "anny" else None
        person = b"" if own is None else own.numpy().tobytes()
        if person not in known:
            known[person] = landmark_shapes(face, own)
        shapes = known[person]
        landmarks = shapes.vertices(face.weights_from_arkit(utterance.weights))
        clips.append(_Clip(utterance.sound, utterance.fps, landmarks, shapes.rest))
    return clips


def _equations(
    model: ExpressionLearner, clips: Sequence[_Clip], recipe: ExpressionLearnerRecipe
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs (T, D), a one at their end, and outputs (T, K), of each utterance without noise and with."""
    generator = torch.Generator().manual_seed(recipe.seed)
    for clip in clips:
        reference = model.landmarks.encode(clip.rest)
        wanted = model.landmarks.encode(clip.landmarks) - reference
        for take in range(1 + recipe.noisy):
            decibels = NOISE_DECIBELS[int(torch.randint(len(NOISE_DECIBELS), (), generator=generator))]
            sound = mix_noise(clip.sound, decibels, generator) if take else clip.sound
            heard = model.chunks(sound, clip.fps)[: len(wanted)]
            rows = [heard, reference.expand(len(heard), -1), heard.new_ones(len(heard), 1)]
            yield torch.cat(rows, dim=1), wanted[: len(heard)]


def _least_squares(equations: Iterator[tuple[Tensor, Tensor]], ridge: float) -> Tensor:
    """The (D, K) that takes inputs to outputs best; the last input, a one, is held back by no ridge."""
    square: Tensor | float = 0.0
    product: Tensor | float = 0.0
    for given, wanted in equations:
        square = square + given.double().mT @ given.double()
        product = product + given.double().mT @ wanted.double()
    assert isinstance(square, Tensor) and isinstance(product, Tensor)
    sums = square[-1]
    held = ridge * (square.diagonal() - sums.square() / sums[-1]) + _LEAST_RIDGE * square.diagonal()
    return torch.linalg.solve(square + torch.diag(held), product).float()
