"""Spectra and cepstra: what tones, silence, shifts and gains must do to them, and SciPy's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch

from meshanim._check import InputError
from meshanim.audio import (
    NOISE_DECIBELS,
    SPEECH_RATE,
    Sound,
    log_mel,
    log_mel_windows,
    mfcc_windows,
    mix_noise,
    stream_mfcc_windows,
)
from meshanim.audio.features import cepstrum
from meshanim.audio.spectra import (
    FLOOR,
    TRANSFORM,
    WINDOW,
    hertz_to_mel,
    log_energies,
    mel_filters,
    mel_to_hertz,
    windows_about,
)


def moved(sound: Sound, samples: int) -> Sound:
    """The sound so many samples later."""
    return Sound(torch.cat([torch.zeros(samples), sound.waveform]), sound.sample_rate)


def test_mel_and_hertz_are_inverse():
    hertz = torch.tensor([0.0, 440, 1000, 8000], dtype=torch.float64)
    assert torch.allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz)
    # The scale is made so that 1000 Hz are 1000 mel.
    assert float(hertz_to_mel(hertz)[2]) == pytest.approx(1000, abs=0.1)


def test_neighbouring_triangles_add_up_to_one():
    filters = mel_filters(26)
    corners = mel_to_hertz(torch.linspace(0, 1, 28).double() * hertz_to_mel(torch.tensor(8000.0)).double())
    bins = torch.arange(TRANSFORM // 2 + 1) * SPEECH_RATE / TRANSFORM
    inside = (bins >= corners[1]) & (bins <= corners[-2])
    assert filters.shape == (26, 257)
    assert torch.allclose(filters.sum(dim=0)[inside], torch.ones(int(inside.sum())), atol=1e-5)


@pytest.mark.parametrize("hertz", [300, 1000, 3300])
def test_a_tone_is_loudest_in_the_band_about_it(tone, hertz):
    bands = 40
    middles = mel_to_hertz(torch.linspace(0, 1, bands + 2) * hertz_to_mel(torch.tensor(8000.0)))[1:-1]
    loudest = log_mel(tone(hertz), bands=bands)[10:-10].argmax(dim=1)
    nearest = int((hertz_to_mel(middles) - hertz_to_mel(torch.tensor(float(hertz)))).abs().argmin())
    assert torch.equal(loudest, torch.full_like(loudest, nearest))


def test_power_spectra_are_scipys(babble):
    hop = 160
    transform = scipy.signal.ShortTimeFFT(
        np.hanning(WINDOW), hop, SPEECH_RATE, mfft=TRANSFORM, fft_mode="onesided"
    )
    # SciPy centres window p on sample p * hop too.
    power = np.abs(transform.stft(babble.waveform.double().numpy(), p0=0, p1=200)) ** 2 / TRANSFORM
    expected = np.log(np.maximum(mel_filters(80).double().numpy() @ power, FLOOR)).T
    assert np.abs(log_mel(babble).numpy() - expected).max() < 2e-4


def test_cepstra_are_scipys(babble):
    energies = log_mel(babble, bands=26)
    expected = scipy.fft.dct(energies.double().numpy(), norm="ortho")[:, 1:13]
    assert np.abs(cepstrum(energies).numpy() - expected).max() < 1e-4


def test_the_cosines_of_the_cepstrum_are_orthonormal():
    basis = cepstrum(torch.eye(26, dtype=torch.float64)).T
    assert torch.allclose(basis @ basis.T, torch.eye(12, dtype=torch.float64), atol=1e-12)
    assert basis.sum(dim=1).abs().max() < 1e-12


@pytest.mark.parametrize("fps", [12.0, 24.0, 29.97, 60.0])
def test_there_is_a_window_for_every_frame(babble, fps):
    assert mfcc_windows(babble, fps).shape == (round(2 * fps), 12, 28)


def test_a_window_is_centred_on_its_frame():
    silent, click = torch.zeros(SPEECH_RATE), 0.3
    silent[round(click * SPEECH_RATE)] = 1
    heard = mfcc_windows(Sound(silent, SPEECH_RATE), 25).abs().sum(dim=1) > 1e-3
    for frame, steps in enumerate(heard):
        moments = frame / 25 + (torch.arange(28) - 13.5) * 0.01
        # Half a window of 25 ms, less the Hann window's zero at its very ends.
        assert torch.equal(steps, (moments - click).abs() < 0.0125)


def test_what_makes_no_features_is_named(babble):
    with pytest.raises(InputError, match="rate must be above 0, got 0"):
        log_mel(babble, 0)
    with pytest.raises(InputError, match="chunk must be at least 1, got 0"):
        next(stream_mfcc_windows(babble, 25, 0))


@pytest.mark.parametrize("fps", [20.0, 25.0, 50.0])
def test_sound_a_frame_later_is_seen_a_frame_later(babble, fps):
    later = mfcc_windows(moved(babble, round(SPEECH_RATE / fps)), fps)
    assert torch.allclose(later[1:], mfcc_windows(babble, fps), atol=1e-4)


def test_silence_is_zero_and_loudness_does_not_count(babble):
    assert mfcc_windows(Sound(torch.zeros(8000), SPEECH_RATE), 25).abs().max() < 1e-5
    louder = Sound(3 * babble.waveform, SPEECH_RATE)
    # Bands near the floor do change: the babble is faded in and out, but not to nothing.
    assert torch.allclose(mfcc_windows(louder, 25)[5:-5], mfcc_windows(babble, 25)[5:-5], atol=1e-3)


def test_other_rates_sound_the_same(tone):
    same = [mfcc_windows(tone(500, rate=rate), 25)[5:-5] for rate in (16_000, 48_000)]
    assert (same[0] - same[1]).abs().mean() < 0.05 * same[0].abs().mean()


def test_windows_reach_beyond_both_ends():
    windows = windows_about(torch.ones(100), torch.tensor([-300, -150, 50, 400]))
    assert windows.sum(dim=1).tolist() == [0, 50, 100, 0]


def test_energies_have_gradients():
    windows = torch.randn(3, WINDOW, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(
        lambda scale: log_energies(windows * scale, 8),
        torch.tensor(1.0, requires_grad=True, dtype=torch.float64),
    )


@pytest.mark.parametrize("decibels", NOISE_DECIBELS)
def test_noise_is_as_loud_as_asked_for(babble, tone, decibels):
    for noise in (None, tone(200, 0.3, 8000)):
        noisy = mix_noise(babble, decibels, torch.Generator().manual_seed(1), noise)
        added = (noisy.waveform - babble.waveform).double()
        ratio = babble.waveform.double().square().mean() / added.square().mean()
        assert float(10 * ratio.log10()) == pytest.approx(decibels, abs=1e-3)


def test_noise_levels_are_six_to_thirty_decibels():
    assert NOISE_DECIBELS == (6, 9, 12, 15, 18, 21, 24, 27, 30)


def test_noise_hangs_on_its_seed(babble):
    first, second, other = (
        mix_noise(babble, 12, torch.Generator().manual_seed(seed)).waveform for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_noise_is_the_same_with_another_default_type(babble, doubles):
    wanted = mix_noise(babble, 12, torch.Generator().manual_seed(1))
    with doubles():
        found = mix_noise(babble, 12, torch.Generator().manual_seed(1))
    assert torch.equal(found.waveform, wanted.waveform)


def test_there_is_no_ratio_to_silence(babble):
    silent = Sound(torch.zeros(100), SPEECH_RATE)
    with pytest.raises(InputError, match="sound must not be silent"):
        mix_noise(silent, 6, torch.Generator())
    with pytest.raises(InputError, match="noise must not be silent"):
        mix_noise(babble, 6, torch.Generator(), silent)


def test_log_mel_windows_are_the_spectrum_about_each_frame():
    sound = Sound(0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0)), 16_000)
    windows, spectrum = log_mel_windows(sound, 25, 40, 21), log_mel(sound, 100, 40)
    assert windows.shape == (25, 40, 21)
    # An odd number of steps has one at the frame itself, which every fourth step of the spectrum is.
    assert torch.allclose(windows[5], spectrum[10:31].mT) and torch.allclose(windows[:, :, 10], spectrum[::4])


def test_gradients_pass_after_use_in_inference_mode():
    windows = torch.rand(2, WINDOW, generator=torch.Generator().manual_seed(0))
    mel_filters.cache_clear()
    with torch.inference_mode():
        log_energies(windows, 20)
    log_energies(windows.requires_grad_(), 20).sum().backward()
    assert windows.grad is not None and windows.grad.abs().max() > 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_sixteen_bits_hear_silence_too(babble, kind):
    windows = torch.cat([babble.waveform, torch.zeros(4000)]).unfold(0, WINDOW, 160)
    wanted = log_energies(windows, 20)
    with torch.autocast("cpu", kind):
        assert torch.equal(log_energies(windows, 20), wanted)
    heard = log_energies(windows.to(kind), 20)
    # logarithms of about 18 have steps of 1/8 in bfloat16, and samples have their own
    assert heard.dtype == kind and float((heard - wanted).abs().max()) < 0.2
