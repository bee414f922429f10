"""Any file's sound, whatever its rate and channels; what is none ends in one sentence."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from meshanim._check import InputError
from meshanim.audio import (
    Sound,
    encode_wav,
    find_sound,
    frames_beside,
    read_sound,
    resample,
    write_sound,
)
from meshanim.vision import read_video, write_video

RATE = 16_000


def frames(count):
    for _ in range(count):
        yield np.zeros((16, 16, 3), np.uint8)


def write_channels(
    path: Path, channels: NDArray, rate: int, codec: str = "pcm_f32le", layout: str = ""
) -> Path:
    """A file of (C, N) samples."""
    layout = layout or {1: "mono", 2: "stereo", 3: "2.1"}[len(channels)]
    kind = {"pcm_f32le": "flt", "pcm_s16le": "s16", "pcm_s32le": "s32", "pcm_u8": "u8"}[codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        packed = np.ascontiguousarray(channels.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, kind, layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("count", "rate"), [(1, 8000), (2, 44_100), (3, 48_000), (1, 192_000)])
def test_channels_become_their_mean_at_any_rate(tmp_path, count, rate):
    channels = np.random.default_rng(count).uniform(-1, 1, (count, 4000)).astype(np.float32)
    sound = read_sound(write_channels(tmp_path / "a.wav", channels, rate))
    assert sound.sample_rate == rate
    assert np.abs(sound.waveform.numpy() - channels.mean(axis=0)).max() < 1e-6


@pytest.mark.parametrize(
    ("codec", "kind", "full"),
    [("pcm_u8", "u1", 2**7), ("pcm_s16le", "<i2", 2**15), ("pcm_s32le", "<i4", 2**31)],
)
def test_whole_numbers_are_shares_of_full_scale(tmp_path, codec, kind, full):
    shares = np.array([[-1.0, -0.5, 0.0, 0.25]])
    numbers = (shares * full + (full if kind == "u1" else 0)).astype(kind)
    sound = read_sound(write_channels(tmp_path / "a.wav", numbers, RATE, codec))
    assert sound.waveform.tolist() == shares[0].tolist()


def test_sound_of_a_video_is_in_step_with_its_frames(tmp_path, tone):
    path = tmp_path / "clip.mp4"
    write_video(path, frames(25), 25, tone(300).waveform.numpy(), RATE)
    sound = read_sound(path)
    assert sound.sample_rate == RATE
    # AAC keeps a steady tone's place to a fraction of its period.
    back, meant = sound.waveform[2000:12_000], tone(300).waveform[2000:12_000]
    assert (back - meant).abs().max() < 0.02


@pytest.mark.parametrize("samples", [16_000, 15_999, 15_361, 15_360])
def test_sound_of_a_video_is_as_long_as_what_was_written(tmp_path, tone, samples):
    path = tmp_path / "clip.mp4"
    write_video(path, frames(25), 25, tone(300).waveform[:samples].numpy(), RATE)
    assert len(read_sound(path).waveform) == samples


@pytest.mark.parametrize("late", [-0.25, 0.25])
def test_sound_that_begins_before_or_after_the_picture_is_moved(tmp_path, late):
    samples = np.zeros((1, RATE), np.float32)
    samples[0, RATE // 2] = 1
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 16
        picture.pix_fmt = "yuv420p"
        track = container.add_stream("pcm_f32le", rate=RATE, layout="mono")
        for index in range(25):
            image = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24").reformat(
                format="yuv420p"
            )
            image.pts, image.time_base = index + 25, Fraction(1, 25)
            container.mux(picture.encode(image))
        frame = av.AudioFrame.from_ndarray(samples, "flt", "mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), round((1 + late) * RATE)
        container.mux(track.encode(frame))
        for stream in (picture, track):
            container.mux(stream.encode(None))
    waveform = read_sound(path).waveform
    # Matroska counts in milliseconds.
    assert abs(int(waveform.argmax()) / RATE - (0.5 + late)) < 2e-3
    assert len(waveform) == pytest.approx(RATE * (1 + late), abs=0.002 * RATE)


def test_real_clips_have_their_sound(shared_data):
    path = shared_data / "grid_sample" / "speakers" / "bbaf2n.mpg"
    sound = read_sound(path)
    assert sound.sample_rate == 44_100
    assert sound.duration == pytest.approx(read_video(path).duration, abs=0.05)


def test_a_truncated_file_ends_where_it_breaks_off(tmp_path, tone):
    whole = encode_wav(tone(300).waveform, RATE)
    (tmp_path / "half.wav").write_bytes(whole[: len(whole) // 2])
    sound = read_sound(tmp_path / "half.wav")
    assert torch.equal(sound.waveform, read_bytes(whole)[: len(sound.waveform)])
    assert len(sound.waveform) == pytest.approx(RATE / 2, abs=30)


def read_bytes(file: bytes) -> torch.Tensor:
    with wave.open(io.BytesIO(file)) as reader:
        return torch.frombuffer(bytearray(reader.readframes(reader.getnframes())), dtype=torch.int16) / 32768


def test_what_has_no_sound_says_so(tmp_path):
    write_video(tmp_path / "mute.mp4", frames(2), 25)
    (tmp_path / "empty.wav").write_bytes(encode_wav(torch.zeros(0), RATE))
    for name in ("mute.mp4", "empty.wav"):
        assert find_sound(tmp_path / name) is None
        with pytest.raises(InputError, match=f"{name} must have sound, got a file without any"):
            read_sound(tmp_path / name)


def test_what_is_no_media_file_says_so(tmp_path, tone):
    (tmp_path / "text.wav").write_text("once upon a time")
    (tmp_path / "cut.wav").write_bytes(encode_wav(tone(300).waveform, RATE)[:20])
    (tmp_path / "nothing.wav").write_bytes(b"")
    for name in ("text.wav", "cut.wav", "nothing.wav"):
        with pytest.raises(InputError, match=f"{name} must be a file with sound"):
            read_sound(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        read_sound(tmp_path / "missing.wav")


def test_samples_that_are_no_numbers_are_found(tmp_path):
    samples = np.zeros((1, 16_000), np.float32)
    samples[0, 4000] = np.nan
    path = write_channels(tmp_path / "nan.wav", samples, RATE)
    with pytest.raises(InputError, match=r"nan\.wav must hold finite samples, got nan at 0\.250 s"):
        read_sound(path)


def test_files_that_nobody_can_hear_are_named(tmp_path, tone):
    loud = write_channels(tmp_path / "loud.wav", np.full((1, 400), 1e30, np.float32), RATE)
    with pytest.raises(InputError, match=r"loud\.wav must hold a sound, whose waveform must stay within"):
        read_sound(loud)
    # A header that asks for a filter of gigabytes on the way to 16 kHz.
    wav = bytearray(encode_wav(tone(300).waveform, RATE))
    wav[24:28] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "fast.wav").write_bytes(wav)
    with pytest.raises(InputError, match=r"fast\.wav must hold a sound, whose sample_rate must be"):
        read_sound(tmp_path / "fast.wav")


@pytest.mark.parametrize(
    ("waveform", "rate", "message"),
    [
        (torch.zeros(2, 8), RATE, r"waveform must have shape \(any,\), got \(2, 8\)"),
        (np.zeros(8, np.float32), RATE, r"waveform must be a tensor, got numpy\.ndarray"),
        (torch.zeros(0), RATE, "waveform must hold at least one sample, got none"),
        (torch.zeros(8).double(), RATE, "waveform must be float32"),
        (torch.full((8,), torch.inf), RATE, "waveform must be finite"),
        (torch.full((8,), -1e30), RATE, r"waveform must stay within 1e\+06 times full scale, .* got 1e\+30"),
        (torch.zeros(8), 0, "sample_rate must be at least 1"),
        (torch.zeros(8), 2**31 - 1, r"sample_rate must be at least 1 and at most 1e\+06"),
        (torch.zeros(8), 11_025.5, "sample_rate must be a whole number"),
    ],
)
def test_a_sound_is_samples_and_a_rate(waveform, rate, message):
    with pytest.raises(InputError, match=message):
        Sound(waveform, rate)


def test_frames_beside_a_sound_are_counted_as_performances_count_them(tone):
    assert tone(300, 2.98).frame_count(25) == 74
    assert tone(300, 0.001).frame_count(25) == 1


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("fps", [25, 24_000 / 1001, 60])
def test_frames_beside_a_sound_are_as_many_at_the_rate_that_speech_is_heard_at(rate, fps):
    # Lengths about half a frame, where the one sample that resampling may add tips the balance.
    for samples in {round((frame + 0.5) / fps * rate) + step for frame in range(9) for step in (-1, 0, 1)}:
        sound = Sound(torch.zeros(samples), rate)
        assert sound.frame_count(fps) == frames_beside(len(resample(sound, RATE).waveform), fps)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_resampling_keeps_a_tone_in_its_place(tone, rate):
    changed = resample(tone(440, 0.5, rate), RATE)
    assert (changed.sample_rate, len(changed.waveform)) == (RATE, 8000)
    # The ends ring, as silence begins there; inside, the pass band is flat to the filter's -95 dB.
    assert (changed.waveform - tone(440, 0.5).waveform)[800:-800].abs().max() < 2e-5


def test_resampling_lets_nothing_through_that_the_new_rate_cannot_hold(tone):
    assert resample(tone(9000, 0.5, 44_100), RATE).waveform[800:-800].abs().max() < 2e-5


def test_the_same_rate_is_the_same_sound(tone):
    sound = tone(440)
    assert resample(sound, RATE) is sound


@pytest.mark.parametrize("kind", [float, np.float32, np.int64, torch.tensor])
def test_rates_are_whole_numbers_of_any_type(tone, kind):
    sound = Sound(tone(300, rate=44_100).waveform, kind(44_100))
    assert type(sound.sample_rate) is int
    changed = resample(sound, kind(16_000))
    assert type(changed.sample_rate) is int
    assert torch.equal(changed.waveform, resample(tone(300, rate=44_100), 16_000).waveform)
    with pytest.raises(InputError, match=r"rate must be a whole number, got 8000\.5"):
        resample(sound, kind(1) * 8000.5)
    with pytest.raises(InputError, match="rate must be at least 1 and at most"):
        resample(sound, 2**31)


def test_resampling_drops_no_gradient_without_a_word(tone):
    sound = Sound(tone(440, 0.1, 44_100).waveform.requires_grad_(), 44_100)
    with pytest.raises(InputError, match="sound must be at 16000 Hz already to carry gradients, got 44100"):
        resample(sound, RATE)
    with torch.no_grad():
        assert not resample(sound, RATE).waveform.requires_grad


def test_what_is_written_is_read(tmp_path):
    sound = Sound(torch.linspace(-1.2, 1.2, 4000), 8000)
    back = read_sound(write_sound(tmp_path / "a.wav", sound))
    assert back.sample_rate == 8000
    # Half a step of rounding, and a whole one at the upper end.
    assert (back.waveform - sound.waveform.clamp(-1, 1)).abs().max() <= 1 / 32768
    again = read_sound(write_sound(tmp_path / "b.wav", back))
    assert torch.equal(again.waveform, back.waveform)
