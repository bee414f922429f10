"""Training of TCSAN (Chen et al. 2022, section 4.2), its rivals and its variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim._check import InputError, check_range
from meshanim.audio import AudioToUnits
from meshanim.talking_heads import TCSAN_CONFIGS, TcsanConfig, TcsanModel, from_network, to_network
from meshanim.talking_heads.tcsan_networks import FrameDiscriminator
from meshanim.training.face_frames import FilmedClip, captured_weights
from meshanim.training.loop import TrainingReport, Turn, train
from meshanim.training.processes import Processes
from meshanim.training.recipe import Recipe
from meshanim.training.tcsan_clips import TcsanBatch, TcsanClip, draw_batch, heard_otherwise
from meshanim.training.tcsan_hearing import hear_lips
from meshanim.training.tcsan_losses import (
    identity_distance,
    mouth_distance,
    perceptual_distance,
    pixel_distance,
)
from meshanim.training.unit_losses import audio_unit_losses, unit_weights
from meshanim.vision import PerceptualFeatures, UnitClassifier, lower_half

BETAS = (0.5, 0.999)
"""Of Adam; the paper gives the first."""
PAPER, REDUCED = TCSAN_CONFIGS["paper"], TCSAN_CONFIGS["reduced"]
READ = 4
"""One in so many true frames is read by the classifier to go on learning."""
SHOWN = 8
"""Frames of a sheet of sample pictures."""


@dataclass(frozen=True)
class TcsanRecipe(Recipe):
    """Recipe of a :class:`meshanim.talking_heads.TcsanModel`; the defaults are the paper's for a GPU.

    Attributes:
        config: sizes and variant of the model.
        window: frames that are drawn of each clip in a step (not given in the paper).
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
        lips_first: epochs in which the audio encoder learns to tell the lips of captured faces, before there
            is a picture; it stays as it is then. 0: it learns with all else, as in the paper.
        noise: by how much what is heard is made otherwise in every step, see
            :func:`meshanim.training.tcsan_clips.heard_otherwise`; four minutes of speech are soon known by
            heart.
    """

    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 2e-4
    learning_rate_decay: float = 1.0
    weight_decay: float = 0.0
    config: TcsanConfig = PAPER
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
    lips_first: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("window", self.window, 1)
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
        for name in ("silent", "any_reference"):
            check_range(name, getattr(self, name), 0, 1)


_FEW_STEPS = TcsanRecipe(batch_size=4, window=4, learning_rate=1e-3, mouth=1.5, noise=0.3)

TCSAN_RECIPES: Mapping[str, TcsanRecipe] = {
    "paper": TcsanRecipe(),
    "small": replace(_FEW_STEPS, epochs=110, learning_rate_decay=0.973),
    "further": replace(_FEW_STEPS, epochs=60, learning_rate=5e-4, learning_rate_decay=0.95, mouth=6.0),
    "reduced": replace(_FEW_STEPS, epochs=30, learning_rate_decay=0.92, config=REDUCED),
}
"""The paper's; its sizes on two cores, and what these go on with; and half the sizes, for comparisons.

On two cores steps are small and few, so that they are five times as wide, shrink to less than a tenth, and
see the mouth twice; ``further``, which goes on from ``small``, looks at little else.
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
"""Every configuration of the paper's tables 3 to 6 once, at the reduced size; and units of the mesh.

Table 3 compares ``gru`` to ``tcsan``; table 4 ``tcsan``, ``gru+units``, ``full`` and ``full+gan``; table 6,
in its order, ``reconstruction``, ``reconstruction+perceptual``, ``gru``, ``tcsan``, ``tcsan+unit-loss`` and
``full``.
"""


class TcsanPlayers(nn.Module):
    """Who takes turns: the model, and where they are needed the classifier and a discriminator."""

    def __init__(
        self, model: TcsanModel, classifier: UnitClassifier | None, discriminator: FrameDiscriminator | None
    ) -> None:
        super().__init__()
        self.model, self.classifier, self.discriminator = model, classifier, discriminator


