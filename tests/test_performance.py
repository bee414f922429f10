"""Laws of a performance: spans, resampling and joining never change what is seen at a given time."""

import math
from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh, axis_angle_to_matrix, matrix_to_axis_angle
from meshanim.performance import Performance

FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])
NEUTRAL = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), FACES)


def by_weights(frames: int = 20, fps: float = 10.0, **known: object) -> Performance:
    torch.manual_seed(0)
    return Performance(
        NEUTRAL,
        fps,
        weights=torch.rand(frames, 2),
        basis=torch.randn(2, 4, 3),
        weight_names=("jawOpen", "mouthSmileLeft"),
        **known,  # type: ignore[arg-type]
    )


def test_weights_and_vertices_tell_the_same_motion() -> None:
    performance = by_weights(residual=torch.randn(20, 4, 3))
    assert performance.weights is not None and performance.basis is not None
    expected = NEUTRAL.vertices + torch.tensordot(performance.weights, performance.basis, 1)
    expected = expected + performance.residual
    torch.testing.assert_close(performance.vertices(), expected)
    as_motion = Performance(NEUTRAL, 10.0, motion=expected)
    torch.testing.assert_close(as_motion.vertices(3, 7), performance.vertices(3, 7))


class Squares:
    """Moves along parabolas: the square of the first weight, upwards."""

    def vertices(self, weights: torch.Tensor) -> torch.Tensor:
        return NEUTRAL.vertices + weights[:, :1, None].square() * torch.tensor([0.0, 1.0, 0.0])


def test_weights_may_be_of_any_type() -> None:
    weights, basis = torch.rand(5, 2, dtype=torch.float64), torch.rand(2, 3, 3)
    neutral = Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 2]]))
    told = Performance(neutral, 25.0, weights=weights, basis=basis, weight_names=("a", "b")).vertices()
    wanted = Performance(neutral, 25.0, weights=weights.float(), basis=basis, weight_names=("a", "b"))
    assert told.dtype == torch.float32 and torch.equal(told, wanted.vertices())


def test_names_of_weights_differ() -> None:
    with pytest.raises(InputError, match="must differ from one another, got 'jawOpen' twice"):
        replace(by_weights(), weight_names=("jawOpen", "jawOpen"))


def test_a_mover_takes_the_place_of_straight_lines() -> None:
    bent, straight = by_weights(mover=Squares()), by_weights()
    assert bent.weights is not None
    expected = NEUTRAL.vertices + bent.weights[:, :1, None].square() * torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(bent.vertices(), expected)
    torch.testing.assert_close(bent.straight(3, 9), straight.vertices(3, 9))
    torch.testing.assert_close(bent.slice(4, 8).vertices(), expected[4:8])
    torch.testing.assert_close(bent.concatenate(bent).vertices(20), expected)
    with pytest.raises(InputError, match="a mover must be known in both"):
        bent.concatenate(straight)
    with pytest.raises(InputError, match="must come with the weights"):
        Performance(NEUTRAL, 10.0, motion=expected, mover=Squares())
    with pytest.raises(InputError, match="must have weights"):
        Performance(NEUTRAL, 10.0, motion=expected).straight()


def test_chunks_join_to_the_whole() -> None:
    performance = by_weights()
    starts, parts = zip(*performance.chunks(7), strict=True)
    assert starts == (0, 7, 14)
    torch.testing.assert_close(torch.cat(parts), performance.vertices())


def test_slices_concatenate_to_the_whole() -> None:
    sound = torch.linspace(-1, 1, 2000)
    performance = by_weights(waveform=sound, sample_rate=1000, labels=torch.rand(20, 6))
    again = performance.slice(0, 9).concatenate(performance.slice(9))
    torch.testing.assert_close(again.vertices(), performance.vertices())
    assert again.waveform is not None and torch.equal(again.waveform, sound)


