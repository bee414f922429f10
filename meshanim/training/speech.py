"""Training of speech models: a voice in, expressions out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from meshanim._check import InputError, check_choice, check_range
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.synthesis.speech import SpeechModel
from meshanim.synthesis.speech_config import SPEECH_CONFIGS
from meshanim.training.checkpoint import weights_digest
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe
from meshanim.training.speech_batches import (
    SILENT_SHARE,
    SpeechBatch,
    SpokenFace,
    check_rates,
    quiet_noise,
    varied_sound,
)
from meshanim.training.speech_losses import LipMotion, masked_mean

_VARIED_COUNT = 0.3
"""How much a frame in another colour, loudness or noise counts for the memory."""


@dataclass(frozen=True)
class SpeechRecipe(Recipe):
    """Recipe of a speech model.

    Attributes:
        config: one of :data:`meshanim.synthesis.SPEECH_CONFIGS`.
        window: k, successive frames of a training sequence.
        rehearsals: times that predictions take the place of the told expressions before the losses are taken.
        blur: deviation of the noise in told expressions, which have unit variance.
        nameless: share of the stretches in which the style does not tell who speaks.
        habits: measure first what identities do (:meth:`SpeechModel.settle`), instead of learning a style.
        varied: share of the stretches whose sound and speed are varied; the others stay as they are.
        furthest: weight of the squared distance, in mm, of the lip vertex that is furthest from its place.
        dropout: share of features dropped; the configuration's by default.
        memory: places of the model's memory of the utterances (:meth:`SpeechModel.remember`), or a fourth of
            their frames where these are fewer; only with the encoder ``log-mel``.
    """

    epochs: int = 60
    batch_size: int = 8
    learning_rate: float = 2e-3
    learning_rate_decay: float = 0.95
    weight_decay: float = 0.0
    config: str = "small"
    window: int = 100
    rehearsals: int = 1
    blur: float = 0.3
    nameless: float = 0.5
    habits: bool = False
    varied: float = 1.0
    furthest: float = 0.0
    dropout: float | None = None
    memory: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("config", self.config, SPEECH_CONFIGS)
        check_range("window", self.window, 1)
        check_range("rehearsals", self.rehearsals, 0)
        check_range("blur", self.blur, 0)
        check_range("nameless", self.nameless, 0, 1)
        check_range("varied", self.varied, 0, 1)
        check_range("furthest", self.furthest, 0)
        check_range("memory", self.memory, 0)


SPEECH_RECIPES: dict[str, SpeechRecipe] = {
    "made": SpeechRecipe(epochs=26, learning_rate_decay=0.89),
    "grid": SpeechRecipe(
        epochs=40,
        batch_size=4,
        learning_rate=3e-3,
        learning_rate_decay=0.89,
        window=75,
        nameless=1.0,
        habits=True,
        varied=0.25,
        furthest=3.0,
        dropout=0.0,
        memory=2000,
    ),
}
"""What the shipped weights were trained with, and how those went on with GRID's 80 clips of 75 frames."""


