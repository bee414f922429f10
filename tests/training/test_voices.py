"""Voices heard as others'."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.talking_heads.polynomial_encoders import sound_windows
from meshanim.training.voices import Voices

SOUND = torch.sin(torch.arange(32_000) / 16_000 * 6.2832 * 1000)
NONE = {"pitch": 0.0, "colour": 0.0, "louder": 0.0, "hum": 0.0}


def test_without_a_change_it_is_the_sound_as_recorded() -> None:
    torch.testing.assert_close(
        Voices(**NONE).windows([SOUND, 2 * SOUND], -2, 9)[1], sound_windows(2 * SOUND, -2, 9)
    )


def test_pitch_moves_tones_and_no_frame() -> None:
    beep = SOUND.clone()
    beep[: 25 * 640 - 8], beep[25 * 640 + 8 :] = 0, 0
    heights = []
    for seed in range(4):
        torch.manual_seed(seed)
        [tone] = Voices(**{**NONE, "pitch": 0.2}).windows([SOUND], 20, 30)
        hertz = torch.fft.rfft(tone).abs().argmax(dim=1) * 5.0
        assert bool((hertz == hertz[0]).all()) and 790 <= float(hertz[0]) <= 1210
        heights.append(float(hertz[0]))
        torch.manual_seed(seed)
        [click] = Voices(**{**NONE, "pitch": 0.2}).windows([beep], 20, 30)
        assert abs(int(click[5].abs().argmax()) - 1600) < 16
    assert min(heights) < 1000 < max(heights)


def test_each_voice_is_its_own_and_a_seed_gives_the_same() -> None:
    def heard() -> torch.Tensor:
        torch.manual_seed(0)
        return Voices().windows([SOUND, SOUND], 5, 10)

    one, other = heard()
    assert not torch.allclose(one, other, atol=0.05) and torch.equal(heard()[0], one)
    torch.manual_seed(1)
    gains = [float(Voices(**{**NONE, "louder": 0.5}).windows([SOUND], 5, 6).std()) for _ in range(200)]
    assert torch.tensor(gains).log().std() == pytest.approx(0.5, rel=0.2)


def test_changes_are_checked() -> None:
    with pytest.raises(InputError, match="pitch must be"):
        Voices(pitch=0.6)
    with pytest.raises(InputError, match="hum must be at least 0, got -1"):
        Voices(hum=-1)