def test_short_sound_is_filled_so_that_the_next_part_stays_in_step() -> None:
    short = by_weights(waveform=torch.ones(1500), sample_rate=1000)
    joined = short.concatenate(short)
    assert joined.waveform is not None
    assert joined.waveform.shape == (3500,)
    assert joined.waveform[1500:2000].abs().max() == 0


@pytest.mark.parametrize("count", [13, 20, 31])
def test_another_length_is_cut_or_held_with_its_sound(count: int) -> None:
    performance = by_weights(20, waveform=torch.ones(1500), sample_rate=1000)
    lasting = performance.lasting(count)
    assert lasting.frame_count == count and lasting.waveform is not None
    shared = min(count, 20)
    assert torch.equal(lasting.vertices(0, shared), performance.vertices(0, shared))
    if count > 20:
        assert torch.equal(lasting.vertices(20), performance.vertices(19).expand(count - 20, -1, -1))
    assert len(lasting.waveform) == 100 * count
    assert int(lasting.waveform.sum()) == min(1500, 100 * count)


@pytest.mark.parametrize("fps", [5.0, 23.976, 60.0, 120.0])
def test_resampling_keeps_duration_and_ends(fps: float) -> None:
    performance = by_weights()
    again = performance.resample(fps)
    assert abs(again.duration - performance.duration) <= 0.5 / fps + 1e-9
    torch.testing.assert_close(again.vertices(0, 1), performance.vertices(0, 1))


def test_resampling_to_a_multiple_and_back_is_the_identity() -> None:
    performance = by_weights()
    torch.testing.assert_close(performance.resample(30.0).resample(10.0).weights, performance.weights)


def test_more_frames_than_can_be_held_are_refused() -> None:
    performance = by_weights()
    with pytest.raises(InputError, match="frames, duration times fps, must be at least 0 and at most 2e"):
        performance.resample(3e6 / performance.duration)


def test_tracks_are_resampled_where_they_are() -> None:
    elsewhere = Performance(NEUTRAL, 10.0, motion=torch.zeros(5, 4, 3, device="meta"))
    again = elsewhere.resample(20.0).motion
    assert again is not None and again.device.type == "meta" and again.shape == (10, 4, 3)


def test_head_rotation_goes_evenly_from_one_axis_to_another() -> None:
    ends = torch.tensor([[0.9, 0.0, 0.0], [0.2, 0.7, -0.5]], dtype=torch.float64)
    motion = torch.cat([ends, torch.zeros(2, 3)], dim=1)
    performance = by_weights(frames=2, fps=1.0, head_motion=motion).resample(4.0)
    assert performance.head_motion is not None
    turns = axis_angle_to_matrix(performance.head_motion[:5, :3])
    steps = matrix_to_axis_angle(turns[:-1].mT @ turns[1:])
    # Quarters of one turn: all about the same axis, and of the same angle.
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), atol=1e-9, rtol=0)
    torch.testing.assert_close(performance.head_motion[4, :3], ends[1])


def test_head_rotation_is_resampled_on_its_arc() -> None:
    head = torch.zeros(2, 6)
    head[1, 1] = math.pi / 2
    head[1, 3] = 0.2
    performance = Performance(NEUTRAL, 1.0, motion=NEUTRAL.vertices.repeat(2, 1, 1), head_motion=head)
    middle = performance.resample(2.0).head_motion
    assert middle is not None
    expected = torch.tensor([0, math.pi / 4, 0, 0.1, 0, 0])
    torch.testing.assert_close(middle[1], expected, atol=1e-6, rtol=0)


def test_gaze_stays_of_unit_length_between_two_looks() -> None:
    looks = torch.tensor([[0.0, 0, 1], [1, 0, 0]])[:, None].expand(2, 2, 3)
    performance = Performance(NEUTRAL, 1.0, motion=NEUTRAL.vertices.repeat(2, 1, 1), gaze=looks)
    gaze = performance.resample(2.0).gaze
    assert gaze is not None and torch.equal(gaze[::2], looks)
    torch.testing.assert_close(gaze[1], torch.tensor([0.5**0.5, 0, 0.5**0.5]).expand(2, 3))


