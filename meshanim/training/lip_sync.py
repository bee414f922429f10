"""Training of the judge of lip synchrony."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_range
from meshanim.audio import Sound, log_mel_windows
from meshanim.metrics import av_offset
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.recipe import Recipe
from meshanim.vision.lip_sync import BANDS, STEPS, WINDOW, LipSyncNetwork, mouth_pictures

SHIFTS = (-6, -3, 0, 3, 6)
"""Frames by which the sound of validation clips is put off."""
TOLERANCE = 1
"""Frames by which an offset may be wrong and still counts as found."""

_MOVED, _TURNED, _SCALED = 0.08, 0.1, 0.1
"""How differently mouths are cut: share of the picture's side, radians, and share of the scale."""
_LOUDER, _FAINTEST, _LOUDEST_NOISE = 1.5, -18.0, -9.0
"""Changes of the sound, in natural logarithms of energy: of all, and the range of a noise under it."""


class Talking(Protocol):
    """What training needs of a clip, such as :class:`meshanim.datasets.TalkingClip`."""

    @property
    def fps(self) -> float: ...  # noqa: D102
    @property
    def frames(self) -> Tensor: ...  # noqa: D102
    @property
    def landmarks(self) -> Tensor: ...  # noqa: D102
    @property
    def sound(self) -> Sound: ...  # noqa: D102


@dataclass(frozen=True)
class LipSyncRecipe(Recipe):
    """Recipe of :class:`meshanim.vision.LipSyncNetwork`.

    Attributes:
        width: channels of the network's first level.
        features: of its space.
        frames: that a clip takes part with, drawn anew each time.
        temperature: cosines are divided by it before they compete.
    """

    epochs: int = 40
    batch_size: int = 8
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.93
    weight_decay: float = 1e-4
    width: int = 24
    features: int = 128
    frames: int = 50
    temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "features"):
            check_range(name, getattr(self, name), 1)
        check_range("frames", self.frames, WINDOW)
        check_range("temperature", self.temperature, 0, open_low=True)


def contrast(seen: Tensor, heard: Tensor, temperature: float) -> Tensor:
    """InfoNCE both ways: each window of lips must find its own sound among all, each sound its lips.

    Args:
        seen: (N, D) of length 1; windows of one clip compete as well as those of others.
        heard: (N, D).
        temperature: that cosines are divided by.
    """
    cosines, own = seen @ heard.mT / temperature, torch.arange(len(seen))
    return (functional.cross_entropy(cosines, own) + functional.cross_entropy(cosines.mT, own)) / 2


def put_off(sound: Sound, seconds: float) -> Sound:
    """The sound that many seconds later, or earlier below 0, as long as it was; silence fills the gap."""
    samples, count = round(seconds * sound.sample_rate), len(sound.waveform)
    moved = functional.pad(sound.waveform, (max(0, samples), max(0, -samples)))
    start = max(0, -samples)
    return Sound(moved[start : start + count], sound.sample_rate)


@torch.no_grad()
def found_offsets(model: LipSyncNetwork, clips: Sequence[Talking], shifts: Sequence[int]) -> Tensor:
    """(N, S) frames by which the model finds the sound of each clip late, put off by each of S shifts."""
    rows = []
    for clip in clips:
        seen = model.see(mouth_pictures(clip.frames, clip.landmarks)[None])[0]
        heard = [
            model.hear(_windows(put_off(clip.sound, shift / clip.fps), clip)[None])[0] for shift in shifts
        ]
        rows.append([-av_offset(seen, each).frames for each in heard])
    return torch.tensor(rows)


def _windows(sound: Sound, clip: Talking) -> Tensor:
    """(T, BANDS, STEPS) beside a clip's frames."""
    windows = log_mel_windows(sound, clip.fps, BANDS, STEPS)
    return windows[torch.arange(len(clip.frames)).clamp(max=len(windows) - 1)]


