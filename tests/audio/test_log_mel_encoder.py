"""The small encoder: where its frames are, what they hear, and that a stream is the whole."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, EncoderStream, LogMelEncoder


@pytest.fixture
def encoder() -> LogMelEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LogMelEncoder(width=16, bands=20).eval()


@pytest.mark.parametrize("samples", [1, 639, 640, 16_000, 17_001])
def test_there_is_a_feature_for_every_frame(encoder, samples):
    features = encoder(torch.zeros(2, samples))
    assert features.shape == (2, max(1, round(samples / 640)), 16)


def test_a_frame_hears_from_its_left_context_to_its_look_ahead(encoder, babble):
    waveform = babble.waveform[None].clone().requires_grad_()
    frame = 30
    # A random direction: the sum of a normalised frame is always the same.
    direction = torch.randn(16, generator=torch.Generator().manual_seed(1))
    (encoder(waveform)[0, frame] @ direction).backward()
    assert waveform.grad is not None
    heard = waveform.grad[0].nonzero().flatten()
    moment = frame / 25
    first, last = int(heard[0]) / SPEECH_RATE, (int(heard[-1]) + 1) / SPEECH_RATE
    # The Hann window is zero at both of its ends, and energies at the floor have no gradient.
    assert moment - encoder.left_context <= first < moment - encoder.left_context + 0.002
    assert moment + encoder.look_ahead - 0.002 < last <= moment + encoder.look_ahead


def test_sound_a_frame_later_is_heard_a_frame_later(encoder, babble):
    waveform = babble.waveform[None]
    later = encoder(torch.cat([torch.zeros(1, 3 * 640), waveform], dim=1))
    assert torch.allclose(later[:, 3:], encoder(waveform), atol=1e-5)


@pytest.mark.parametrize("length", [100, 640, 5000, 50_000])
@torch.no_grad()
def test_a_stream_is_the_whole(encoder, babble, length):
    waveform = torch.stack([babble.waveform, babble.waveform.flip(0)])[:, :30_001]
    stream = EncoderStream(encoder, batch=2)
    parts = [stream.push(piece) for piece in waveform.split(length, dim=1)]
    whole = encoder(waveform)
    heard = sum(part.shape[1] for part in parts)
    assert heard == (30_001 - encoder.samples_after) // 640 + 1
    assert torch.allclose(torch.cat([*parts, stream.finish()], dim=1), whole, atol=1e-5)


@torch.no_grad()
def test_a_stream_holds_no_more_than_a_frame_hears(encoder):
    stream = EncoderStream(encoder)
    for _ in range(20):
        stream.push(torch.zeros(1, 4000))
    assert stream._held.shape[1] < encoder.samples_before + encoder.samples_after


@torch.no_grad()
def test_a_stream_of_nothing_is_one_frame_of_silence(encoder):
    assert torch.allclose(EncoderStream(encoder).finish(), encoder(torch.zeros(1, 1)), atol=1e-6)


def test_the_look_ahead_is_fixed():
    assert LogMelEncoder().look_ahead == pytest.approx(0.1925)
    assert LogMelEncoder(ahead=()).look_ahead == pytest.approx(0.0725)
    assert LogMelEncoder(fps=50).look_ahead == pytest.approx(0.1025)


def test_every_parameter_learns(encoder, babble):
    direction = torch.randn(16, generator=torch.Generator().manual_seed(1))
    (encoder(babble.waveform[None]) @ direction).mean().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in encoder.parameters())


def test_frames_must_be_whole_samples():
    with pytest.raises(InputError, match="multiple of 4 samples at 16 kHz, got 30"):
        LogMelEncoder(fps=30)


def test_the_text_names_where_blocks_look(encoder):
    assert "dilation=2, ahead=True" in repr(encoder)
