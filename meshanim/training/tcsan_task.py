"""What TCSAN learns in a step (Chen et al. 2022, section 3.2), and those who judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from meshanim.audio import AudioToUnits
from meshanim.talking_heads import TcsanModel, from_network, to_network
from meshanim.talking_heads.tcsan_networks import FrameDiscriminator
from meshanim.training.adversarial_losses import told_made, told_real
from meshanim.training.task import Turn
from meshanim.training.tcsan_clips import TcsanBatch, TcsanClip, draw_batch, heard_otherwise
from meshanim.training.tcsan_losses import (
    identity_distance,
    mouth_distance,
    perceptual_distance,
    pixel_distance,
)
from meshanim.training.unit_losses import audio_unit_losses, unit_weights
from meshanim.vision import PerceptualFeatures, UnitClassifier, lower_half

if TYPE_CHECKING:
    from meshanim.training.tcsan import TcsanRecipe

BETAS = (0.5, 0.999)
"""Of Adam; the paper gives the first."""
READ = 4
"""One in so many true frames is read by the classifier to go on learning."""
SHOWN = 8
"""Frames of a sheet of sample pictures."""


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
        return len(self.clips) * self.recipe.stretches

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """The drawing turn's."""
        return self.drawing_losses(items)

    def turns(self) -> list[Turn]:
        """Drawing, hearing, reading, judging; those there are."""
        recipe, players = self.recipe, self.players
        hearing = players.model.units if isinstance(players.model.units, AudioToUnits) else None
        heard = [] if hearing is None else list(hearing.parameters())
        kept = {id(each) for each in heard}
        if recipe.lips is not None:
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
            losses["adversarial"] = recipe.adversarial * told_real(score)
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
        return {"judging": told_real(true) + told_made(drawn)}

    def _draw(self, items: Sequence[int]) -> TcsanBatch:
        recipe, clips = self.recipe, [self.clips[item % len(self.clips)] for item in items]
        batch = draw_batch(clips, recipe.window, self.reach, recipe.silent, recipe.any_reference)
        if recipe.noise > 0:
            heard = heard_otherwise(batch.windows, self.players.model.sound.deviation.cpu(), recipe.noise)
            speaks = batch.speaks[:, None, None, None]
            batch = batch._replace(windows=torch.where(speaks, heard, batch.windows))
        return TcsanBatch(*(each.to(self.device) for each in batch))

    def _drawn(self, batch: TcsanBatch) -> Tensor:
        model = self.players.model
        if self.recipe.lips is not None:
            model.sound.eval()
        with torch.set_grad_enabled(model.config.units == "mesh"):
            units = model.unit_features(batch.windows, batch.intensities)
        person = model.look(batch.identity)
        units = None if units is None else _rows(units, batch.span)
        fused = model.fused(person, _rows(batch.windows, batch.span), units, self.recipe.dropout)
        return model.decoder(_rows(fused, batch.kept), person.shares)

    def _unit_loss(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        losses = audio_unit_losses(
            probabilities.flatten(0, -2), labels.flatten(0, -2), self.unit_weights.to(self.device)
        )
        return losses["cross_entropy"] + losses["dice"]

    def validate(self) -> dict[str, float]:
        """PSNR in dB of the lower half of the others' faces: drawn, drawn to another's voice, and still."""
        if not self.others:
            return {}
        next_ones = [*self.others[1:], self.others[0]]
        pairs = zip(self.others, next_ones, strict=True)
        errors = torch.stack([self._errors(clip, other) for clip, other in pairs]).mean(dim=0)
        names = ("lower_psnr", "strange_sound_lower_psnr", "still_lower_psnr")
        found = dict(zip(names, (-10 * torch.log10(errors / 4)).tolist(), strict=True))
        if len(self.others) == 1:
            del found["strange_sound_lower_psnr"]  # it has nobody else's voice
        return found

    def _errors(self, clip: TcsanClip, other: TcsanClip) -> Tensor:
        """(3,) squared errors of the lower half: drawn, drawn to the other's voice, and as it began."""
        count = min(len(clip.frames), len(other.frames))
        truth = lower_half(to_network(clip.frames[:count])).to(self.device)
        strange = clip._replace(voices=other.voices, intensities=other.intensities)
        drawn = [lower_half(self._whole(each, count)).clamp(-1, 1) for each in (clip, strange)]
        return torch.stack([(each - truth).square().mean() for each in (*drawn, truth[:1])])

    def _whole(self, clip: TcsanClip, count: int) -> Tensor:
        """(count, 3, H, W) drawn from the clip's first frame."""
        picture = to_network(clip.frames[:1]).to(self.device)
        tracks = (each[None, :count].to(self.device) for each in (clip.windows, clip.intensities))
        parts = self.players.model.stream(picture, *(track.split(8, dim=1) for track in tracks))
        return torch.cat([part[0] for part in parts])

    def sample_pictures(self) -> dict[str, Tensor]:
        """A sheet of a clip's frames, drawn below true."""
        if not self.others:
            return {}
        clip = self.others[0]
        rows = torch.linspace(0, len(clip.frames) - 1, SHOWN).long()
        drawn = from_network(self._whole(clip, len(clip.frames))).cpu()
        sheet = [torch.cat(list(frames[rows]), dim=1) for frames in (clip.frames, drawn)]
        return {"truth_and_drawn": torch.cat(sheet)}


def _rows(track: Tensor, rows: Tensor) -> Tensor:
    """(B, n, ...) the rows (B, n) of tracks (B, T, ...)."""
    return track[torch.arange(len(track), device=track.device)[:, None], rows]


def _beside(batch: TcsanBatch) -> Tensor:
    """(B * W, 3, H, W) the identity picture of every frame."""
    return batch.identity[:, None].expand_as(batch.truth).flatten(0, 1)
