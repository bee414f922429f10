"""Eyes by the literature's numbers, the same at any frame rate and in any stretches."""

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.faces.looks import LOOK_ANGLE
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.synthesis import Blinks, ClipBlinks, ClipGaze, Gaze
from meshanim.synthesis.blinks import REST_RATE, TALKING_RATE
from meshanim.synthesis.gaze import AWAY, FARTHEST, LOOKS, MUTUAL, _aversion, gaze_directions


def times(seconds: float, fps: float) -> torch.Tensor:
    return torch.arange(round(seconds * fps), dtype=torch.float64) / fps


@pytest.mark.parametrize("rate", [REST_RATE, TALKING_RATE])
def test_blinks_come_as_often_and_last_as_long_as_measured(rate: float) -> None:
    closed = Blinks(rate, seed=3).weights(times(3600, 200))[:, 0]
    begun = int(((closed[1:] > 0) & (closed[:-1] == 0)).sum())
    # an hour has about 1000 blinks of intervals that vary by 3/4 of their mean: 5 % is two deviations
    assert begun / 3600 == pytest.approx(rate, rel=0.05)
    assert float((closed > 0).float().mean()) * 3600 / begun == pytest.approx(0.204, rel=0.03)
    assert float(closed.max()) == 1 and float(closed.min()) == 0


def test_lids_close_twice_as_fast_as_they_open() -> None:
    closed = Blinks(seed=1).weights(times(600, 1000))[:, 0]
    speed = closed.diff() * 1000
    assert float(speed.max() / -speed.min()) == pytest.approx(130 / 66, rel=0.01)


@pytest.mark.parametrize("control", [Blinks(seed=5), Gaze(seed=5)])
def test_a_moment_looks_the_same_at_any_rate_and_in_any_stretch(control: Blinks | Gaze) -> None:
    slow, fast = control.weights(times(40, 30)), control.weights(times(40, 120))
    torch.testing.assert_close(fast[::4], slow)
    torch.testing.assert_close(control.weights(times(40, 30)[400:700]), slow[400:700])
    assert torch.equal(control.weights(times(10, 30)), slow[:300])
    assert control.weights(times(0, 30)).shape == slow[:0].shape
    other = type(control)(seed=6)
    assert not torch.equal(other.weights(times(40, 30)), slow)


def test_eyes_rest_on_the_listener_most_of_the_time() -> None:
    angles = Gaze(seed=2).angles(times(3600, 50))
    far = angles.norm(dim=1)
    # fixations on the face are within 4 degrees but for one in 3000, looks away beyond for half of them
    assert float((far > 4).float().mean()) == pytest.approx(0.62 * AWAY / (AWAY + MUTUAL), rel=0.15)
    assert float(far.max()) <= FARTHEST + 0.01
    assert (angles.mean(dim=0).abs() < 0.3).all()


def test_small_saccades_are_over_in_the_time_that_the_main_sequence_gives() -> None:
    gaze = Gaze(seed=2)
    moments, places = gaze.fixations(60.0)
    step = (places[1:] - places[:-1]).norm(dim=1)
    after = moments[1:] + 0.025 + 0.0024 * step
    torch.testing.assert_close(gaze.angles(after + 1e-6), places[1:].float(), atol=1e-4, rtol=0)
    torch.testing.assert_close(gaze.angles(moments[1:] - 1e-6), places[:-1].float(), atol=1e-4, rtol=0)
    assert float((moments.diff() - 0.025 - 0.0024 * step).min()) > 0


def test_looks_are_the_directions_that_eyes_take() -> None:
    gaze = Gaze(seed=4)
    directions = gaze_directions(gaze.weights(times(30, 25)))
    left, up = torch.deg2rad(gaze.angles(times(30, 25))).unbind(1)
    for eye in (0, 1):
        torch.testing.assert_close(torch.atan2(directions[:, eye, 0], directions[:, eye, 2]), left)
        torch.testing.assert_close(directions[:, eye, 1].asin(), up, atol=1e-5, rtol=0)
    aside = torch.zeros(1, 8)
    aside[0, [LOOKS.index("eyeLookOutLeft"), LOOKS.index("eyeLookInRight")]] = 1
    assert (gaze_directions(aside)[0, :, 0] > 0.99 * torch.tensor(LOOK_ANGLE).sin()).all()


def test_a_clip_lends_its_eyes() -> None:
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    names = ("eyeLookUpLeft", "eyeBlinkRight", "eyeBlinkLeft")
    weights = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    clip = Performance(mesh, 25.0, weights=weights, basis=torch.zeros(3, 3, 3), weight_names=names)
    torch.testing.assert_close(ClipBlinks(clip).weights(times(1, 25)), weights[:25, [2, 1]])
    looks = ClipGaze(clip).weights(times(1, 25))
    torch.testing.assert_close(looks[:, LOOKS.index("eyeLookUpLeft")], weights[:25, 0])
    assert float(looks[:, 1:].abs().max()) == 0
    with pytest.raises(InputError, match="clip must have weights named eyeBlinkLeft and the like"):
        ClipBlinks(Performance(mesh, 25.0, motion=torch.zeros(2, 3, 3)))


def test_rates_and_seeds_have_bounds() -> None:
    with pytest.raises(InputError, match="blink rate must be above 0 and at most 1"):
        Blinks(rate=0)
    with pytest.raises(InputError, match="seed must be at least 0"):
        Gaze(seed=-1)


@pytest.mark.parametrize(
    ("direction", "left", "up"), [(0, -1, 0), (2, 0, 1), (3, 0.5**0.5, 0.5**0.5), (4, 1, 0)]
)
def test_directions_of_looks_away_go_round_from_the_right(direction: int, left: float, up: float) -> None:
    """And from there, every 45 degrees, anticlockwise, as the paper's table has them."""

    class Draws(np.random.Generator):
        def uniform(self, *_: float) -> float:  # type: ignore[override]
            return 5.0

        def choice(self, *_: int, **__: object) -> int:  # type: ignore[override]
            return direction

    # -6.9 log(5 / 15.7) degrees
    assert _aversion(Draws(np.random.PCG64())) == pytest.approx(7.8947 * np.array([left, up]), abs=1e-3)
