from dataclasses import replace
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound
from meshanim.datasets.utterances import Utterance
from meshanim.synthesis import HeadMotionConfig, HeadMotionModel
from meshanim.training import HeadMotionRecipe, train_head_motion
from meshanim.training.head_motion import HeadMotionTask, head_clips, style_distance, style_gaps

RECIPE = HeadMotionRecipe(
    epochs=25,
    batch_size=24,
    learning_rate=1e-2,
    window=40,
    model=HeadMotionConfig(bands=8, features=16, style_size=16),
)


def speech(people: int, seed: int) -> list[Utterance]:
    """Three utterances of each: heads nod with the loudness, about a posture and as far as is their own."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for person in range(people):
        posture, size = 0.1 * torch.randn(2, 6, generator=generator)
        for take in range(3):
            count = 50 + 5 * take
            loud = torch.sin(torch.arange(count) * 0.6 + take).square()
            noise = torch.randn(count * 640, generator=generator)
            sound = Sound(0.3 * noise * loud.repeat_interleave(640), 16_000)
            motion = posture + (loud - 0.5)[:, None] * size
            name, still = f"{person}-{take}", torch.zeros(count, 52)
            made.append(Utterance(name, str(person), "", sound, 25.0, still, motion, torch.zeros(1)))
    return made


def test_it_learns_the_manner_of_people_it_has_not_seen(tmp_path: Path) -> None:
    model, report = train_head_motion(speech(8, 0), RECIPE, tmp_path, speech(4, 1), progress=False)
    assert report.finished and len(report.history) == RECIPE.epochs
    with_reference, without = style_gaps(model, head_clips(model, speech(4, 1)))
    assert report.history[-1]["gap"] == pytest.approx(with_reference, rel=1e-3)
    assert with_reference < 0.8 * without
    assert HeadMotionModel.from_pretrained(tmp_path).config == RECIPE.model


def test_a_stopped_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    corpus, short = speech(3, 2), replace(RECIPE, epochs=3)
    straight, _ = train_head_motion(corpus, short, tmp_path / "straight", progress=False)
    train_head_motion(corpus, replace(short, epochs=2), tmp_path / "stopped", progress=False)
    resumed, _ = train_head_motion(corpus, short, tmp_path / "stopped", progress=False)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_either_side_of_the_game_learns_its_own_part() -> None:
    model = HeadMotionModel(RECIPE.model)
    task = HeadMotionTask(model, head_clips(model, speech(2, 0)), [], RECIPE)
    judge = task.players.discriminator
    task.losses([0, 1])["adversarial"].backward()
    assert all(weight.grad is None for weight in judge.parameters())
    assert all(weight.grad is not None for weight in model.parameters())
    model.zero_grad()
    task.losses([0, 1])["discriminator"].backward()
    assert all(weight.grad is None for weight in model.parameters())
    assert all(weight.grad is not None for weight in judge.parameters())
    with torch.no_grad():
        for weight in judge.parameters():
            weight.zero_()
        # all motion is held for real: what the maker wants, and the judge not
        weight.fill_(30)
        told = task.losses([0, 1])
    assert float(told["adversarial"]) < 1e-6 and float(told["discriminator"]) == pytest.approx(30)


def test_without_a_reference_the_default_style_is_learned() -> None:
    model = HeadMotionModel(RECIPE.model)
    clips, shown = head_clips(model, speech(2, 0)), next(model.net.know.parameters())
    for share in (0.0, 1.0):
        task = HeadMotionTask(model, clips, [], replace(RECIPE, without_reference=share))
        model.zero_grad(set_to_none=False)
        task.losses([0, 1])["motion"].backward()
        assert shown.grad is not None and bool(shown.grad.any()) == (share == 0)
        assert model.default_style.grad is not None and bool(model.default_style.grad.any()) == (share == 1)


def test_who_says_one_thing_only_is_left_out() -> None:
    clips = head_clips(HeadMotionModel(RECIPE.model), speech(2, 0)[:4])
    assert [clip.speaker for clip in clips] == ["0", "0", "0"]


def test_distance_of_styles_worked_by_hand() -> None:
    made = torch.zeros(4, 6)
    truth = torch.zeros(4, 6)
    truth[:, 0] = torch.tensor([1.0, 3, 1, 3])
    # one mean is 2 off and its deviation 1, of twelve numbers
    assert float(style_distance(made, truth)) == pytest.approx(3 / 12, abs=1e-4)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    corpus = speech(2, 0)
    with pytest.raises(InputError, match="clips must be two or more of each speaker, got one or none"):
        train_head_motion(corpus[::3], RECIPE, tmp_path, progress=False)
    with pytest.raises(InputError, match="utterances must have 25 fps, got 30"):
        train_head_motion([replace(corpus[0], fps=30.0)], RECIPE, tmp_path, progress=False)
