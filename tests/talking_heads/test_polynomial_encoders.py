"""Encoders of the talking head by polynomial fusion, and its generator."""

import math

import pytest
import torch

from meshanim._check import InputError
from meshanim.talking_heads.polynomial_encoders import (
    NOISE,
    AudioEncoder,
    IdentityEncoder,
    MotionEncoder,
    NoiseEncoder,
    ToneEnergies,
    sound_windows,
)
from meshanim.talking_heads.polynomial_generator import PolynomialGenerator


def test_windows_lie_around_the_moments_of_frames() -> None:
    waveform = torch.arange(1.0, 6401)
    windows = sound_windows(waveform, 0, 10)
    assert windows.shape == (10, 3200)
    assert torch.equal(windows[5], waveform[5 * 640 - 1600 : 5 * 640 + 1600])
    assert not windows[0, :1600].any() and torch.equal(windows[0, 1600:], waveform[:1600])
    assert torch.equal(windows[9, :2240], waveform[9 * 640 - 1600 :]) and not windows[9, 2240:].any()


@pytest.mark.parametrize(("start", "stop"), [(-9, -5), (-2, 3), (4, 9), (9, 14), (30, 33)])
def test_windows_of_a_part_are_those_of_the_whole(start: int, stop: int) -> None:
    waveform = torch.randn(6500)
    whole = sound_windows(waveform, -10, 40)
    assert torch.equal(sound_windows(waveform, start, stop), whole[start + 10 : stop + 10])


def test_sound_in_parts_is_heard_as_the_whole() -> None:
    encoder, windows = AudioEncoder(12).eval(), torch.randn(2, 9, 3200)
    whole, last = encoder(windows)
    first, memory = encoder(windows[:, :4])
    second, again = encoder(windows[:, 4:], memory)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again, last, atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="windows must have shape"):
        encoder(windows[..., :-1])


def test_the_first_filters_hear_one_tone_each() -> None:
    filters = ToneEnergies(64).pairs.weight.detach()[:64, 0]
    torch.testing.assert_close(filters.norm(dim=1), torch.ones(len(filters)))
    peaks = torch.fft.rfft(filters, 3200).abs().argmax(dim=1) * 5  # hertz
    assert 50 < int(peaks[0]) < 200 and 6500 < int(peaks[-1]) < 7500
    assert bool((peaks[1:] >= peaks[:-1]).all())


def test_energies_do_not_depend_on_where_in_its_period_a_tone_is_met() -> None:
    time = torch.arange(3200) / 16000
    met = torch.stack([torch.sin(6.2832 * (440 * time + shift)) for shift in (0.0, 0.13, 0.4)])
    with torch.no_grad():
        one, *others = ToneEnergies(64)(met[:, None])
        louder = ToneEnergies(64)(10 * met[:1, None])[0]
    loudest = one.mean(dim=1) > one.mean(dim=1).max() - 3
    for other in others:
        torch.testing.assert_close(other[loudest, 2:-2], one[loudest, 2:-2], atol=0.05, rtol=0)
    shift = (louder - one)[loudest, 2:-2]
    torch.testing.assert_close(shift, torch.full_like(shift, math.log(100)), atol=1e-3, rtol=0)


def test_noise_in_parts_is_the_whole() -> None:
    encoder, noise = NoiseEncoder(10), torch.randn(1, 20, NOISE)
    whole, _ = encoder(noise)
    first, memory = encoder(noise[:, :7])
    assert whole.shape == (1, 20, 10)
    torch.testing.assert_close(torch.cat([first, encoder(noise[:, 7:], memory)[0]], dim=1), whole)


def test_identity_has_a_level_of_every_size() -> None:
    identity, features = IdentityEncoder(4, 6)(torch.randn(2, 3, 128, 96))
    assert identity.shape == (2, 6)
    sizes = [(4, 64, 48), (8, 32, 24), (16, 16, 12), (16, 8, 6), (32, 4, 3)]
    assert [tuple(level.shape[1:]) for level in features] == sizes
    # six strided convolutions
    strided = [
        part
        for part in IdentityEncoder(4, 6).modules()
        if isinstance(part, torch.nn.Conv2d) and part.stride[0] > 1
    ]
    assert len(strided) == 6


def test_the_generator_draws_frames_that_share_a_picture() -> None:
    generator, encoder = PolynomialGenerator(9, 4).eval(), IdentityEncoder(4, 6).eval()
    torch.nn.init.normal_(generator.ups[-1].conv.weight)  # type: ignore[union-attr, arg-type]
    pictures = torch.randn(2, 3, 128, 96)
    shares, encodings = generator.shares(pictures, encoder(pictures)[1]), torch.randn(2, 5, 9)
    frames = generator(encodings, shares)
    assert frames.shape == (2, 5, 3, 128, 96)
    alone = generator(encodings[1:, 3:4], [share[1:] for share in shares])
    torch.testing.assert_close(alone[0, 0], frames[1, 3], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(frames[0], generator(encodings, [share.flip(0) for share in shares])[0])


def test_motion_is_one_encoding_a_frame() -> None:
    encoder = MotionEncoder(6)
    assert encoder(torch.zeros(2, 3, 68, 3)).shape == (2, 3, 6)
    assert not torch.allclose(encoder(torch.zeros(1, 68, 3)), encoder(0.1 * torch.ones(1, 68, 3)))