class LipSyncTask:
    """Clips whose lips and voices a :class:`LipSyncNetwork` brings together.

    Args:
        model: the model.
        clips: to learn from, at the model's frame rate.
        others: clips in which shifts are sought after every epoch; may be none.
        recipe: the settings.
    """

    def __init__(
        self,
        model: LipSyncNetwork,
        clips: Sequence[Talking],
        others: Sequence[Talking],
        recipe: LipSyncRecipe,
    ) -> None:
        self.model, self.others, self.recipe = model, others, recipe
        for clip in (*clips, *others):
            if clip.fps != model.fps:
                raise InputError(f"clips must have {model.fps:g} frames/s, got {clip.fps:g}")
            if len(clip.frames) < recipe.frames:
                raise InputError(f"clips must have at least {recipe.frames} frames, got {len(clip.frames)}")
        self.mouths = [mouth_pictures(clip.frames, clip.landmarks) for clip in clips]
        self.sounds = [_windows(clip.sound, clip) for clip in clips]

    def __len__(self) -> int:
        return len(self.mouths)

    def losses(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Contrast of all windows of a batch."""
        starts = [_draw(len(self.mouths[item]) - self.recipe.frames + 1) for item in items]
        spans = [slice(start, start + self.recipe.frames) for start in starts]
        pairs = list(zip(items, spans, strict=True))
        mouths = _recut(torch.stack([self.mouths[item][span] for item, span in pairs]))
        sound = _under_noise(torch.stack([self.sounds[item][span] for item, span in pairs]))
        seen, heard = self.model(mouths, sound)
        return {"contrast": contrast(seen.flatten(0, 1), heard.flatten(0, 1), self.recipe.temperature)}

    def validate(self) -> dict[str, float]:
        """Share of known shifts of the others that are found within one frame."""
        if not self.others:
            return {}
        wrong = found_offsets(self.model, self.others, SHIFTS) - torch.tensor(SHIFTS)
        return {"shifts_found": float((wrong.abs() <= TOLERANCE).float().mean())}


def _draw(count: int) -> int:
    return int(torch.randint(count, ()))


def _between(low: float, high: float, count: int) -> Tensor:
    return low + (high - low) * torch.rand(count)


def _recut(mouths: Tensor) -> Tensor:
    """Mouths (B, T, H, W) of each clip as if cut a little elsewhere, mirrored, or under another light."""
    count = len(mouths)
    turn, scale = _between(-_TURNED, _TURNED, count), 1 + _between(-_SCALED, _SCALED, count)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cosine, sine = scale * turn.cos(), scale * turn.sin()
    moved = 2 * _MOVED * (2 * torch.rand(count, 2) - 1)
    rows = (
        torch.stack([mirror * cosine, -sine, moved[:, 0]], dim=1),
        torch.stack([mirror * sine, cosine, moved[:, 1]], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(mouths.shape), align_corners=False)
    strength = torch.exp(_between(-math.log(1.5), math.log(1.5), count))[:, None, None, None]
    return functional.grid_sample(mouths, grid, padding_mode="border", align_corners=False) * strength


def _under_noise(sound: Tensor) -> Tensor:
    """Log-mel windows (B, T, bands, steps) of each clip louder or fainter, over a steady noise."""
    louder = _between(-_LOUDER, _LOUDER, len(sound))[:, None, None, None]
    noise = _between(_FAINTEST, _LOUDEST_NOISE, len(sound))[:, None, None, None]
    return torch.logaddexp(sound + louder, noise)


def train_lip_sync(
    clips: Sequence[Talking],
    others: Sequence[Talking],
    recipe: LipSyncRecipe,
    folder: str | Path,
    progress: bool = True,
) -> tuple[LipSyncNetwork, TrainingReport]:
    """Train the judge and save it in ``folder``; a stopped run goes on where it was.

    Args:
        clips: to learn from, all of one frame rate.
        others: in which known shifts are sought after every epoch; may be none.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before.
        progress: show a bar.
    """
    if not clips:
        raise InputError("clips must hold at least one, got none")
    with recipe.seeded():
        model = LipSyncNetwork(recipe.width, recipe.features, clips[0].fps)
    return train_and_save(model, LipSyncTask(model, clips, others, recipe), recipe, folder, progress)