class SpeechTask:
    """Utterances that a :class:`SpeechModel` learns to perform.

    A model that is told the true expression before every frame learns to copy it, and drifts when it has to
    go by its own. So the told ones are blurred and then replaced by what the model makes of them, all frames
    at once; after n rehearsals n frames before each are the model's own, at the price of n passes, not of as
    many steps as there are frames.

    Args:
        model: the model; calibrate it first.
        utterances: the training set.
        lips: of the face, for the losses on it.
        recipe: the settings.
        validation: utterances that are performed whole after every epoch.
    """

    def __init__(
        self,
        model: SpeechModel,
        utterances: Sequence[SpokenFace],
        lips: LipMotion,
        recipe: SpeechRecipe,
        validation: Sequence[SpokenFace] = (),
    ) -> None:
        self.model, self.utterances, self.lips = model, utterances, lips
        self.recipe, self.validation = recipe, validation

    def __len__(self) -> int:
        return len(self.utterances)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Of expressions in their units, of lips and of the slit between them in millimetres.

        They are the network's alone: the memory was fitted to these very utterances, and with its answers
        the network would have nothing left to learn.
        """
        model, recipe = self.model, self.recipe
        spoken = [self.utterances[item] for item in items]
        batch = SpeechBatch.collate(spoken, recipe.window, model, recipe.varied)
        habit = model.habit(batch.identity)[:, None]
        said, truth = self._rehearse(batch, habit) + habit, model.space.encode(batch.weights)
        seen = (model.space(said), batch.weights, batch.lasting)
        expression = masked_mean((said - truth).square().mean(dim=-1), batch.lasting)
        losses = {"expression": expression} | self.lips.losses(*seen)
        return losses | ({"furthest": recipe.furthest * self.lips.furthest(*seen)} if recipe.furthest else {})

    def _rehearse(self, batch: SpeechBatch, habit: Tensor) -> Tensor:
        """Expressions (B, k, E) beyond habits (B, 1, E)."""
        model = self.model
        nameless = torch.rand(len(batch.identity), 1) < self.recipe.nameless
        style = model.styled(torch.where(nameless, model.identity_mean, batch.identity))
        heard = model.listen(batch.sound)
        told = model.space.encode(torch.cat([batch.before[:, None], batch.weights[:, :-1]], dim=1)) - habit
        first = told[:, :1]
        told = told + self.recipe.blur * torch.rand(len(told), 1, 1) * torch.randn_like(told)
        known = torch.ones(told.shape[:2], dtype=torch.bool)
        known[:, 0] = ~batch.begins
        for _ in range(self.recipe.rehearsals):
            with torch.no_grad():
                own = model(heard, style, told, known)
            told = torch.cat([first, own[:, :-1]], dim=1)
        return model(heard, style, told, known)

    def validate(self) -> dict[str, float]:
        """Largest distance of a lip vertex, mean over the frames of whole validation utterances, in mm."""
        if not self.validation:
            return {}
        frames = max(len(each.weights) for each in self.validation)
        batch = SpeechBatch.collate(self.validation, frames, self.model, varied=0)
        said = self.model.perform(batch.sound, batch.identity)
        error = self.lips.largest_error(self.model.space(said).clamp(0, 1), batch.weights)
        return {"validation_lip_error_mm": float(masked_mean(error, batch.lasting))}


def _remember(model: SpeechModel, utterances: Sequence[SpokenFace], recipe: SpeechRecipe) -> None:
    """Fill the memory with utterances, in other colours, loudness and noise too, and with faces at rest."""
    frames = sum(len(each.weights) for each in utterances) * SILENT_SHARE / (1 - SILENT_SHARE)
    known = [(each.sound.waveform, each.weights, each.identity, 1.0) for each in utterances]
    with recipe.seeded():
        known += [(varied_sound(sound), told, who, _VARIED_COUNT) for sound, told, who, _ in known]
        for _ in range(math.ceil(frames / recipe.window)):
            quiet = quiet_noise(recipe.window * model.frame_samples)
            known.append((quiet, torch.zeros(recipe.window, len(ARKIT_NAMES)), model.identity_mean, 1.0))
    sounds, weights, identities, counts = zip(*known, strict=True)
    model.remember(sounds, weights, torch.stack(identities), torch.tensor(counts))


def train_speech(
    utterances: Sequence[SpokenFace],
    face: FaceModel,
    recipe: SpeechRecipe,
    folder: str | Path,
    validation: Sequence[SpokenFace] = (),
    start: SpeechModel | None = None,
    progress: bool = True,
) -> tuple[SpeechModel, TrainingReport]:
    """Train a speech model and save it in ``folder``; a stopped run goes on where it was.

    Args:
        utterances: training set, such as :class:`meshanim.datasets.MadeSpeech`, at 16 kHz.
        face: whose lips the losses look at.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        validation: utterances that are performed whole after every epoch.
        start: a model to go on from, in place of the recipe's untrained one; its space of expressions stays.
        progress: show a bar.

    Raises:
        InputError: no utterance, or one at another rate than the model's.
    """
    if not utterances:
        raise InputError("utterances must hold at least one, got none")
    config = replace(SPEECH_CONFIGS[recipe.config], window=recipe.window) if start is None else start.config
    check_rates((*utterances, *validation), config.frame_rate)
    frames = sum(len(each.weights) for each in utterances)
    config = replace(config, memory=min(recipe.memory, frames // 4) if config.encoder == "log-mel" else 0)
    if recipe.dropout is not None:
        config = replace(config, dropout=recipe.dropout)
    with recipe.seeded():
        model = SpeechModel(config)
    identities = torch.stack([each.identity for each in utterances])
    if start is None:
        model.calibrate(torch.cat([each.weights for each in utterances]), identities)
    else:
        own = {name: part for name, part in start.state_dict().items() if not name.startswith("memory.")}
        model.load_state_dict(model.state_dict() | own)
    if recipe.habits:
        model.settle(identities, torch.stack([each.weights.mean(dim=0) for each in utterances]))
    if config.memory:
        _remember(model, utterances, recipe)
    task = SpeechTask(model, utterances, LipMotion(face), recipe, validation)
    about = {"model": asdict(config), "start": weights_digest(start)}
    return train_and_save(model, task, recipe, folder, progress, **about)
