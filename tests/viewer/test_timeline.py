"""Playing at the right rate, with a clock that the test winds."""

import math

import pytest

from meshanim._check import InputError
from meshanim.viewer.timeline import Timeline


@pytest.mark.parametrize("fps", [12.0, 25.0, 29.97, 60.0])
def test_each_frame_is_seen_at_its_time(fps: float) -> None:
    timeline = Timeline(200, fps)
    timeline.play(100.0)
    assert [timeline.frame(100.0 + index / fps) for index in range(200)] == list(range(200))
    assert timeline.frame(100.0 + 7.9 / fps) == 7


def test_waiting_as_long_as_it_says_brings_the_next_frame() -> None:
    timeline, now = Timeline(10, 25.0), 3.0
    timeline.play(now)
    for index in range(1, 25):
        now += timeline.until_next(now) + 1e-9
        assert timeline.frame(now) == index % 10
    timeline.pause(now)
    assert math.isinf(timeline.until_next(now))


def test_a_loop_begins_again_and_counts_its_rounds() -> None:
    timeline = Timeline(10, 10.0)
    timeline.play(0.0)
    assert [timeline.frame(t) for t in (0.95, 1.05, 2.55)] == [9, 0, 5]
    assert [timeline.round(t) for t in (0.95, 1.05, 2.55)] == [0, 1, 2]
    assert not timeline.ended(5.0)


def test_without_a_loop_the_last_frame_stays_and_play_begins_again() -> None:
    timeline = Timeline(10, 10.0, loop=False)
    timeline.play(0.0)
    assert timeline.frame(7.0) == 9 and timeline.ended(1.0) and not timeline.ended(0.9)
    timeline.pause(7.0)
    assert timeline.frame(8.0) == 9 and not timeline.ended(8.0)
    timeline.play(8.0)
    assert timeline.frame(8.25) == 2


def test_pausing_and_seeking_keep_the_place() -> None:
    timeline = Timeline(10, 10.0)
    timeline.play(0.0)
    timeline.pause(0.35)
    assert timeline.frame(99.0) == 3
    timeline.play(100.0)
    assert timeline.frame(100.1) == 4
    timeline.seek(8, 100.1)
    assert timeline.playing and [timeline.frame(t) for t in (100.15, 100.25)] == [8, 9]
    timeline.seek(99, 101.0)
    assert timeline.frame(101.0) == 9


def test_another_length_keeps_the_time_where_it_exists() -> None:
    timeline = Timeline(100, 25.0)
    timeline.seek(50, 0.0)
    timeline.resize(300, 50.0, 0.0)
    assert timeline.frame(0.0) == 100
    timeline.resize(10, 25.0, 0.0)
    assert timeline.frame(0.0) == 9


@pytest.mark.parametrize(("frames", "fps"), [(0, 25.0), (10, 0.0), (10, math.nan)])
def test_nothing_to_play_is_named(frames: int, fps: float) -> None:
    with pytest.raises(InputError, match="must be"):
        Timeline(frames, fps)
