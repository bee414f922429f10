"""What the talking head by polynomial fusion learns in a step, and its three judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from meshanim.talking_heads.pictures import from_network
from meshanim.talking_heads.polynomial_config import HEIGHT
from meshanim.talking_heads.polynomial_judges import SNIPPET, FrameJudge, SequenceJudge, SynchronyJudge
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.training.adversarial_losses import told_made, told_real
from meshanim.training.processes import Processes
from meshanim.training.talking_batches import SeenClip, TalkingBatch
from meshanim.training.task import Turn

if TYPE_CHECKING:
    from meshanim.training.polynomial import PolynomialRecipe

_HALF = HEIGHT // 2
_LIPS = slice(76, 112), slice(24, 72)
"""Rows and columns in which lips and chin are in :data:`meshanim.vision.POLYNOMIAL_CROP`."""
_EYES = slice(32, 52), slice(14, 82)
"""Those in which eyes and lids are."""
_SHOWN = (10, 20, 30, 40)
"""Frames of a validation clip that TensorBoard shows."""


class PolynomialPlayers(nn.Module):
    """The model and its judges, so that one checkpoint holds all of them.

    Args:
        model: the model.
        width: channels of the judges at half size.
        frozen: the identity encoder stays as it is, statistics included; those of audio and noise do anyway.
    """

    def __init__(self, model: PolynomialModel, width: int, frozen: bool) -> None:
        super().__init__()
        self.model, self.frozen = model, frozen
        self.frame, self.sequence, self.synchrony = (
            FrameJudge(width),
            SequenceJudge(width),
            SynchronyJudge(width),
        )

    def train(self, mode: bool = True) -> Self:
        """Set training mode, of what is trained."""
        super().train(mode)
        for encoder in self._held():
            encoder.eval()
        return self

    def learned(self) -> list[nn.Parameter]:
        """The model's parameters that are trained."""
        held = {parameter for encoder in self._held() for parameter in encoder.parameters()}
        return [parameter for parameter in self.model.parameters() if parameter not in held]

    def _held(self) -> list[nn.Module]:
        """Encoders that have learned what they can: what a generator asks of them first undoes that."""
        model = self.model
        return model.encoders if self.frozen else [model.audio_encoder, model.noise_encoder]


