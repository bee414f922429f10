"""Training of TCSAN (Chen et al. 2022, section 4.2), its rivals and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from meshanim._check import InputError, check_range
from meshanim.audio import AudioToUnits
from meshanim.talking_heads import TCSAN_CONFIGS, TcsanConfig, TcsanModel
from meshanim.talking_heads.tcsan_networks import FrameDiscriminator
from meshanim.training.checkpoint import weights_digest
from meshanim.training.face_frames import FilmedClip, captured_weights
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.processes import Processes
from meshanim.training.recipe import Recipe
from meshanim.training.tcsan_clips import PITCHES, TcsanClip
from meshanim.training.tcsan_hearing import TcsanHearingRecipe, hear_lips
from meshanim.training.tcsan_task import TcsanPlayers, TcsanTask
from meshanim.vision import PerceptualFeatures, UnitClassifier

PAPER, REDUCED = TCSAN_CONFIGS["paper"], TCSAN_CONFIGS["reduced"]


@dataclass(frozen=True)
class TcsanRecipe(Recipe):
    """Recipe of a :class:`meshanim.talking_heads.TcsanModel`; the defaults are the paper's for a GPU.

    Attributes:
        config: sizes and variant of the model.
        stretches: taken of each clip in an epoch, at random.
        window: frames that are drawn of each in a step (not given in the paper).
        reconstruction: weight of eq 9.
        identity: weight of eq 10.
        perceptual: weight of eq 8.
        action_units: weight of eq 7, as the classifier reads the drawn frames.
        adversarial: weight of what a frame discriminator says; the paper tried it without a number.
        mouth: weight of eq 9 once more in :data:`meshanim.training.tcsan_losses.MOUTH`, which is not the
            paper's: for runs of few steps, in which all else that moves would drown the mouth.
        hearing_rate: learning rate by which the networks that hear action units go on learning, by eq 7 of
            what they hear.
        reading_rate: the same of the classifier, by eq 7 of what it reads off true frames.
        silent: share of the clips that are silent and show the identity picture.
        any_reference: share of the clips whose identity picture is any frame, not the first.
        lips: what audio encoder and fusion learn before there is a picture, to tell the lips of captured
            faces; the encoder stays as it is then. None: they learn with all else, as in the paper.
        dropout: share of the fusion's input that is dropped.
        noise: by how much what is heard is made otherwise in every step, see
            :func:`meshanim.training.tcsan_clips.heard_otherwise`; four minutes of speech are soon known by
            heart. Where it is above 0, voices are higher and lower too.
    """

    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 2e-4
    learning_rate_decay: float = 1.0
    weight_decay: float = 0.0
    config: TcsanConfig = PAPER
    stretches: int = 1
    window: int = 75
    reconstruction: float = 1.5
    identity: float = 1.5
    perceptual: float = 0.07
    action_units: float = 0.02
    adversarial: float = 0.0
    mouth: float = 0.0
    hearing_rate: float = 1e-6
    reading_rate: float = 1e-7
    silent: float = 0.1
    any_reference: float = 0.5
    noise: float = 0.0
    lips: TcsanHearingRecipe | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stretches", "window"):
            check_range(name, getattr(self, name), 1)
        weights = (
            "reconstruction",
            "identity",
            "perceptual",
            "action_units",
            "adversarial",
            "mouth",
            "noise",
        )
        for name in (*weights, "hearing_rate", "reading_rate"):
            check_range(name, getattr(self, name), 0)
        for name in ("silent", "any_reference", "dropout"):
            check_range(name, getattr(self, name), 0, 1)


_FEW_STEPS = TcsanRecipe(
    batch_size=4,
    stretches=5,
    window=4,
    learning_rate=5e-4,
    mouth=1.5,
    noise=0.3,
    dropout=0.3,
    lips=TcsanHearingRecipe(),
)

TCSAN_RECIPES: Mapping[str, TcsanRecipe] = {
    "paper": TcsanRecipe(),
    "small": replace(_FEW_STEPS, epochs=45, learning_rate_decay=0.96),
    "reduced": replace(
        _FEW_STEPS,
        epochs=6,
        learning_rate=1e-3,
        learning_rate_decay=0.65,
        config=REDUCED,
        lips=TcsanHearingRecipe(epochs=15, learning_rate_decay=0.8),
    ),
}
"""The paper's; its sizes on two cores; and half the sizes, for comparisons.

