import itertools

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio.timing import read_linearly
from meshanim.synthesis import EXPRESSIONS, expression_labels, parse_mixture
from meshanim.synthesis.labels import check_labels, with_short_phases


def test_the_paper_s_six() -> None:
    assert EXPRESSIONS == ("happy", "sad", "surprise", "angry", "disgust", "fear")


def test_linear_onset_apex_and_offset() -> None:
    track = expression_labels("sad", duration=6, onset=1, apex=2, offset=2, fps=2)
    assert track.shape == (12, 6)
    assert track[:, 1].tolist() == pytest.approx([0, 0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0])
    assert not track[:, [0, 2, 3, 4, 5]].any()


def test_mixtures_and_intensity_scale_the_columns() -> None:
    track = expression_labels("happy:0.6, surprise:0.4", duration=2, fps=10, intensity=0.5)
    assert track.amax(dim=0).tolist() == pytest.approx([0.3, 0, 0.2, 0, 0, 0])
    assert torch.equal(track, expression_labels({"happy": 0.6, "surprise": 0.4}, 2, fps=10, intensity=0.5))


def test_the_same_moments_at_every_frame_rate() -> None:
    slow, fast = (expression_labels("fear", duration=3, fps=fps) for fps in (12, 60))
    # computed in float64 and rounded once: the last bit may differ
    torch.testing.assert_close(fast[::5], slow, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("phases", "duration"), [({}, 4.0), ({"onset": 2}, 4.8), ({"onset": 1, "apex": 1, "offset": 1}, 3.0)]
)
def test_absent_phases_have_a_length(phases: dict[str, float], duration: float) -> None:
    assert len(expression_labels("happy", **phases, fps=100)) == round(100 * duration)


def test_absent_phases_share_what_is_left() -> None:
    track = expression_labels("happy", duration=5, onset=1.5, fps=10)[:, 0]
    assert track[:15].tolist() == pytest.approx([frame / 15 for frame in range(15)])
    # 3.5 s are left, 4 : 3 for apex and offset
    assert bool((track[15:36] == 1).all()) and float(track[49]) == pytest.approx(0.1 / 1.5, rel=1e-5)


def test_a_phase_of_no_length_jumps() -> None:
    track = expression_labels("angry", onset=0, apex=1, offset=0, duration=2, fps=4)[:, 3]
    assert track.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mixture": "joy"}, "expression must be one of happy, sad"),
        ({"mixture": ""}, "got nothing"),
        ({"mixture": "happy:much"}, "must read like"),
        ({"mixture": "happy,Happy"}, "happy twice"),
        ({"mixture": {"happy": 1.2}}, "amplitude of happy must be at least 0 and at most 1, got 1.2"),
        ({"duration": -1}, "duration must be above 0, got -1"),
        ({"duration": 1, "onset": 2}, "duration must be at least the 2 s of its phases, got 1"),
        ({"onset": -0.5}, "onset must be at least 0"),
        ({"onset": 0, "apex": 0, "offset": 0}, "duration must be above 0"),
        ({"fps": 0}, "fps must be above 0"),
        ({"intensity": 1.5}, "intensity must be at least 0 and at most 1"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expression_labels(**{"mixture": "happy", **arguments})  # type: ignore[arg-type]


def test_a_mixture_reads_either_way() -> None:
    assert parse_mixture("sad") == {"sad": 1.0}
    assert parse_mixture("Happy:0.6, SURPRISE") == parse_mixture("happy:0.6,surprise")
    assert parse_mixture("sad:.5,fear") == parse_mixture({"sad": 0.5, "fear": 1}) == {"sad": 0.5, "fear": 1.0}


@pytest.mark.parametrize(
    ("track", "message"),
    [
        (torch.zeros(3, 5), r"shape \(any, 6\)"),
        (torch.zeros(0, 6), "at least one frame"),
        (torch.full((2, 6), 1.5), r"lie in \[0, 1\]"),
        (torch.full((2, 6), torch.nan), "finite"),
    ],
)
def test_tracks_are_checked(track: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_labels(track)


def test_long_phases_are_shortened_and_found_again() -> None:
    labels = torch.zeros(60, 6)
    labels[14:34, 1], labels[34:, 2] = 0.7, 0.3
    labels[40:, 2] += torch.linspace(0, 0.6, 20)
    short, places = with_short_phases(labels, longest_change=5, longest_hold=8)
    # neutral, a jump, a hold, a jump, a hold, a rise
    marks = places[[13, 14, 33, 34, 40, 59]].tolist()
    assert marks == pytest.approx(list(itertools.accumulate([13, 1, 8, 1, 6, 5]))) and len(short) == 35
    assert (places.diff() > 0).all()
    torch.testing.assert_close(read_linearly(short, places), labels)
    same, all_places = with_short_phases(labels, 20, 20)
    assert torch.equal(same, labels) and torch.equal(all_places, torch.arange(60).double())
    for few in (0, 1):
        short, places = with_short_phases(labels[:few], 5, 8)
        assert len(short) == len(places) == few


def test_phases_are_shortened_where_labels_are(target: tuple[torch.device, torch.dtype]) -> None:
    labels = expression_labels("fear", onset=3, apex=2, offset=1, fps=12)
    wanted, known = with_short_phases(labels, 10, 16)
    labels = labels.to(*target).requires_grad_()
    short, places = with_short_phases(labels, 10, 16)
    torch.testing.assert_close(short.detach(), wanted.to(*target))
    assert torch.equal(places, known)
    assert torch.autograd.grad(short.sum(), labels)[0].any()
