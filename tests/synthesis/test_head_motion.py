from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound, resample
from meshanim.mesh import axis_angle_to_matrix
from meshanim.synthesis import HeadMotionConfig, HeadMotionModel
from meshanim.synthesis.head_motion import LIMITS
from meshanim.synthesis.timing import read_motion_smoothly, read_smoothly

CONFIG = HeadMotionConfig(bands=8, features=16, style_size=8)


@pytest.fixture
def model() -> HeadMotionModel:
    torch.manual_seed(0)
    made = HeadMotionModel(CONFIG).eval()
    made.calibrate([-8 + 3 * torch.randn(50, 16)], [torch.randn(50, 6) * 0.05])
    return made


def voice(seconds: float, rate: int = 16_000) -> Sound:
    """Noise that swells and fades."""
    time = torch.arange(round(seconds * rate)) / rate
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(1))
    return Sound(0.1 * noise * torch.sin(3 * time).square(), rate)


@pytest.mark.parametrize("fps", [12.5, 25, 29.97, 60])
def test_its_stream_is_its_whole(model: HeadMotionModel, fps: float) -> None:
    sound = voice(3.1)
    whole = model.head_motion(sound, fps=fps)
    assert len(whole) == round(3.1 * fps)
    parts = list(model.stream(sound.waveform.split(700), fps=fps))
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=0)
    assert len(parts[0]) == 0 and max(map(len, parts[:-1])) <= 1 + 700 / 16_000 * fps + fps / 25


