"""What the shipped polynomial talking head has learned; its weights are in a checkout only."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from meshanim.metrics import find_blinks
from meshanim.performance import Performance
from meshanim.talking_heads import Appearance, PolynomialRenderer, to_network
from meshanim.talking_heads.polynomial_encoders import NOISE
from meshanim.vision import POLYNOMIAL_CROP

WEIGHTS = Path(__file__).parents[2] / "data" / "research" / "polynomial-grid"
LIPS = slice(76, 112), slice(24, 72)
Speaking = Callable[..., Performance]

pytestmark = pytest.mark.skipif(not WEIGHTS.is_dir(), reason="weights trained on GRID are in a checkout only")


@pytest.fixture(scope="module")
def renderer() -> PolynomialRenderer:
    return PolynomialRenderer.from_pretrained(WEIGHTS)


@pytest.fixture(scope="module")
def man(shared_data: Path) -> Appearance:
    """Who is seen in a test clip."""
    pytest.importorskip("dlib")
    return Appearance.from_video(sorted((shared_data / "grid_sample" / "s1").glob("*.mpg"))[90], count=1)


def in_lips(frames: torch.Tensor) -> torch.Tensor:
    """(T, ...) grey levels around the lips."""
    return frames[:, LIPS[0], LIPS[1]].float()


def test_silence_keeps_the_mouth_of_the_reference(
    renderer: PolynomialRenderer, man: Appearance, speaking: Speaking
) -> None:
    said = speaking(50)
    assert said.waveform is not None
    silent = replace(said, waveform=torch.zeros_like(said.waveform))
    reference = torch.from_numpy(man.reference(POLYNOMIAL_CROP))[None]
    away = (in_lips(renderer.render(silent, man)) - in_lips(reference)).abs().mean()
    assert away < 4  # grey levels of 255; real frames of speech are 8 away


def test_noise_alone_blinks_as_often_and_as_long_as_people(renderer: PolynomialRenderer) -> None:
    model = renderer.model
    noise = torch.randn(6, 1500, NOISE, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        tracks = model.noise_encoder(noise)[0] * model.track_spread + model.track_mean
    blinks = [find_blinks(track[:, :2].mean(1), 25.0) for track in tracks]
    rate = sum(each.rate_per_s for each in blinks) / len(blinks)
    # people at rest 0.28, this speaker 0.68
    assert 0.25 < rate < 0.8
    durations = [each.mean_duration_s for each in blinks if each.mean_duration_s is not None]
    assert 0.08 < sum(durations) / len(durations) < 0.4


def test_lids_close_where_the_tracks_say_so(renderer: PolynomialRenderer, man: Appearance) -> None:
    model = renderer.model
    picture = to_network(torch.from_numpy(man.reference(POLYNOMIAL_CROP)))[None]
    tracks = torch.zeros(1, 2, 10)
    tracks[0, 1, :2] = 3.5
    with torch.no_grad():
        identity, shares = model.look(picture)
        still = model.audio_encoder(torch.zeros(1, 2, 3200))[0]
        opened, shut = model.draw(still, identity, shares, tracks)[0]
    eyes = (shut - opened)[:, 34:50, 20:76].abs().mean()
    elsewhere = (shut - opened)[:, 56:].abs().mean()
    assert eyes > 4 * elsewhere
