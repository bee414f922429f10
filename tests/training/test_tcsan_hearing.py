"""An audio encoder that is told of lips before there is a picture."""

from __future__ import annotations

import torch

from meshanim.audio import SPEECH_UNITS
from meshanim.talking_heads.tcsan_networks import WindowEncoder
from meshanim.training.tcsan_clips import LIPS, TcsanClip
from meshanim.training.tcsan_hearing import hear_lips


def clip(seed: int, frames: int = 40) -> TcsanClip:
    """The jaw opens with the first coefficient of what is heard; nothing else moves."""
    generator = torch.Generator().manual_seed(seed)
    windows = torch.randn(frames, 12, 28, generator=generator)
    lips = torch.zeros(frames, len(LIPS))
    lips[:, 0] = torch.tanh(windows[:, 0].mean(dim=1) * 5)
    units = torch.zeros(frames, len(SPEECH_UNITS))
    return TcsanClip(torch.zeros(frames, 8, 8, 3, dtype=torch.uint8), windows, units, units, lips)


def encoder(clips: list[TcsanClip]) -> WindowEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sound = WindowEncoder((4, 4, 4, 4, 4), 16)
    return sound.standardise(torch.cat([each.windows for each in clips]))


def test_it_hears_what_lips_do_and_goes_on_to_the_same_bytes(tmp_path) -> None:
    clips = [clip(seed) for seed in range(8)]
    sound, again = encoder(clips), encoder(clips)
    report = hear_lips(sound, 16, clips, [], 12, 0.1, 0, tmp_path / "whole", progress=False)
    losses = [row["lips"] for row in report.history]
    assert losses[-1] < 0.7 * losses[0]
    twice = hear_lips(again, 16, clips, [], 12, 0.1, 0, tmp_path / "whole", progress=False)
    assert twice.finished and all(
        torch.equal(one, other) for one, other in zip(sound.parameters(), again.parameters(), strict=True)
    )


def test_a_silent_clip_keeps_its_lips(tmp_path) -> None:
    still = clip(0).silent(3)
    assert torch.equal(still.lips, clip(0).lips[3].expand_as(still.lips))
