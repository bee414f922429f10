"""MP4 and GIF previews are read back by PyAV."""

import av
import numpy as np
import pytest

from meshanim.export import export


def test_mp4_has_the_frames_the_rate_and_the_sound(weighted, tmp_path):
    seen: list[tuple[int, int]] = []
    path = export(
        weighted, tmp_path / "a.mp4", size=(48, 64), yaw=30, progress=lambda *done: seen.append(done)
    )
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.height, video.width) == (48, 64)
        assert video.average_rate is not None and float(video.average_rate) == pytest.approx(30)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == weighted.frame_count
    assert any(not np.array_equal(frame, frames[0]) for frame in frames)
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert len(samples) / container.streams.audio[0].rate == pytest.approx(0.4, abs=0.1)
    # A sine of 0.3 has a root mean square of 0.21.
    assert np.sqrt((samples[:6400] ** 2).mean()) == pytest.approx(0.21, abs=0.02)
    assert seen == [(i + 1, weighted.frame_count) for i in range(weighted.frame_count)]


def test_gif_has_the_frames_and_the_time(moving, tmp_path):
    path = export(moving, tmp_path / "a.gif", size=(40, 40))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == moving.frame_count
    # GIF counts in hundredths of a second.
    assert frames[-1].time == pytest.approx((moving.frame_count - 1) / moving.fps, abs=0.0051)
    assert (frames[0].height, frames[0].width) == (40, 40)
