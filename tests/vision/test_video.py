"""Videos and GIFs are read back by PyAV, pictures by pillow."""

import weakref

import av
import numpy as np
import pytest
from PIL import Image

from meshanim._check import InputError
from meshanim.vision import read_video, write_gif, write_image, write_video


def ramp(count, height=64, width=80):
    """Frames of one colour each, brighter from frame to frame."""
    for index in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[:] = (40 + 4 * index, 120, 80)
        yield frame


def decode(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)], rate


@pytest.mark.parametrize("fps", [0.5, 12, 23.976, 25, 60, 1000 / 3])
def test_frames_times_and_colours_come_back(tmp_path, fps):
    write_video(tmp_path / "a.mp4", ramp(9), fps)
    frames, rate = decode(tmp_path / "a.mp4")
    assert len(frames) == 9
    assert float(rate) == pytest.approx(fps, rel=1e-4)
    assert [time for time, _ in frames] == pytest.approx([i / fps for i in range(9)], rel=1e-4)
    for (_, got), wanted in zip(frames, ramp(9), strict=True):
        # H.264 at crf 18 and limited range lose a few of 255 levels on flat colours.
        assert np.abs(got.astype(int) - wanted).max() <= 5


def test_a_colon_in_a_relative_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video("take:1.mp4", ramp(9), 25)
    assert len(list(read_video("take:1.mp4").frames())) == 9


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_no_container_complains(tmp_path, caplog, suffix):
    write_video(tmp_path / f"a.{suffix}", ramp(3), 25)
    assert len(decode(tmp_path / f"a.{suffix}")[0]) == 3 and not caplog.records


def test_odd_size_repeats_the_last_row_and_column(tmp_path):
    write_video(tmp_path / "a.mp4", ramp(3, 33, 47), 25)
    frames, _ = decode(tmp_path / "a.mp4")
    assert frames[0][1].shape == (34, 48, 3)


@pytest.mark.parametrize("sample_rate", [16000, 20000, 44100, 192000])
def test_sound_comes_back(tmp_path, sample_rate):
    time = np.arange(sample_rate) / sample_rate
    wave = 0.5 * np.sin(2 * np.pi * 440 * time) * np.sin(np.pi * time)
    write_video(tmp_path / "a.mp4", ramp(25), 25, wave, sample_rate)
    with av.open(str(tmp_path / "a.mp4")) as container:
        track = container.streams.audio[0]
        assert track.duration is not None and track.time_base is not None
        assert float(track.duration * track.time_base) == pytest.approx(1.0, abs=0.01)
        samples = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
        rate = track.rate
    spectrum = np.abs(np.fft.rfft(samples[:rate]))
    assert abs(int(spectrum.argmax()) - 440) <= 2
    # AAC is lossy; the sine of 0.5 under its half-wave window has a root mean square of 0.25.
    assert np.sqrt((samples[:rate] ** 2).mean()) == pytest.approx(0.25, abs=0.01)


def test_frames_are_taken_one_at_a_time(tmp_path):
    given: list[weakref.ref] = []
    most = 0

    def frames():
        nonlocal most
        for frame in ramp(40):
            most = max(most, sum(reference() is not None for reference in given))
            given.append(weakref.ref(frame))
            yield frame
            del frame

    write_video(tmp_path / "a.mp4", frames(), 30000 / 1001)
    assert len(given) == 40
    assert most <= 3  # the first frame, which is kept for comparison, and the current and the last one


@pytest.mark.parametrize("fps", [10, 24, 50])
def test_gif_keeps_frames_and_time(tmp_path, fps):
    write_gif(tmp_path / "a.gif", ramp(12), fps)
    frames, _ = decode(tmp_path / "a.gif")
    assert len(frames) == 12
    # GIF counts in hundredths of a second.
    assert [time for time, _ in frames] == pytest.approx([i / fps for i in range(12)], abs=0.0051)
    assert np.abs(frames[3][1].astype(int) - list(ramp(4))[3]).max() <= 4