On two cores steps are small and few, so that they are 2.5 to 5 times as wide, shrink to a sixth or less, see
the mouth twice, and begin with a fusion that can tell lips.
"""


def _variants(base: TcsanRecipe) -> dict[str, TcsanRecipe]:
    without = replace(base, action_units=0.0, config=replace(base.config, units="none"))
    fused = {
        name: replace(without, config=replace(without.config, fusion=name))
        for name in ("gru", "tcn", "attention-tcn", "co-attention-tcn", "tcsan")
    }
    return {
        "reconstruction": replace(fused["gru"], perceptual=0.0, identity=0.0),
        "reconstruction+perceptual": replace(fused["gru"], identity=0.0),
        **fused,
        "tcsan+unit-loss": replace(fused["tcsan"], action_units=base.action_units),
        "gru+units": replace(base, config=replace(base.config, fusion="gru")),
        "full": base,
        "full+gan": replace(base, adversarial=0.01),
        "full-mesh": replace(base, config=replace(base.config, units="mesh")),
    }


TCSAN_VARIANTS: Mapping[str, TcsanRecipe] = _variants(TCSAN_RECIPES["reduced"])
"""Every configuration of the paper's tables 3, 4 and 6 once, at the reduced size; and units of the mesh.

Table 3 compares ``gru`` to ``tcsan``; table 4 ``tcsan``, ``gru+units``, ``full`` and ``full+gan``; table 6,
in its order, ``reconstruction``, ``reconstruction+perceptual``, ``gru``, ``tcsan``, ``tcsan+unit-loss`` and
``full``.
"""


def _players(
    clips: Sequence[TcsanClip],
    recipe: TcsanRecipe,
    classifier: UnitClassifier | None,
    hearing: AudioToUnits | None,
) -> TcsanPlayers:
    with recipe.seeded():
        model = TcsanModel(recipe.config)
        discriminator = FrameDiscriminator() if recipe.adversarial > 0 else None
    model.sound.standardise(torch.cat([clip.windows for clip in clips]))
    if isinstance(model.units, AudioToUnits):
        if hearing is None or (hearing.units, hearing.hidden) != (model.units.units, model.units.hidden):
            raise InputError(
                f"hearing must be networks of {model.units.units} with {model.units.hidden} hidden "
                f"numbers, got {'none' if hearing is None else (hearing.units, hearing.hidden)}"
            )
        model.units.load_state_dict(hearing.state_dict())
    judged = recipe.action_units > 0
    if judged and classifier is None:
        raise InputError("classifier must be given where action_units has a weight, got none")
    return TcsanPlayers(model, classifier if judged else None, discriminator)


def train_tcsan(
    clips: Sequence[FilmedClip],
    others: Sequence[FilmedClip],
    recipe: TcsanRecipe,
    folder: str | Path,
    features: PerceptualFeatures | None = None,
    classifier: UnitClassifier | None = None,
    hearing: AudioToUnits | None = None,
    progress: bool = True,
) -> tuple[TcsanModel, TrainingReport]:
    """Train a model and save it in ``folder``; a stopped run goes on where it was.

    Args:
        clips: to learn from, in :data:`meshanim.vision.TCSAN_CROP` at 25 frames/s.
        others: scored after every epoch; may be none.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        features: of the perceptual loss; their name is kept with the run.
        classifier: reads action units off faces; goes on learning.
        hearing: trained networks that hear action units; their copies in the model go on learning.
        progress: show a bar.

    Raises:
        InputError: no clip, another frame rate, or something missing that the recipe has a weight for.
    """
    if not clips:
        raise InputError("clips must hold at least one, got none")
    if recipe.perceptual > 0 and features is None:
        raise InputError("features must be given where perceptual has a weight, got none")
    kept = list(clips)
    if recipe.action_units > 0 or recipe.lips is not None or recipe.config.units != "none":
        for clip in kept:
            captured_weights(clip)
    learned = [TcsanClip.of(clip, PITCHES if recipe.noise > 0 else ()) for clip in kept]
    unseen = [TcsanClip.of(clip) for clip in others]
    about = {
        "perceptual_features": "none" if features is None else features.name,
        "hearing": weights_digest(hearing if recipe.config.units == "audio" else None),
    }
    players = _players(learned, recipe, classifier, hearing)
    players.to(Processes().device)
    if recipe.lips is not None:
        first = replace(recipe.lips, seed=recipe.seed)
        begun = hear_lips(players.model, learned, unseen, first, Path(folder) / "lips", progress)
        if not begun.goes_on:
            return players.model, TrainingReport([], False)
        players.model.sound.requires_grad_(False)
    players.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = TcsanTask(players, learned, unseen, recipe, features)
    return train_and_save(players.model, task, recipe, folder, progress, **about)
