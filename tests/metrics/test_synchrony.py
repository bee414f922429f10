import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import correlation, envelope, motion_offset_frames


def test_correlation_worked_by_hand() -> None:
    first, second = torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 3, 2])
    # deviations -1, 0, 1 and -1, 1, 0: their product sums to 1, their squares to 2 each
    assert correlation(first, second) == pytest.approx(0.5)
    assert correlation(first, 5 - 2 * first) == pytest.approx(-1)
    assert correlation(first, torch.ones(3)) == 0
    for count in range(2, 60):
        still = torch.full((count,), 0.11, dtype=torch.float64)
        assert correlation(still, 3 * still) == 0


@pytest.mark.parametrize("lag", [-4, -1, 0, 3])
def test_a_shifted_motion_is_found(lag: int) -> None:
    track = torch.randn(100, generator=torch.Generator().manual_seed(0)).double()
    found = motion_offset_frames(track[10 - lag : 80 - lag], track[10:80])
    assert found.frames == lag and found.correlation == pytest.approx(1)


def test_of_equal_lags_the_smallest_counts() -> None:
    still = torch.zeros(40)
    assert motion_offset_frames(still, still).frames == 0


def test_a_motion_that_goes_against_its_reference_is_not_in_step() -> None:
    wave = torch.sin(torch.arange(80) * (2 * torch.pi / 16))
    assert abs(motion_offset_frames(-wave, wave).frames) == 8


def test_envelope_worked_by_hand() -> None:
    waveform = torch.zeros(100)
    waveform[50:60] = 0.5
    # frames of ten samples, three of them around samples 0, 10, 20, ...: the burst is a third of four of them
    found = envelope(waveform, 100, 10, 10)
    heard = (0.25 / 3) ** 0.5
    # the window of frame 6 is 45 to 75, that of frame 4 is 25 to 55, which has half of the burst
    half = (0.125 / 3) ** 0.5
    torch.testing.assert_close(found, torch.tensor([0, 0, 0, 0, half, heard, heard, half, 0, 0]))


def test_envelope_can_listen_half_a_frame_later() -> None:
    waveform = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    later = envelope(waveform, 100, 90, 10, lead=0.5)
    torch.testing.assert_close(later[2:], envelope(waveform[5:], 100, 90, 10)[2:])


def test_beyond_its_end_a_sound_is_silent() -> None:
    assert envelope(torch.ones(100), 100, 20, 10).tolist() == [1.0] * 12 + [0.0] * 8


def test_what_does_not_fit_is_named() -> None:
    track = torch.zeros(10)
    with pytest.raises(InputError, match="reach must be at least 0 and at most 5, got 12"):
        motion_offset_frames(track, track)
    with pytest.raises(InputError, match=r"reference must have shape \(10,\), got \(9,\)"):
        motion_offset_frames(track, track[:9])
    with pytest.raises(InputError, match="second must be finite"):
        correlation(track, track / 0)
    with pytest.raises(InputError, match="fps must be above 0"):
        envelope(track, 100, 3, 0)
