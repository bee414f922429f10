import pytest
import torch

from meshanim._check import InputError
from meshanim.audio.timing import read_linearly
from meshanim.synthesis import retime
from meshanim.synthesis.timing import GrowingTrack, ease, frames_needed, read_motion_smoothly, read_smoothly


@pytest.mark.parametrize("read", [read_linearly, read_smoothly])
def test_whole_frames_come_back(read) -> None:
    track = torch.randn(7, 3)
    assert torch.equal(read(track, torch.arange(7.0)), track)
    assert torch.equal(read(track[:1], torch.tensor([0.0, 4.0])), track[[0, 0]])


@pytest.mark.parametrize("read", [read_linearly, read_smoothly])
def test_a_straight_line_stays_one(read) -> None:
    line = torch.arange(8.0)[:, None]
    between = torch.linspace(1, 6, 23)
    torch.testing.assert_close(read(line, between)[:, 0], between)


@pytest.mark.parametrize("read", [read_linearly, read_smoothly, read_motion_smoothly])
def test_a_track_is_read_where_it_is(read) -> None:
    track = torch.zeros(7, 6, device="meta")
    assert read(track, torch.linspace(0, 6, 11)).device == track.device


def test_easing_begins_and_ends_without_speed_or_acceleration() -> None:
    share = torch.linspace(0, 1, 11, dtype=torch.float64)
    values = ease(share)
    assert values[[0, 5, 10]].tolist() == [0, 0.5, 1] and bool((values.diff() > 0).all())
    torch.testing.assert_close(values + ease(1 - share), torch.ones_like(share))
    # All that is left near an end grows with the cube of the way, ten times that.
    torch.testing.assert_close(
        ease(torch.tensor([1e-3, 1e-2])), torch.tensor([1e-8, 1e-5]), rtol=0.02, atol=0
    )
    assert ease(torch.tensor([-1.0, 2.0])).tolist() == [0, 1]


def test_the_smooth_curve_has_no_kinks() -> None:
    track = torch.randn(9, 1).double()
    step = 1e-5
    for frame in range(1, 8):
        at = torch.tensor([frame - step, frame, frame + step], dtype=torch.float64)
        before, here, after = read_smoothly(track, at)[:, 0]
        # one-sided speeds agree up to the curve's second derivative times the step
        assert float(after - here) / step == pytest.approx(float(here - before) / step, abs=1e-3)


@pytest.mark.parametrize("to_fps", [7.0, 25.0, 60.0])
def test_a_track_that_grows_is_read_as_the_whole_is(to_fps: float) -> None:
    whole = torch.randn(50, 2, dtype=torch.float64)
    count = round(2 * to_fps)
    track, given = GrowingTrack(whole[:0], 25.0, to_fps), []
    for part in whole.split([1, 0, 3, 20, 26]):
        track.add(part)
        given.append(track.settled())
        assert len(track) <= 25 / to_fps + 3
    given.append(track.until(count))
    wanted = torch.arange(count, dtype=torch.float64) * (25 / to_fps)
    torch.testing.assert_close(torch.cat(given), read_smoothly(whole, wanted))


def test_enough_frames_to_reach_the_last_moment() -> None:
    for frames, fps, to_fps in [(1, 25, 12), (100, 25, 12), (61, 60, 12), (62, 60, 12), (10, 5, 12)]:
        count = frames_needed(frames, fps, to_fps)
        assert (count - 1) / to_fps >= (frames - 1) / fps - 1e-9 > (count - 2) / to_fps


def test_retiming_keeps_moments() -> None:
    track = torch.sin(torch.arange(60) / 20)[:, None]
    assert len(retime(track, 60, 30)) == 30 and torch.equal(retime(track, 60, 30), track[::2])
    assert torch.equal(retime(track, 60, 60, speed=2), track[::2])
    assert len(retime(track, 60, 25, speed=0.5)) == 50
    with pytest.raises(InputError, match="speed must be above 0"):
        retime(track, 60, 60, speed=0)


def test_retiming_reads_between_whole_numbers() -> None:
    for kind in (torch.int64, torch.bool):
        track = torch.tensor([[0], [1]]).to(kind)
        assert retime(track, 25, 50).flatten().tolist() == [0, 0.5, 1, 1]


def test_only_tracks_are_retimed() -> None:
    for wrong, said in (
        (torch.zeros(0, 3), "track must have at least one frame, got none"),
        (torch.zeros(3), r"track must have shape \(any, any\), got \(3,\)"),
        (torch.zeros(3, 2).numpy(), r"track must be a tensor, got numpy\.ndarray"),
    ):
        with pytest.raises(InputError, match=f"^{said}$"):
            retime(wrong, 25, 50)  # type: ignore[arg-type]