class PolynomialTask:
    r"""Clips that a :class:`PolynomialModel` learns to draw (Kefalas et al. 2020, eqs 9 to 12).

    .. math:: \min_G \max_D L_{adv} + \lambda_1 L_{L1} + \lambda_2 \Omega

    Of what is seen and counted, four things are not the paper's. Every stretch is heard in another voice. The
    L1 distance counts once more around the lips, a quarter of the lower half, of which the rest moves with
    the head, which no view tells of. It counts in the upper half too, with less weight, and once more around
    the eyes, since there the generator has to draw what the tracks of lids and brows say. And some stretches
    are silent, with the reference as what is to be seen.

    Args:
        model: the model.
        clips: the training set.
        validation: clips that are drawn whole after every epoch.
        recipe: the settings.
        frozen: keep the identity encoder as it is too.
    """

    def __init__(
        self,
        model: PolynomialModel,
        clips: Sequence[SeenClip],
        validation: Sequence[SeenClip],
        recipe: PolynomialRecipe,
        frozen: bool,
    ) -> None:
        self.device = Processes().device
        players = PolynomialPlayers(model, recipe.judge_width, frozen).to(self.device)
        self.model = players.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.clips, self.validation, self.recipe = clips, validation, recipe
        self._batch: TalkingBatch | None = None
        self._made: Tensor | None = None

    def __len__(self) -> int:
        return len(self.clips) * self.recipe.stretches

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """The generator's; see :meth:`turns` for all."""
        return self._generate(items)

    def turns(self) -> Sequence[Turn]:
        """The generator draws; then each judge looks at what it has drawn."""
        recipe, players, betas = self.recipe, self.model, self.recipe.betas
        quick, slow = recipe.judge_rate, recipe.slow_judge_rate
        return [
            Turn(self._generate, players.learned(), recipe.learning_rate, betas),
            Turn(self._judge_frames, list(players.frame.parameters()), quick, betas),
            Turn(self._judge_sequence, list(players.sequence.parameters()), slow, betas),
            Turn(self._judge_synchrony, list(players.synchrony.parameters()), slow, betas),
        ]

    def _generate(self, items: Sequence[int]) -> dict[str, Tensor]:
        recipe = self.recipe
        clips = [self.clips[item % len(self.clips)] for item in items]
        batch = TalkingBatch.draw(clips, recipe.frames, recipe.voices).silenced(recipe.silent)
        batch = batch.to(self.device)
        made = self.draw(batch)
        apart = (made - batch.frames).abs()
        model, players = self.model.model, self.model
        self._batch, self._made = batch, made.detach()
        count = max(1, sum(each.numel() for each in model.fusion.parameters()))
        return {
            "lower": recipe.lower * apart[..., _HALF:, :].mean(),
            "lips": recipe.lips * apart[..., _LIPS[0], _LIPS[1]].mean(),
            "eyes": recipe.eyes * apart[..., _EYES[0], _EYES[1]].mean(),
            "upper": recipe.upper * apart[..., :_HALF, :].mean(),
            "size": recipe.size * model.fusion.penalty() / math.sqrt(count),
            "frame": recipe.frame * told_real(players.frame(*self._sampled(batch, made))),
            "sequence": recipe.sequence * told_real(players.sequence(made, batch.heard_frames)),
            "synchrony": recipe.synchrony * told_real(players.synchrony(*self._snippets(batch, made))),
        }

    def draw(self, batch: TalkingBatch) -> Tensor:
        """Frames (B, T, 3, 128, 96) that the model makes of a batch."""
        model, count = self.model.model, batch.frames.shape[1]
        with torch.no_grad():
            heard = model.audio_encoder(batch.windows)[0][:, -count:]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.model.frozen):
            identity, features = model.identity_encoder(batch.reference)
        shares, tracks = model.generator.shares(batch.reference, features), model.normalised(batch.tracks)
        return model.draw(heard, identity, shares, tracks, batch.displacements)

    def _judge_frames(self, items: Sequence[int]) -> dict[str, Tensor]:
        batch, made = self._drawn()
        judge = self.model.frame
        real = told_real(judge(*self._sampled(batch, batch.frames)))
        return {"frame_judge": real + told_made(judge(*self._sampled(batch, made)))}

    def _judge_sequence(self, items: Sequence[int]) -> dict[str, Tensor]:
        batch, made = self._drawn()
        judge = self.model.sequence
        real = told_real(judge(batch.frames, batch.heard_frames))
        return {"sequence_judge": real + told_made(judge(made, batch.heard_frames))}

    def _judge_synchrony(self, items: Sequence[int]) -> dict[str, Tensor]:
        batch, made = self._drawn()
        judge = self.model.synchrony
        snippets, windows = self._snippets(batch, batch.frames)
        elsewhere = self._snippets(batch, batch.frames)[1].roll(self.recipe.looks, dims=0)
        wrong = (told_made(judge(snippets, elsewhere)) + told_made(judge(*self._snippets(batch, made)))) / 2
        return {"synchrony_judge": told_real(judge(snippets, windows)) + wrong}

    def _drawn(self) -> tuple[TalkingBatch, Tensor]:
        assert self._batch is not None and self._made is not None
        return self._batch, self._made

    def _sampled(self, batch: TalkingBatch, frames: Tensor) -> tuple[Tensor, Tensor]:
        """S(x) of eq 9: some frames (N, 3, H, W) of each stretch, and the reference of each."""
        chosen = torch.randint(frames.shape[1], (self.recipe.looks,))
        references = batch.reference[:, None].expand(-1, len(chosen), -1, -1, -1)
        return frames[:, chosen].flatten(0, 1), references.flatten(0, 1)

    def _snippets(self, batch: TalkingBatch, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (N, 5, 3, H, W) of 0.2 s, and their sound (N, 3200), that of the frame in their middle."""
        starts = torch.randint(frames.shape[1] - SNIPPET + 1, (self.recipe.looks,)).tolist()
        seen = torch.stack([frames[:, start : start + SNIPPET] for start in starts], dim=1)
        heard = torch.stack([batch.heard_frames[:, start + SNIPPET // 2] for start in starts], dim=1)
        return seen.flatten(0, 1), heard.flatten(0, 1)

    def validate(self) -> dict[str, float]:
        """Peak signal to noise ratio in dB of the lower half, with each clip's own sound and another's.

        Without a second clip there is no other sound.
        """
        if not self.validation:
            return {}
        own, other = [], []
        for clip, next_clip in zip(self.validation, [*self.validation[1:], self.validation[0]], strict=True):
            count = min(len(clip), len(next_clip))
            batch, strange = (self._whole(each, count) for each in (clip, next_clip))
            own.append(self._error(batch))
            other.append(self._error(batch._replace(windows=strange.windows)))
        sounds = {"validation_mouth_psnr": own}
        if len(self.validation) > 1:
            sounds["validation_strange_sound_psnr"] = other
        return {name: -10 * math.log10(sum(errors) / len(errors)) for name, errors in sounds.items()}

    def _whole(self, clip: SeenClip, count: int) -> TalkingBatch:
        return TalkingBatch.cut([clip], 0, count).to(self.device)

    def _error(self, batch: TalkingBatch) -> float:
        """Mean square of the lower half's error, grey levels from 0 to 1."""
        return float(((self.draw(batch) - batch.frames)[..., _HALF:, :] / 2).square().mean())

    def sample_pictures(self) -> dict[str, Tensor]:
        """Frames of the first validation clip, true ones over drawn ones, the reference before both."""
        if not self.validation:
            return {}
        clip = self.validation[0]
        batch = self._whole(clip, len(clip))
        chosen = [frame for frame in _SHOWN if frame < len(clip)]
        rows = [
            torch.cat([clip.frames[0], *frames[chosen]], dim=1)
            for frames in (clip.frames, from_network(self.draw(batch)[0]).cpu())
        ]
        return {"reference, truth and model": torch.cat(rows)}
