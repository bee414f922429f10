"""Blinks and drift from noise: measured, played, and learned by the noise encoder."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import find_blinks
from meshanim.talking_heads.polynomial_encoders import NOISE
from meshanim.training.spontaneous import LENGTH, SpontaneousMotion

FPS = 25.0


def tracks(count: int = 12, frames: int = 75) -> list[torch.Tensor]:
    """Lids that blink twice in three seconds, and two tracks that drift."""
    made = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        drift = 0.05 * torch.randn(frames, 4, generator=generator).cumsum(0) / 5 + 0.2
        lids = torch.zeros(frames)
        for start in (10 + seed, 45 + seed):
            lids[start : start + 4] = torch.tensor([0.5, 0.9, 0.6, 0.3])
        drift[:, :2] = 0.02 + lids[:, None]
        made.append(drift)
    return made


@pytest.fixture(scope="module")
def motion() -> SpontaneousMotion:
    return SpontaneousMotion.measure(tracks(), FPS)


def test_it_measures_how_often_and_how_eyes_are_shut(motion: SpontaneousMotion) -> None:
    assert motion.rate == pytest.approx(2 / 75)
    blink = motion.blink * motion.spread
    torch.testing.assert_close(
        blink[:7, 0], torch.tensor([0.0, 0.5, 0.9, 0.6, 0.3, 0.0, 0.0]), atol=1e-5, rtol=0
    )
    level = motion.level * motion.spread + motion.mean
    torch.testing.assert_close(level[:2], torch.tensor([0.02, 0.02]), atol=1e-3, rtol=0)
    assert motion.stirs[2, 2] > 10 * motion.stirs[0, 0]


def test_noise_makes_blinks_at_the_measured_rate(motion: SpontaneousMotion) -> None:
    noise = torch.randn(20, 1500, NOISE, generator=torch.Generator().manual_seed(0))
    played = motion.play(noise) * motion.spread + motion.mean
    rates = [find_blinks(track[:, :2].mean(1), FPS).rate_per_s for track in played]
    # 20 minutes hold some 800 blinks, whose number deviates by 3.5 %
    assert sum(rates) / 20 == pytest.approx(motion.rate * FPS, rel=0.12)
    assert 0.7 < played[..., 0].amax() < 1.3


def test_what_comes_depends_on_noise_before_and_on_nothing_else(motion: SpontaneousMotion) -> None:
    noise = torch.randn(1, 60, NOISE, generator=torch.Generator().manual_seed(0))
    noise[..., -1].clamp_(max=1)  # no blink by itself
    whole, part = motion.play(noise), motion.play(noise[:, :30])
    torch.testing.assert_close(whole[:, :30], part)
    noise[:, 20, -1] = 5.0
    shut = motion.play(noise)[0, :, 0] - whole[0, :, 0]
    assert not shut[:20].any() and int(shut[20 : 20 + LENGTH].argmax()) == 2


def test_no_blink_follows_another_at_once(motion: SpontaneousMotion) -> None:
    noise = torch.zeros(1, 20, NOISE)
    noise[..., -1] = 9.0
    starts = motion._starts(noise[..., -1])[0]
    assert starts.nonzero().flatten().tolist() == [0, 6, 12, 18]


def test_a_steady_process_does_not_run_away(motion: SpontaneousMotion) -> None:
    assert float(torch.linalg.eigvals(motion.keeps).abs().max()) < 0.98
    assert bool(motion.play(torch.randn(2, 5000, NOISE)).isfinite().all())


def test_tracks_without_blinks_are_refused(motion: SpontaneousMotion) -> None:
    with pytest.raises(InputError, match="tracks must show blinks and rest, got 0"):
        SpontaneousMotion.measure([0.1 * torch.rand(75, 4)], FPS)
    with pytest.raises(InputError, match="noise must have shape"):
        replace(motion).play(torch.randn(1, 5, 3))
