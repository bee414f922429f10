"""Laws of how an expression is performed."""

import torch

from meshanim.datasets.performing import (
    STYLE_SIZE,
    UNITS,
    Style,
    Timing,
    draw_timing,
    envelopes,
    involuntary_weights,
    voluntary_weights,
    weight_track,
)
from meshanim.faces.facs import ACTION_UNITS, EMOTION_PROTOTYPES, EXPRESSIONS

TIMING = Timing(onset=0.25, apex=0.75, offset=1.5, rest=2.0, end=2.25)
TIMES = torch.arange(0, 2.25, 1 / 12)


def test_timing_is_ordered_and_varies() -> None:
    generator = torch.Generator().manual_seed(3)
    drawn = [draw_timing(generator) for _ in range(50)]
    assert all(0 < t.onset < t.apex < t.offset < t.rest < t.end for t in drawn)
    assert len({t.end for t in drawn}) > 20


def test_units_rest_before_onset_and_after_and_peak_at_apex() -> None:
    track = envelopes(TIMING, torch.zeros(len(UNITS)), TIMES)
    assert track[TIMING.onset >= TIMES].abs().max() == 0
    assert track[TIMING.rest <= TIMES].abs().max() < 1e-6
    assert abs(float(track.max()) - 1) < 0.01


def test_a_late_unit_does_the_same_later() -> None:
    late = torch.full((len(UNITS),), 1 / 12)
    torch.testing.assert_close(
        envelopes(TIMING, late, TIMES)[1:], envelopes(TIMING, 0 * late, TIMES)[:-1], atol=1e-5, rtol=0
    )


def test_the_mean_style_is_symmetric_and_performs_the_prototype() -> None:
    style = Style.from_vector(torch.zeros(STYLE_SIZE))
    for expression in EXPRESSIONS:
        weights = voluntary_weights(expression, style, TIMING, TIMES)
        for unit in EMOTION_PROTOTYPES[expression]:
            assert all(float(weights[name].max()) > 0.05 for name in ACTION_UNITS[unit])
        for name in weights:
            if name.endswith("Left"):
                torch.testing.assert_close(weights[name], weights[name.replace("Left", "Right")])


def test_tracks_are_held_to_the_unit_interval_and_seeded() -> None:
    first = involuntary_weights(TIMES, torch.Generator().manual_seed(1))
    again = involuntary_weights(TIMES, torch.Generator().manual_seed(1))
    names = ("eyeBlinkLeft", "browInnerUp", "tongueOut")
    track = weight_track([first, {"browInnerUp": torch.full_like(TIMES, 3.0)}], names)
    assert track.shape == (len(TIMES), 3)
    assert float(track.min()) >= 0 and float(track.max()) <= 1
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_blinks_come_at_the_resting_rate() -> None:
    generator = torch.Generator().manual_seed(0)
    times = torch.arange(0, 1200, 1 / 60)
    closure = involuntary_weights(times, generator)["eyeBlinkLeft"]
    closings = int(((closure[1:] > 0.5) & (closure[:-1] <= 0.5)).sum())
    # Poisson with mean 336: three standard deviations are 55; a few blinks merge.
    assert 275 < closings < 395