def test_a_long_stream_keeps_no_more_than_a_short_one(model: HeadMotionModel) -> None:
    from meshanim.synthesis.head_motion_stream import HeadMotionStream

    stream, kept = HeadMotionStream(model, torch.zeros(8), 60), []
    for block in voice(12).waveform.split(4000):
        stream.push(block)
        kept.append((len(stream._sound), len(stream._track)))
    later = kept[len(kept) // 2 :]
    assert max(size for size, _ in later) < 32_000 and max(size for _, size in later) < 10


def test_the_frame_rate_does_not_change_the_motion(model: HeadMotionModel) -> None:
    sound = voice(2)
    torch.testing.assert_close(
        model.head_motion(sound, fps=50)[::2], model.head_motion(sound, fps=25), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("fps", [25, 60])
def test_silence_after_the_end_changes_nothing_before_it(model: HeadMotionModel, fps: float) -> None:
    sound = voice(1.3)
    longer = Sound(torch.cat([sound.waveform, torch.zeros(16_000)]), 16_000)
    found = model.head_motion(sound, fps=fps)
    torch.testing.assert_close(model.head_motion(longer, fps=fps)[: len(found)], found, atol=1e-6, rtol=0)


def test_any_sample_rate_will_do(model: HeadMotionModel) -> None:
    sound = voice(2)
    there_and_back = resample(resample(sound, 48_000), 16_000)
    torch.testing.assert_close(
        model.head_motion(resample(sound, 48_000)), model.head_motion(there_and_back), atol=1e-4, rtol=0
    )


def test_a_sound_that_needs_gradients_moves_the_head_without(model: HeadMotionModel) -> None:
    plain = voice(1, 44_100)
    moved = model.head_motion(Sound(plain.waveform.clone().requires_grad_(), 44_100))
    assert not moved.requires_grad and torch.equal(moved, model.head_motion(plain))


def test_the_shortest_sound_has_one_frame(model: HeadMotionModel) -> None:
    assert model.head_motion(Sound(torch.zeros(1), 16_000)).shape == (1, 6)


def test_silence_keeps_the_head_where_it_is(model: HeadMotionModel) -> None:
    still = model.head_motion(Sound(torch.zeros(32_000), 16_000))
    torch.testing.assert_close(still, still[:1].expand_as(still), atol=1e-6, rtol=0)


def test_no_head_leaves_its_limits(model: HeadMotionModel) -> None:
    with torch.no_grad():
        model.net.write.weight.mul_(1000)
    motion = model.head_motion(voice(2))
    assert bool((motion.abs() <= torch.tensor(LIMITS) + 1e-6).all())
    assert float(motion.abs().max()) > 0.1


def test_a_reference_has_a_style_at_any_frame_rate(model: HeadMotionModel) -> None:
    sound, time = voice(4), torch.arange(100) / 25
    motion = 0.1 * torch.sin(time[:, None] * torch.arange(1, 7))
    style = model.style(sound, motion, 25)
    assert not torch.allclose(style, model.style(sound, 3 * motion, 25), atol=1e-2)
    wanted = torch.arange(0, 99.01, 0.5, dtype=torch.float64)
    again = model.style(sound, read_motion_smoothly(motion, wanted), 50)
    torch.testing.assert_close(again, style, atol=1e-5, rtol=0)
    moved = model.head_motion(sound, style)
    assert moved.shape == (100, 6) and not torch.allclose(moved, model.head_motion(sound))


def test_a_style_is_told_where_the_model_is(model: HeadMotionModel) -> None:
    assert model.to("meta").style(voice(2), torch.zeros(50, 6), 25).device.type == "meta"


def test_it_is_saved_whole(model: HeadMotionModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = HeadMotionModel.from_pretrained(tmp_path)
    assert torch.equal(again.head_motion(voice(1)), model.head_motion(voice(1)))


def test_the_shipped_one_moves_smoothly_and_in_the_manner_of_a_reference() -> None:
    model, time = HeadMotionModel.from_pretrained(), torch.arange(100) / 25
    sound = voice(4)
    plain = model.head_motion(sound, fps=60)
    jolts = (plain[2:] - 2 * plain[1:-1] + plain[:-2]).abs() * 60**2
    # no sharper than a nod of 5 degrees at 3 Hz: 0.087 rad * (2 pi 3)^2
    assert float(jolts[:, :3].max()) < 31 and float(plain[:, :3].abs().max()) < 0.3
    bowed = torch.zeros(100, 6)
    bowed[:, 0] = 0.15 + 0.03 * torch.sin(5 * time)
    like = model.head_motion(sound, model.style(sound, bowed, 25))
    nod, own = like[:, 0].mean(), model.head_motion(sound)[:, 0].mean()
    assert abs(float(nod) - 0.15) < 0.5 * abs(float(own) - 0.15)


def test_what_does_not_fit_is_named(model: HeadMotionModel) -> None:
    sound = voice(1)
    with pytest.raises(InputError, match=r"head_motion must have shape \(any, 6\)"):
        model.style(sound, torch.zeros(5, 3), 25)
    with pytest.raises(InputError, match="head_motion must have at least one frame"):
        model.style(sound, torch.zeros(0, 6), 25)
    with pytest.raises(InputError, match=r"style must have shape \(8,\)"):
        model.head_motion(sound, torch.zeros(9))
    with pytest.raises(InputError, match="fps must be above 0"):
        model.head_motion(sound, fps=0)
    with pytest.raises(InputError, match="waveform must be finite"):
        list(model.stream([torch.tensor([torch.nan])]))


def test_rotations_are_read_on_arcs_whose_speed_is_steady() -> None:
    turn = torch.tensor([0.0, 0.2, 0, 0, 0, 0]).double()
    steady = torch.arange(8)[:, None] * turn
    position = torch.arange(1, 6, 0.1, dtype=torch.float64)
    torch.testing.assert_close(read_motion_smoothly(steady, position), position[:, None] * turn)


def test_turns_about_one_axis_lie_on_the_smooth_curve_of_their_angle() -> None:
    angles = 0.5 * torch.randn(8, 1, generator=torch.Generator().manual_seed(2)).double()
    track = angles * torch.tensor([0.0, 1, 0, 0, 0, 0]).double()
    position = torch.arange(0, 7, 0.1, dtype=torch.float64)
    read = read_motion_smoothly(track, position)
    torch.testing.assert_close(read[:, 1:2], read_smoothly(angles, position))


def test_motion_is_read_without_a_corner() -> None:
    track = 0.5 * torch.randn(8, 6, generator=torch.Generator().manual_seed(2)).double()
    torch.testing.assert_close(read_motion_smoothly(track, torch.arange(8.0).double()), track)
    step = 1e-4
    for frame in range(2, 6):
        before, at, after = read_motion_smoothly(track, frame + torch.tensor([-step, 0, step]).double())
        turned = axis_angle_to_matrix(torch.stack([before, at, after])[:, :3])
        speeds = (turned[1] - turned[0]) / step, (turned[2] - turned[1]) / step
        torch.testing.assert_close(*speeds, atol=2e-3, rtol=0)
        torch.testing.assert_close((at - before)[3:] / step, (after - at)[3:] / step, atol=2e-3, rtol=0)
