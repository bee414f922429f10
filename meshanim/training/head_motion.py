"""Training of head motion that goes with speech."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from meshanim._check import InputError, check_range
from meshanim.datasets.utterances import Utterance
from meshanim.nn import StatisticsDiscriminator
from meshanim.nn.head_motion_net import moments
from meshanim.synthesis.head_motion import (
    COEFFICIENTS,
    REFERENCE,
    HeadMotionConfig,
    HeadMotionModel,
)
from meshanim.synthesis.head_motion_stream import FRAME_RATE
from meshanim.training.adversarial_losses import told_made, told_real
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe

HEAD_MOTION = HeadMotionConfig()
PACE = 8
"""Frames over which motion is told to be quick or slow."""


@dataclass(frozen=True)
class HeadMotionRecipe(Recipe):
    """Recipe of a head motion model.

    Attributes:
        window: frames that a step predicts of each utterance, drawn at random.
        statistics: weight of the distance of means and deviations, beside that of the motion itself, which
            sound tells little of: what it does not tell, least distance leaves still.
        adversarial: weight of what the discriminator says.
        without_reference: share of the samples that move in the default style.
        wider: standard deviation of the logarithm of a factor on both reference and truth, drawn anew for
            each coefficient, and, in the motion's own, of a shift. Eight manners become so many that one that
            was never seen lies among them.
        model: the sizes.
    """

    epochs: int = 12
    batch_size: int = 16
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.9
    weight_decay: float = 0.0
    window: int = 80
    statistics: float = 3.0
    adversarial: float = 0.05
    without_reference: float = 0.15
    wider: float = 0.5
    model: HeadMotionConfig = HEAD_MOTION

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("window", self.window, PACE + 1)
        for name in ("statistics", "adversarial", "wider"):
            check_range(name, getattr(self, name), 0)
        check_range("without_reference", self.without_reference, 0, 1)


class HeadClip(NamedTuple):
    """One utterance as it is learned from: whose it is, spectra (T + 2 context, D), head motion (T, 6)."""

    speaker: str
    spectra: Tensor
    motion: Tensor


class _Players(nn.Module):
    """Both sides of the game, so that one checkpoint holds both."""

    def __init__(self, model: HeadMotionModel) -> None:
        super().__init__()
        self.generator, self.discriminator = model, StatisticsDiscriminator(COEFFICIENTS)


class HeadMotionTask:
    """Utterances on which a :class:`HeadMotionModel` learns how people move, each from another of the same.

    Three losses in standard deviations of the motion: its mean distance from the truth's; that of its mean
    and deviation, and of those of what it moves in a third of a second; and the game with a discriminator
    that sees nothing but mean and deviation (Chen et al. 2020, A.1). Both sides of the game take their steps
    at once, so that one optimiser and one checkpoint hold the whole run.

    Args:
        model: the model.
        clips: to train on, two or more of each speaker.
        validation: of other speakers, scored after every epoch.
        recipe: the settings.

    Raises:
        InputError: a speaker has one clip only, or there is none.
    """

    def __init__(
        self,
        model: HeadMotionModel,
        clips: Sequence[HeadClip],
        validation: Sequence[HeadClip],
        recipe: HeadMotionRecipe,
    ) -> None:
        self.players = _Players(model)
        self.clips, self.validation, self.recipe = clips, validation, recipe
        self._others = _others(clips)

    @property
    def model(self) -> nn.Module:
        """Generator and discriminator."""
        return self.players

    def __len__(self) -> int:
        return len(self.clips)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Losses of a batch; ``discriminator`` is its own, the others are the generator's."""
        model, judge, recipe = self.players.generator, self.players.discriminator, self.recipe
        spectra, truth = self._windows(items, recipe.window)
        others = [self._others[item][_draw(len(self._others[item]))] for item in items]
        heard, shown = self._windows(others, REFERENCE)
        truth, shown = self._widened(model.normalised(truth), model.normalised(shown))
        style = model.net.style(model.describe(heard), shown)
        default = torch.rand(len(items), 1) < recipe.without_reference
        style = torch.where(default, model.default_style, style)
        made = model.normalised(model.move(model.describe(spectra), style))
        frozen = {name: value.detach() for name, value in judge.named_parameters()}
        against = functional_call(judge, frozen, (made,))
        return {
            "motion": (made - truth).abs().mean(),
            "statistics": recipe.statistics * _statistics_distance(made, truth),
            "adversarial": recipe.adversarial * told_real(against),
            "discriminator": told_real(judge(truth)) + told_made(judge(made.detach())),
        }

    def _windows(self, items: Sequence[int], length: int) -> tuple[Tensor, Tensor]:
        """Spectra (B, n + 2 context, D) and motion (B, n, 6) of windows of clips, all as long as fits."""
        clips = [self.clips[item] for item in items]
        count = min(length, *(len(clip.motion) for clip in clips))
        starts = [_draw(len(clip.motion) - count + 1) for clip in clips]
        reach = count + 2 * self.players.generator.net.context
        spectra = [clip.spectra[at : at + reach] for clip, at in zip(clips, starts, strict=True)]
        motion = [clip.motion[at : at + count] for clip, at in zip(clips, starts, strict=True)]
        return torch.stack(spectra), torch.stack(motion)

    def _widened(self, truth: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """The same people with other postures, and with larger or smaller motion."""
        factor, shift = (self.recipe.wider * torch.randn(2, len(truth), 1, truth.shape[-1])).unbind()
        return factor.exp() * truth + shift, factor.exp() * shown + shift

    def validate(self) -> dict[str, float]:
        """How far styles are missed with a reference and without, in standard deviations."""
        if not self.validation:
            return {}
        with_reference, without = style_gaps(self.players.generator, self.validation)
        return {"gap": with_reference, "gap_without_reference": without}


def _draw(count: int) -> int:
    return int(torch.randint(count, ()))


def _others(clips: Sequence[HeadClip]) -> list[list[int]]:
    """For each clip the numbers of all others of its speaker."""
    own = defaultdict(list)
    for item, clip in enumerate(clips):
        own[clip.speaker].append(item)
    if not clips or min(map(len, own.values())) < 2:
        raise InputError("clips must be two or more of each speaker, got one or none")
    return [[item for item in own[clip.speaker] if item != place] for place, clip in enumerate(clips)]


def style_distance(made: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference (...) of the means and deviations of motions (..., T, 6)."""
    apart = [(one - other).abs() for one, other in zip(moments(made), moments(truth), strict=True)]
    return torch.cat(apart, dim=-1).mean(dim=-1)


def _statistics_distance(made: Tensor, truth: Tensor) -> Tensor:
    """Of the motion and of its pace, over a batch."""
    made_pace, true_pace = (track[:, PACE:] - track[:, :-PACE] for track in (made, truth))
    return style_distance(made, truth).mean() + style_distance(made_pace, true_pace).mean()


@torch.no_grad()
def style_gaps(model: HeadMotionModel, clips: Sequence[HeadClip]) -> tuple[float, float]:
    """How far motion is from the style it should have, with a reference and in the default style.

    A clip's reference are the first 64 frames of another clip of its speaker. The distance is
    :func:`style_distance`, in standard deviations of the training's motion, of what the model makes of the
    clip's sound from all motion of its speaker but the reference's; means over clips.

    Raises:
        InputError: a speaker has one clip only, or there is none.
    """
    gaps = []
    for clip, (first, *rest) in zip(clips, _others(clips), strict=True):
        shown = clips[first]
        truth = model.normalised(torch.cat([clip.motion, *(clips[item].motion for item in rest)]))
        features = model.describe(clip.spectra[None])
        heard = model.describe(shown.spectra[None, : REFERENCE + 2 * model.net.context])
        style = model.net.style(heard, model.normalised(shown.motion[None, :REFERENCE]))
        made = [model.normalised(model.move(features, one)[0]) for one in (style, model.default_style[None])]
        gaps.append([float(style_distance(one, truth)) for one in made])
    with_reference, without = torch.tensor(gaps).mean(dim=0).tolist()
    return with_reference, without


def head_clips(model: HeadMotionModel, utterances: Iterable[Utterance]) -> list[HeadClip]:
    """Utterances as the model hears them, but those whose speaker says nothing else to compare them with.

    Raises:
        InputError: another frame rate than the model's, or too few frames to tell a pace.
    """
    clips = []
    for utterance in utterances:
        if utterance.fps != FRAME_RATE:
            raise InputError(f"utterances must have {FRAME_RATE:g} fps, got {utterance.fps:g}")
        motion = utterance.head_motion
        if len(motion) <= PACE:
            raise InputError(f"utterances must have more than {PACE} frames, got {len(motion)}")
        clips.append(HeadClip(utterance.speaker, model.framed(utterance.sound, len(motion)), motion))
    takes = Counter(clip.speaker for clip in clips)
    return [clip for clip in clips if takes[clip.speaker] > 1]


def train_head_motion(
    utterances: Iterable[Utterance],
    recipe: HeadMotionRecipe,
    folder: str | Path,
    validation: Iterable[Utterance] = (),
    progress: bool = True,
) -> tuple[HeadMotionModel, TrainingReport]:
    """Train a head motion model and save it in ``folder``; a run that was stopped goes on where it was.

    Args:
        utterances: training set, such as :class:`meshanim.datasets.MadeSpeech`.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        validation: utterances of other people that are scored after every epoch.
        progress: show a bar.

    Raises:
        InputError: another frame rate than 25, eight frames or fewer, or no speaker of two utterances.
    """
    with recipe.seeded():
        model = HeadMotionModel(recipe.model)
        clips = head_clips(model, utterances)
        task = HeadMotionTask(model, clips, head_clips(model, validation), recipe)
    model.calibrate([clip.spectra for clip in clips], [clip.motion for clip in clips])
    return train_and_save(model, task, recipe, folder, progress)
