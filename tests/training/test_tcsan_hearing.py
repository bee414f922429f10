"""Ears that are told of lips before there is a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_UNITS
from meshanim.talking_heads import TcsanConfig, TcsanModel
from meshanim.training.lips import LIPS
from meshanim.training.tcsan_clips import TcsanClip
from meshanim.training.tcsan_hearing import TcsanHearingRecipe, hear_lips

CONFIG = TcsanConfig(
    units="none",
    features=64,
    hidden=64,
    layers=1,
    identity_channels=(2, 2, 2, 2),
    audio_channels=(4, 4, 4, 4, 4),
    decoder_channels=(4, 4, 3, 3, 2, 2),
)
RECIPE = TcsanHearingRecipe(epochs=12, learning_rate=2e-3, noise=0.1)


def clip(seed: int, frames: int = 40) -> TcsanClip:
    """The jaw opens with the first coefficient of what is heard; nothing else moves."""
    generator = torch.Generator().manual_seed(seed)
    windows = torch.randn(frames, 12, 28, generator=generator)
    lips = torch.zeros(frames, len(LIPS))
    lips[:, 0] = torch.tanh(windows[:, 0].mean(dim=1) * 5)
    units = torch.rand(frames, len(SPEECH_UNITS), generator=generator)
    return TcsanClip(torch.zeros(frames, 112, 112, 3, dtype=torch.uint8), windows[None], units, units, lips)


def model(clips: list[TcsanClip], config: TcsanConfig = CONFIG) -> TcsanModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = TcsanModel(config)
    made.sound.standardise(torch.cat([each.windows for each in clips]))
    return made


def test_they_hear_what_lips_do_and_go_on_to_the_same_bytes(tmp_path) -> None:
    clips = [clip(seed) for seed in range(8)]
    ears, again = model(clips), model(clips)
    before = {name: value.clone() for name, value in ears.state_dict().items()}
    report = hear_lips(ears, clips, clips[:1], RECIPE, tmp_path / "whole", progress=False)
    assert report.history[-1]["lips"] < 0.7 * report.history[0]["lips"]
    assert "validation_jaw_correlation" in report.history[0]
    moved = {
        name.split(".")[0]
        for name, value in ears.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {"sound", "fusion"}
    for epochs in (5, RECIPE.epochs):
        hear_lips(again, clips, clips[:1], replace(RECIPE, epochs=epochs), tmp_path / "parts", progress=False)
    assert all(
        torch.equal(one, other) for one, other in zip(ears.parameters(), again.parameters(), strict=True)
    )


def test_what_knows_the_mesh_s_units_learns_too(tmp_path) -> None:
    clips = [clip(seed) for seed in range(2)]
    ears = model(clips, replace(CONFIG, units="mesh"))
    assert ears.units is not None
    before = [value.clone() for value in ears.units.parameters()]
    hear_lips(ears, clips, [], replace(RECIPE, epochs=1), tmp_path, progress=False)
    assert any(
        not torch.equal(one, other) for one, other in zip(before, ears.units.parameters(), strict=True)
    )


def test_a_silent_clip_keeps_its_lips() -> None:
    still = clip(0).silent(3)
    assert torch.equal(still.lips, clip(0).lips[3].expand_as(still.lips))


def test_recipes_are_checked() -> None:
    with pytest.raises(InputError, match="dropout must be"):
        TcsanHearingRecipe(dropout=1.5)