def test_points_are_turned_then_moved_frame_by_frame() -> None:
    head = torch.zeros(3, 6)
    head[1, 2] = math.pi / 2
    head[2, 3:] = torch.tensor([0.1, 0.2, 0.3])
    performance = Performance(NEUTRAL, 1.0, motion=NEUTRAL.vertices.repeat(3, 1, 1), head_motion=head)
    points = torch.tensor([[1.0, 0, 0], [0, 2, 0]]).expand(3, 2, 3)
    found = performance.pose(points)
    assert torch.equal(found[0], points[0])
    torch.testing.assert_close(found[1], torch.tensor([[0.0, 1, 0], [-2, 0, 0]]), atol=1e-6, rtol=0)
    assert torch.equal(found[2], points[2] + head[2, 3:])
    assert torch.equal(performance.pose(points[:2], 1), found[1:])
    assert by_weights().pose(points) is points
    with pytest.raises(InputError, match="span within 0 to 3, got 2 to 5"):
        performance.pose(points, 2)


def test_gradients_reach_the_weights() -> None:
    weights = torch.rand(3, 1, requires_grad=True)
    performance = Performance(
        NEUTRAL, 10.0, weights=weights, basis=torch.ones(1, 4, 3), weight_names=("jawOpen",)
    )
    performance.resample(20.0).vertices().sum().backward()
    assert weights.grad is not None and (weights.grad > 0).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "either motion or weights"),
        ({"motion": torch.zeros(2, 3, 3)}, r"motion must have shape \(2, 4, 3\), got \(2, 3, 3\)"),
        ({"motion": torch.zeros(0, 4, 3)}, "at least one frame"),
        ({"motion": torch.zeros(2, 4, 3), "labels": torch.zeros(3, 6)}, "labels must have shape"),
        ({"motion": torch.zeros(2, 4, 3), "fps": 0.0}, "fps must be above 0"),
        ({"motion": torch.zeros(2, 4, 3), "waveform": torch.zeros(3)}, "sample_rate must come together"),
        (
            {"motion": torch.zeros(2, 4, 3), "waveform": torch.zeros(3), "sample_rate": 0},
            "sample_rate must be at least 1, got 0",
        ),
        ({"weights": torch.zeros(2, 1), "basis": torch.zeros(1, 4, 3)}, "weight_names must name 1"),
        ({"weights": torch.zeros(2, 0), "basis": torch.zeros(0, 4, 3)}, "weights must be of at least one"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Performance(**{"neutral": NEUTRAL, "fps": 10.0, **arguments})


def test_nothing_of_a_detached_performance_asks_for_gradients() -> None:
    neutral = NEUTRAL.with_vertices(NEUTRAL.vertices.clone().requires_grad_())
    whole = by_weights(identity=torch.zeros(3), head_motion=torch.zeros(20, 6))
    assert whole.weights is not None
    moved = replace(whole, neutral=neutral, weights=whole.weights.clone().requires_grad_())
    assert moved.vertices().requires_grad and not moved.detach().vertices().requires_grad
    assert moved.detach().weight_names == moved.weight_names
    assert torch.equal(moved.detach().vertices(), moved.vertices())


def test_spans_outside_are_named() -> None:
    with pytest.raises(InputError, match="within 0 to 20, got 5 to 30"):
        by_weights().vertices(5, 30)
    with pytest.raises(InputError, match="fps must be 10"):
        by_weights().concatenate(by_weights(fps=12.0))


def test_mixed_precision_moves_no_head() -> None:
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    generator = torch.Generator().manual_seed(0)
    motion, head = (torch.rand(4, *size, generator=generator) for size in ((3, 3), (6,)))
    performance = Performance(mesh, 25.0, motion=motion, head_motion=head)
    with torch.autocast("cpu", torch.bfloat16):
        posed = performance.pose(motion)
    assert torch.equal(posed, performance.pose(motion))
