"""What encoders of sound and chance learn before they meet a picture."""

from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.talking_heads import PolynomialConfig, PolynomialModel
from meshanim.talking_heads.polynomial_encoders import NoiseEncoder
from meshanim.training.head_start import (
    ChanceRecipe,
    ChanceTask,
    PolynomialHearingRecipe,
    PolynomialHearingTask,
    give_head_start,
)
from meshanim.training.loop import train
from meshanim.training.spontaneous import SpontaneousMotion
from meshanim.training.talking_batches import SeenClip

SIZES = PolynomialConfig(audio=24, identity=4, joint=28, rank=2, width=2)


def heard_clip(seed: int, frames: int = 60) -> SeenClip:
    """A jaw that opens with the loudness of noise, and lids that blink twice."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames) / 25
    opened = torch.sin(7 * time + seed).clamp(min=0)
    voice = 0.3 * torch.randn(frames * 640, generator=generator) * opened.repeat_interleave(640)
    weights = 0.02 * torch.rand(frames, 52, generator=generator)
    weights[:, 24] = opened  # jawOpen
    for start in (15, 40):
        weights[start : start + 3, [8, 9]] = torch.tensor([[0.5], [0.9], [0.4]])
    return SeenClip(torch.zeros(frames, 1, 1, 3, dtype=torch.uint8), voice, weights)


CLIPS = [heard_clip(seed) for seed in range(6)]


def test_the_audio_encoder_learns_to_hear_the_jaw(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = PolynomialHearingRecipe(epochs=5, batch_size=2, learning_rate=5e-3)
    task = PolynomialHearingTask(PolynomialModel(SIZES), CLIPS[:5], CLIPS[5:], recipe)
    history = train(task, recipe, tmp_path, progress=False).history
    assert history[-1]["lips"] < 0.8 * history[0]["lips"]
    assert history[-1]["validation_jaw_correlation"] > 0.7


def test_the_noise_encoder_comes_nearer_to_what_faces_do(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = ChanceRecipe(epochs=2, sequences=160, frames=40)
    motion = SpontaneousMotion.measure([clip.tracks for clip in CLIPS], 25.0)
    task = ChanceTask(NoiseEncoder(10), motion, recipe)
    history = train(task, recipe, tmp_path, progress=False).history
    assert history[1]["spontaneous"] < 0.9 * history[0]["spontaneous"]
    assert set(history[0]) >= {"blinks_per_s", "blink_duration_s"}


def test_both_are_learned_in_place_and_tracks_get_their_scale(tmp_path: Path) -> None:
    model = PolynomialModel(SIZES)
    before = [value.clone() for value in model.state_dict().values()]
    names = list(model.state_dict())
    hearing, chance = (
        PolynomialHearingRecipe(epochs=1, frames=5),
        ChanceRecipe(epochs=1, sequences=2, frames=5),
    )
    assert give_head_start(model, CLIPS, hearing, chance, tmp_path, progress=False)
    after = model.state_dict().values()
    moved = {
        name.split(".")[0]
        for name, old, new in zip(names, before, after, strict=True)
        if not torch.equal(old, new)
    }
    assert moved == {"audio_encoder", "noise_encoder", "track_mean", "track_spread"}
    tracks = model.normalised(torch.cat([clip.tracks for clip in CLIPS]))
    torch.testing.assert_close(tracks.mean(0), torch.zeros(10), atol=1e-4, rtol=0)


def test_recipes_are_checked() -> None:
    with pytest.raises(InputError, match="blur must be at least 0, got -1"):
        PolynomialHearingRecipe(blur=-1)
    with pytest.raises(InputError, match="sequences must be at least 1, got 0"):
        ChanceRecipe(sequences=0)