def test_gif_has_no_bands_and_keeps_small_things(tmp_path):
    """From three steps away a backdrop that gets darker is as smooth as it was; a blue dot stays blue."""
    height, width = 160, 160
    down, across = np.linspace(230, 200, height), np.linspace(0, 30, width)
    picture = np.stack([down[:, None] - share * across for share in (0.0, 0.5, 1.0)], axis=2)
    picture[60:66, 60:66] = (60, 110, 150)
    write_gif(tmp_path / "a.gif", [picture.round().astype(np.uint8)], 25)
    ((_, shown),) = decode(tmp_path / "a.gif")[0]
    assert np.abs(shown[62:64, 62:64] - picture[62:64, 62:64]).max() < 12

    def blurred(image):
        return image.reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3))

    assert np.abs(blurred(shown.astype(float)) - blurred(picture)).max() < 2.5


def test_gif_of_a_fast_performance_is_thinned_out(tmp_path):
    write_gif(tmp_path / "a.gif", ramp(18), 120)
    frames, _ = decode(tmp_path / "a.gif")
    assert 7 <= len(frames) <= 8
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["duration"] == 20


def test_image_comes_back(tmp_path):
    frame = next(ramp(1))
    write_image(tmp_path / "a.png", frame)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), frame)


def test_bad_input_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="at least one frame"):
        write_video(tmp_path / "a.mp4", [], 25)
    with pytest.raises(InputError, match="at least one frame"):
        write_gif(tmp_path / "a.gif", [], 25)
    with pytest.raises(InputError, match="fps must be at least"):
        write_video(tmp_path / "a.mp4", ramp(1), -1)
    with pytest.raises(InputError, match=r"fps must be at least 0\.002, got 0\.001"):
        write_gif(tmp_path / "a.gif", ramp(2), 0.001)
    with pytest.raises(InputError, match="frame 1 must have shape"):
        write_video(tmp_path / "a.mp4", [*ramp(1), *ramp(1, 20, 20)], 25)
    with pytest.raises(InputError, match=r"must be \(H, W, 3\) uint8"):
        write_video(tmp_path / "a.mp4", [np.zeros((4, 4, 1), np.uint8)], 25)
    with pytest.raises(InputError, match="come together"):
        write_video(tmp_path / "a.mp4", ramp(1), 25, np.zeros(3))
    with pytest.raises(InputError, match="finite samples"):
        write_video(tmp_path / "a.mp4", ramp(1), 25, np.array([np.nan]), 16000)
    with pytest.raises(InputError, match=r"waveform must be floating samples in \[-1, 1\], got int16"):
        write_video(tmp_path / "a.mp4", ramp(1), 25, np.full(9, 3000, np.int16), 16000)
    for name in ("a.xyz", "a.webm", "a"):
        with pytest.raises(InputError, match=r"must end in one of \.mp4, \.mov, \.mkv, got"):
            write_video(tmp_path / name, ramp(1), 25)
    with pytest.raises(InputError, match="suffix of an image format"):
        write_image(tmp_path / "a.xyz", next(ramp(1)))


@pytest.mark.parametrize("width", [80, 112, 272])
def test_the_same_frames_give_the_same_bytes(width, tmp_path):
    rows, columns = np.mgrid[:80, :width]
    frames = []
    for t in range(24):
        shade = np.clip(8 * np.hypot(rows - 60 + 2 * t, columns - 40 - t), 0, 255).astype(np.uint8)
        frames.append(np.repeat(shade[..., None], 3, axis=2))
    for turn in range(12):
        np.random.default_rng(turn).random(10_000 * turn)  # other bytes in the memory that is free
        write_video(tmp_path / f"{turn}.mp4", frames, 25)
    assert len({(tmp_path / f"{turn}.mp4").read_bytes() for turn in range(12)}) == 1