class TcsanTask:
    """Clips on which TCSAN learns to draw who speaks.

    The model takes the first turn of every step, by the weighted losses of the recipe. Then the networks that
    hear action units and the classifier that reads them go on learning what they were trained for, by the
    action unit loss and with small steps, and a discriminator, where there is one, learns to tell frames.

    Args:
        players: the model and those who judge it.
        clips: to learn from.
        others: clips that are scored after every epoch; may be none.
        recipe: the settings.
        features: of the perceptual loss; needed where it has a weight.
    """

    def __init__(
        self,
        players: TcsanPlayers,
        clips: Sequence[TcsanClip],
        others: Sequence[TcsanClip],
        recipe: TcsanRecipe,
        features: PerceptualFeatures | None,
    ) -> None:
        self.players, self.clips, self.others = players, clips, others
        self.recipe, self.features = recipe, features
        self.unit_weights = unit_weights(torch.cat([clip.labels for clip in clips]).mean(dim=0))
        self.reach = 2**recipe.config.layers - 1
        self._batch: TcsanBatch | None = None
        self._made = torch.empty(0)

    @property
    def model(self) -> nn.Module:
        """All players, so that one checkpoint holds them."""
        return self.players

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.players.parameters()).device

    def __len__(self) -> int:
        return len(self.clips)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """The drawing turn's."""
        return self.drawing_losses(items)

    def turns(self) -> list[Turn]:
        """Drawing, hearing, reading, judging; those there are."""
        recipe, players = self.recipe, self.players
        hearing = players.model.units if isinstance(players.model.units, AudioToUnits) else None
        heard = [] if hearing is None else list(hearing.parameters())
        kept = {id(each) for each in heard}
        if recipe.lips_first:
            kept |= {id(each) for each in players.model.sound.parameters()}
        drawing = [each for each in players.model.parameters() if id(each) not in kept]
        turns = [Turn(self.drawing_losses, drawing, recipe.learning_rate, BETAS)]
        if heard and recipe.hearing_rate > 0:
            turns.append(Turn(self.hearing_losses, heard, recipe.hearing_rate, BETAS))
        if players.classifier is not None and recipe.reading_rate > 0:
            parameters = list(players.classifier.parameters())
            turns.append(Turn(self.reading_losses, parameters, recipe.reading_rate, BETAS))
        if players.discriminator is not None:
            parameters = list(players.discriminator.parameters())
            turns.append(Turn(self.judging_losses, parameters, recipe.learning_rate, BETAS))
        return turns

    def drawing_losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Weighted losses of frames that are drawn anew; the other turns see the same."""
        recipe, players = self.recipe, self.players
        batch = self._draw(items)
        made = self._drawn(batch)
        self._batch, self._made = batch, made.detach()
        losses = {"reconstruction": recipe.reconstruction * pixel_distance(made, batch.truth)}
        if recipe.mouth > 0:
            losses["mouth"] = recipe.mouth * mouth_distance(made, batch.truth)
        if recipe.identity > 0:
            losses["identity"] = recipe.identity * identity_distance(made, batch.identity)
        flat, truth = made.flatten(0, 1), batch.truth.flatten(0, 1)
        if self.features is not None and recipe.perceptual > 0:
            losses["perceptual"] = recipe.perceptual * perceptual_distance(self.features, flat, truth)
        if players.classifier is not None:
            losses["action_units"] = recipe.action_units * self._unit_loss(
                players.classifier(flat), batch.labels
            )
        if players.discriminator is not None:
            score = players.discriminator(flat, _beside(batch))
            losses["adversarial"] = recipe.adversarial * functional.softplus(-score).mean()
        return losses

    def hearing_losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Action unit loss of what is heard where somebody speaks, in the frames that are drawn."""
        batch, hearing = self._batch, self.players.model.units
        assert batch is not None and isinstance(hearing, AudioToUnits)
        said = _rows(hearing(_rows(batch.windows, batch.span)), batch.kept)
        # the truth costs nothing
        said = torch.where(batch.speaks[:, None, None], said, batch.labels)
        return {"hearing": self._unit_loss(said, batch.labels)}

    def reading_losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Action unit loss of what the classifier reads off some of the true frames."""
        batch, classifier = self._batch, self.players.classifier
        assert batch is not None and classifier is not None
        return {"reading": self._unit_loss(classifier(batch.truth[:, ::READ]), batch.labels[:, ::READ])}

    def judging_losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Cross entropy of the discriminator (Goodfellow et al. 2014)."""
        batch, discriminator = self._batch, self.players.discriminator
        assert batch is not None and discriminator is not None
        true = discriminator(batch.truth.flatten(0, 1), _beside(batch))
        drawn = discriminator(self._made.flatten(0, 1), _beside(batch))
        return {"judging": functional.softplus(-true).mean() + functional.softplus(drawn).mean()}

    def _draw(self, items: Sequence[int]) -> TcsanBatch:
        recipe, clips = self.recipe, [self.clips[item] for item in items]
        batch = draw_batch(clips, recipe.window, self.reach, recipe.silent, recipe.any_reference)
        if recipe.noise > 0:
            heard = heard_otherwise(batch.windows, self.players.model.sound.deviation.cpu(), recipe.noise)
            speaks = batch.speaks[:, None, None, None]
            batch = batch._replace(windows=torch.where(speaks, heard, batch.windows))
        if recipe.lips_first:
            self.players.model.sound.eval()
        return TcsanBatch(*(each.to(self.device) for each in batch))

    def _drawn(self, batch: TcsanBatch) -> Tensor:
        model = self.players.model
        with torch.set_grad_enabled(model.config.units == "mesh"):
            units = model.unit_features(batch.windows, batch.intensities)
        person = model.look(batch.identity)
        units = None if units is None else _rows(units, batch.span)
        fused = model.fused(person, _rows(batch.windows, batch.span), units)
        return model.decoder(_rows(fused, batch.kept), person.shares)

    def _unit_loss(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        losses = audio_unit_losses(
            probabilities.flatten(0, -2), labels.flatten(0, -2), self.unit_weights.to(self.device)
        )
        return losses["cross_entropy"] + losses["dice"]

    def validate(self) -> dict[str, float]:
        """PSNR in dB of the lower half of the others' faces, drawn and as the first frame has it."""
        if not self.others:
            return {}
        errors = torch.stack([self._errors(clip) for clip in self.others]).mean(dim=0)
        drawn, still = (-10 * torch.log10(errors / 4)).tolist()
        return {"lower_psnr": drawn, "still_lower_psnr": still}

    def _errors(self, clip: TcsanClip) -> Tensor:
        """(2,) squared errors of the lower half of all frames: drawn, and as in the first frame."""
        truth = lower_half(to_network(clip.frames)).to(self.device)
        drawn = lower_half(self._whole(clip)).clamp(-1, 1)
        return torch.stack([(drawn - truth).square().mean(), (truth[:1] - truth).square().mean()])

    def _whole(self, clip: TcsanClip) -> Tensor:
        """(T, 3, H, W) drawn from the clip's first frame."""
        picture = to_network(clip.frames[:1]).to(self.device)
        tracks = (clip.windows[None].to(self.device), clip.intensities[None].to(self.device))
        parts = self.players.model.stream(picture, *(track.split(8, dim=1) for track in tracks))
        return torch.cat([part[0] for part in parts])

    def sample_pictures(self) -> dict[str, Tensor]:
        """A sheet of a clip's frames, drawn below true."""
        if not self.others:
            return {}
        clip = self.others[0]
        rows = torch.linspace(0, len(clip.frames) - 1, SHOWN).long()
        drawn = from_network(self._whole(clip)).cpu()
        sheet = [torch.cat(list(frames[rows]), dim=1) for frames in (clip.frames, drawn)]
        return {"truth_and_drawn": torch.cat(sheet)}


def _rows(track: Tensor, rows: Tensor) -> Tensor:
    """(B, n, ...) the rows (B, n) of tracks (B, T, ...)."""
    return track[torch.arange(len(track), device=track.device)[:, None], rows]


def _beside(batch: TcsanBatch) -> Tensor:
    """(B * W, 3, H, W) the identity picture of every frame."""
    return batch.identity[:, None].expand_as(batch.truth).flatten(0, 1)


def _players(
    clips: Sequence[TcsanClip],
    recipe: TcsanRecipe,
    classifier: UnitClassifier | None,
    hearing: AudioToUnits | None,
) -> TcsanPlayers:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
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
    start: TcsanModel | None = None,
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
        start: a model of the recipe's configuration to go on from, in place of an untrained one.
        progress: show a bar.

    Raises:
        InputError: no clip, another frame rate, or something missing that the recipe has a weight for.
    """
    if not clips:
        raise InputError("clips must hold at least one, got none")
    if recipe.perceptual > 0 and features is None:
        raise InputError("features must be given where perceptual has a weight, got none")
    kept = list(clips)
    if recipe.action_units > 0 or recipe.config.units != "none":
        for clip in kept:
            captured_weights(clip)
    learned = [TcsanClip.of(clip) for clip in kept]
    players = _players(learned, recipe, classifier, hearing)
    if start is not None:
        if start.config != recipe.config:
            raise InputError(f"start must be a model of {recipe.config}, got one of {start.config}")
        players.model.load_state_dict(start.state_dict())
    unseen = [TcsanClip.of(clip) for clip in others]
    if recipe.lips_first:
        for clip in kept:
            captured_weights(clip)
        place, sound = Path(folder) / "lips", players.model.sound
        report = hear_lips(
            sound,
            recipe.config.features,
            learned,
            unseen,
            recipe.lips_first,
            recipe.noise,
            recipe.seed,
            place,
            progress,
        )
        if not report.finished:
            return players.model, report
        sound.requires_grad_(False)
    players.to(Processes().device)
    task = TcsanTask(players, learned, unseen, recipe, features)
    about = {"perceptual_features": "none" if features is None else features.name}
    report = train(task, recipe, folder, progress, continued=start is not None, **about)
    if report.finished:
        players.model.save_pretrained(folder)
    return players.model, report
