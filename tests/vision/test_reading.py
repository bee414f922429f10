"""What was written is read back; files that are not what they should be end in one sentence."""

import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from meshanim._check import InputError
from meshanim.vision import read_image, read_video, shown_frames, write_image, write_video


def frames(count, height=48, width=58):
    """A grey field that brightens by four levels a frame; the left half is black."""
    for index in range(count):
        frame = np.full((height, width, 3), 40 + 4 * index, np.uint8)
        frame[:, : width // 2] = 0
        yield frame


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, frames(25), 25)
    return path


def test_frames_come_back_in_order_and_as_often_as_asked(clip):
    video = read_video(clip)
    assert (video.fps, video.size, video.expected_frames) == (25.0, (48, 58), 25)
    for _ in range(2):
        read = list(video.frames())
        assert all(frame.flags.c_contiguous and frame.dtype == np.uint8 for frame in read)
        level = [float(frame[10:-10, -20:-5].mean()) for frame in read]
        # H.264 at crf 18 and limited range lose a few of 255 levels.
        assert level == pytest.approx([40 + 4 * index for index in range(25)], abs=4)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_grey_become_eight(tmp_path, suffix):
    grey = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / f"a.{suffix}")
    read = read_image(tmp_path / f"a.{suffix}")
    assert np.array_equal(read, np.repeat((grey >> 8)[..., None], 3, axis=2))
    Image.fromarray(grey / np.float32(65535)).save(tmp_path / "b.tif")
    with pytest.raises(InputError, match="must be a picture"):
        read_image(tmp_path / "b.tif")


def test_a_clip_may_be_one_frame_long(tmp_path):
    write_video(tmp_path / "one.mp4", frames(1), 25)
    video = read_video(tmp_path / "one.mp4")
    assert len(list(video.frames())) == 1


@pytest.mark.parametrize(
    ("codec", "kind"),
    [("libx264", "h264"), ("mpeg4", "m4v"), ("mjpeg", "mjpeg"), ("mpeg2video", "mpeg2video")],
)
def test_frames_are_counted_where_a_file_states_no_duration(tmp_path, codec, kind):
    path = tmp_path / "raw"
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for image in frames(40, 48, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    video = read_video(path)
    assert (video.expected_frames, sum(1 for _ in video.frames())) == (40, 40)


def test_real_clips_have_their_frames(shared_data):
    video = read_video(shared_data / "grid_sample" / "speakers" / "bbaf2n.mpg")
    assert (video.fps, video.size) == (25.0, (288, 360))
    assert sum(1 for _ in video.frames()) == 75


def test_a_truncated_clip_ends_where_it_breaks_off(shared_data, tmp_path):
    whole = (shared_data / "grid_sample" / "speakers" / "bbaf2n.mpg").read_bytes()
    path = tmp_path / "half.mpg"
    path.write_bytes(whole[: len(whole) // 2])
    count = sum(1 for _ in read_video(path).frames())
    assert 20 < count < 60


def test_files_that_are_no_video_are_named(tmp_path, clip):
    (tmp_path / "text.mp4").write_text("once upon a time")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:200])
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("text.mp4", "cut.mp4", "empty.mp4"):
        with pytest.raises(InputError, match=name):
            read_video(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"missing\.mp4"):
        read_video(tmp_path / "missing.mp4")


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(InputError, match="video stream"):
        read_video(path)


def test_pixels_that_are_shown_wide_become_square(tmp_path):
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        stream.codec_context.time_base = Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(next(frames(1, 48, 64)), "rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    video = read_video(path)
    (image,) = video.frames()
    assert video.size == (48, 96) and image.shape == (48, 96, 3)
    assert image[:, :44].max() < 12 and image[:, 52:].min() > 28


def test_pictures_come_back_upright(tmp_path):
    image = next(frames(1))
    write_image(tmp_path / "a.png", image)
    assert np.array_equal(read_image(tmp_path / "a.png"), image)
    turned = Image.fromarray(image)
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    turned.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png"), np.rot90(image, -1))


def test_what_is_clear_is_white(tmp_path):
    image = np.full((8, 8, 4), (200, 30, 40, 255), np.uint8)
    image[:4] = 255, 0, 255, 0
    image[4] = 0, 0, 0, 128
    seen = Image.fromarray(image)
    seen.save(tmp_path / "clear.png")
    flat = seen.convert("RGB").quantize(4)
    flat.save(tmp_path / "palette.png", transparency=flat.getpixel((0, 0)))
    for name in ("clear.png", "palette.png"):
        read = read_image(tmp_path / name)
        assert (read[:4] == 255).all() and (read[5:] == (200, 30, 40)).all()
    assert (read_image(tmp_path / "clear.png")[4] == 127).all()


def test_what_is_no_picture_is_named(tmp_path):
    write_image(tmp_path / "a.png", next(frames(1)))
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "text.jpg").write_text("once upon a time")
    for name in ("cut.png", "text.jpg"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.png")


def test_another_rate_shows_the_nearest_frames():
    assert shown_frames(4, 25, 50).tolist() == [0, 1, 1, 2, 2, 3, 3, 3]
    assert shown_frames(5, 50, 25).tolist() == [0, 2]
    assert shown_frames(3, 30, 30).tolist() == [0, 1, 2] and shown_frames(1, 60, 1).tolist() == [0]
    with pytest.raises(InputError, match="rate must be above 0"):
        shown_frames(1, 25, 0)
