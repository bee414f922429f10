"""A clip without an end: its own at first, and never a jump."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio.sound import Sound
from meshanim.mesh import Mesh
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from meshanim.performance import Performance
from meshanim.synthesis import ClipBlinks, ClipHead, ClipHeadStyle, HeadMotionModel
from meshanim.synthesis.blinks import EYES
from meshanim.synthesis.clip_looping import OVERLAP, read_in_loop
from meshanim.synthesis.head_motion import HeadMotionConfig

MESH = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))


def ramp(frames: int) -> torch.Tensor:
    return torch.stack([torch.linspace(0, 1, frames), torch.linspace(2, -3, frames)], dim=1)


def test_the_first_turn_is_the_clip_itself() -> None:
    times = torch.arange(60) / 25
    torch.testing.assert_close(read_in_loop(ramp(75), 25.0, times), ramp(75)[:60], atol=1e-6, rtol=0)


def test_nothing_jumps_where_it_begins_anew() -> None:
    track, fine = ramp(75), torch.arange(20_000, dtype=torch.float64) / 1000
    looped = read_in_loop(track, 25.0, fine)
    speed = looped.diff(dim=0).abs() * 1000
    # the passage goes back over a clip of 5 units at up to 15/8 of their mean speed, beside the clip's own
    assert float(speed.max()) < 1.1 * (15 / 8 * 5 / OVERLAP + 5 / 3)
    assert float(speed.diff(dim=0).abs().max()) < 0.3
    assert float(looped.min()) >= -3 and float(looped.max()) <= 2


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_very_short_clips_are_held_or_looped(frames: int) -> None:
    track = ramp(frames)
    looped = read_in_loop(track, 25.0, torch.arange(100) / 30)
    assert looped.shape == (100, 2) and bool(looped.isfinite().all())
    assert float(looped[:, 0].max()) <= 1 + 1e-6


def test_a_head_moves_about_its_mean_pose() -> None:
    motion = torch.zeros(100, 6)
    motion[:, 1] = 0.4 + 0.1 * (torch.arange(100) / 8).sin()
    motion[:, 5] = -0.7 + 0.01 * (torch.arange(100) / 8).cos()
    clip = Performance(MESH, 25.0, motion=torch.zeros(100, 3, 3), head_motion=motion)
    head = ClipHead(clip).head_motion(Sound(torch.zeros(32_000), 16_000), fps=25.0)
    assert head.shape == (50, 6)
    expected = axis_angle_to_matrix(motion[:, :3])[:50]
    turned = axis_angle_to_matrix(head[:, :3])
    # Turns about one axis: their mean is the turn by the angle of their mean sine and cosine.
    sine, cosine = motion[:, 1].sin().mean(), motion[:, 1].cos().mean()
    back = axis_angle_to_matrix(torch.stack([sine * 0, torch.atan2(sine, cosine), sine * 0])).mT
    torch.testing.assert_close(turned, back @ expected, atol=1e-6, rtol=0)
    assert float(head[:, 3:].abs().max()) < 0.02
    spoken = replace(clip, waveform=torch.zeros(64_000), sample_rate=16_000)
    like = ClipHeadStyle(HeadMotionModel(HeadMotionConfig(8, 16, 8)).eval(), spoken)
    assert like.head_motion(Sound(torch.zeros(32_000), 16_000), fps=30.0).shape == (60, 6)
    wide = replace(spoken, waveform=torch.zeros(64_000, dtype=torch.float64))
    assert ClipHeadStyle(like.model, wide).head_motion(Sound(torch.zeros(640), 16_000), fps=25.0).shape == (
        1,
        6,
    )
    with pytest.raises(InputError, match="must have head motion and sound"):
        ClipHeadStyle(like.model, clip)
    still = Performance(MESH, 25.0, motion=torch.zeros(2, 3, 3))
    with pytest.raises(InputError, match="clip must have head motion"):
        ClipHead(still)
    lost = replace(spoken, head_motion=torch.full((100, 6), torch.nan))
    for refused in (lambda: ClipHead(lost), lambda: ClipHeadStyle(like.model, lost)):
        with pytest.raises(InputError, match="the clip's head motion must be finite, got nan"):
            refused()


def test_weights_of_a_clip_may_be_whole_numbers() -> None:
    closed = torch.tensor([[0, 1], [1, 1], [1, 0]])
    clip = Performance(MESH, 25.0, weights=closed, basis=torch.zeros(2, 3, 3), weight_names=EYES)
    assert torch.equal(ClipBlinks(clip).weights(torch.arange(2) / 25), closed[:2].float())


@pytest.mark.parametrize("turn", [[0.0, 1.5, 0.0], [0.0, 3.1, 0.0], [3.1, 0.1, 0.0]])
def test_how_a_clip_s_head_stood_does_not_matter(turn: list[float]) -> None:
    time = torch.arange(100) / 8
    angles = torch.stack([0.1 * time.cos(), 0.3 * time.sin(), 0.05 * time.cos()], dim=1)
    shift = 0.01 * torch.stack([time.cos(), time.sin(), time.sin()], dim=1)
    stood, sound = axis_angle_to_matrix(torch.tensor(turn)), Sound(torch.zeros(32_000), 16_000)

    def head(rotations: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
        motion = torch.cat([matrix_to_axis_angle(rotations), shifts], dim=1)
        clip = Performance(MESH, 25.0, motion=torch.zeros(100, 3, 3), head_motion=motion)
        return ClipHead(clip).head_motion(sound, fps=25.0)

    turns = axis_angle_to_matrix(angles)
    moved = head(stood @ turns, shift @ stood.mT + 0.5)
    torch.testing.assert_close(moved, head(turns, shift), atol=1e-5, rtol=0)
