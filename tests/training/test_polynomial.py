"""Training of the talking head by polynomial fusion: each player's own step, stages, resuming."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from meshanim._check import InputError
from meshanim.audio import Sound
from meshanim.datasets import TalkingClip
from meshanim.talking_heads import PolynomialConfig, PolynomialModel
from meshanim.talking_heads.polynomial_config import POLYNOMIAL_CONFIGS
from meshanim.training import POLYNOMIAL_RECIPES, PolynomialRecipe, TrainingReport, train_polynomial
from meshanim.training.adversarial_losses import told_made, told_real
from meshanim.training.head_start import ChanceRecipe, PolynomialHearingRecipe
from meshanim.training.polynomial import take_encoders, train_encoders
from meshanim.training.polynomial_task import PolynomialTask
from meshanim.training.talking_batches import SeenClip, TalkingBatch
from meshanim.training.task import Turn

TINY = PolynomialConfig(audio=8, identity=6, joint=14, rank=4, ranks=(5, 4, 3), width=2)
SETTINGS = {
    "config": "tiny",
    "epochs": 2,
    "batch_size": 2,
    "encoder_epochs": 1,
    "hearing": PolynomialHearingRecipe(epochs=1, frames=8),
    "chance": ChanceRecipe(epochs=1, sequences=4, frames=8),
    "stretches": 1,
    "frames": 6,
    "looks": 2,
    "judge_width": 2,
    "learning_rate": 1e-3,
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    seeing_meshes = replace(TINY, motion=5, joint=19, ranks=(5, 4, 3, 2))
    monkeypatch.setitem(POLYNOMIAL_CONFIGS, "tiny", TINY)
    monkeypatch.setitem(POLYNOMIAL_CONFIGS, "tiny-mesh", seeing_meshes)


def tiny_recipe(**changes) -> PolynomialRecipe:
    return PolynomialRecipe(**{**SETTINGS, **changes})


def clip(seed: int, frames: int = 40, **changes) -> TalkingClip:
    """Noise for pictures and voice, and a face that blinks twice."""
    generator = torch.Generator().manual_seed(seed)
    weights = 0.1 * torch.rand(frames, 52, generator=generator)
    weights[:, [8, 9]] *= 0.1  # lids
    for start in (20, 28):
        weights[start : start + 3, [8, 9]] = torch.tensor([[0.5], [0.9], [0.4]])
    known = {
        "name": f"clip{seed}",
        "speaker": "noise",
        "text": None,
        "split": "train",
        "fps": 25.0,
        "frames": torch.randint(256, (frames, 128, 96, 3), generator=generator).byte(),
        "landmarks": torch.zeros(frames, 68, 2),
        "sound": Sound(0.1 * torch.randn(frames * 640, generator=generator), 16_000),
        "weights": weights,
    }
    return TalkingClip(**{**known, **changes})


CLIPS = [clip(seed) for seed in range(3)]
SEEN = [SeenClip.of(each) for each in CLIPS]


def task(recipe: PolynomialRecipe | None = None, frozen: bool = True) -> PolynomialTask:
    torch.manual_seed(0)
    recipe = recipe or tiny_recipe()
    return PolynomialTask(PolynomialModel(recipe.sizes), SEEN, SEEN[:2], recipe, frozen)


def step(task: PolynomialTask, items: list[int]) -> dict[str, float]:
    """All turns of a step, as the loop takes them."""
    told: dict[str, float] = {}
    task.model.train()
    turns = task.turns()
    for turn in turns:
        for other in turns:
            for parameter in other.parameters:
                parameter.requires_grad_(other is turn)
        optimizer = torch.optim.Adam(turn.parameters, turn.learning_rate)
        losses = turn.losses(items)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        told |= {name: value.item() for name, value in losses.items()}
    return told


def test_parts_of_the_picture_weigh_as_the_recipe_says(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = task(tiny_recipe(lower=5.0, lips=7.0, eyes=11.0, upper=3.0))
    for rows, columns, wanted in (
        (slice(80, 90), slice(30, 60), {"lower": 5 * 300 / (64 * 96), "lips": 7 * 300 / (36 * 48)}),
        (slice(40, 50), slice(20, 40), {"upper": 3 * 200 / (64 * 96), "eyes": 11 * 200 / (20 * 68)}),
        (slice(0, 10), slice(0, 96), {"upper": 3 * 960 / (64 * 96)}),
        (slice(118, 128), slice(0, 96), {"lower": 5 * 960 / (64 * 96)}),
    ):
        off = torch.zeros(128, 96)
        off[rows, columns] = 1.0
        monkeypatch.setattr(drawing, "draw", lambda batch, off=off: batch.frames + off)
        found = drawing._generate([0, 1])
        for name in ("lower", "lips", "eyes", "upper"):
            assert float(found[name]) == pytest.approx(wanted.get(name, 0), rel=1e-4)


def test_sound_that_does_not_go_with_a_snippet_is_another_clips() -> None:
    heard: list[torch.Tensor] = []

    class Hears(nn.Module):
        def forward(self, snippets: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
            heard.append(windows)
            return torch.zeros(len(windows))

    judged = task()
    judged.model.synchrony = Hears()
    judged._generate([0, 1])
    heard.clear()
    judged._judge_synchrony([0, 1])
    assert judged._batch is not None
    clips = [set(map(tuple, frames.tolist())) for frames in judged._batch.heard_frames]
    strange, _, own = ([[tuple(row) in clip for clip in clips] for row in rows.tolist()] for rows in heard)
    looks = judged.recipe.looks
    assert own == [[True, False]] * looks + [[False, True]] * looks
    assert strange == [[False, True]] * looks + [[True, False]] * looks


def values(module: nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in module.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, first, second))


def test_judges_that_are_right_have_nothing_to_learn_and_the_generator_all() -> None:
    judged = task(tiny_recipe(frame=1.0, sequence=1.0, synchrony=1.0))

    class Knows(torch.nn.Module):
        """Pictures are white where they are true."""

        def forward(self, frames: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return torch.where((frames == 1).flatten(1).all(dim=1), 30.0, -30.0)

    for name in ("frame", "sequence", "synchrony"):
        setattr(judged.model, name, Knows())
    told = judged._generate([0, 1])
    assert [float(told[name]) for name in ("frame", "sequence", "synchrony")] == pytest.approx([30.0] * 3)
    assert judged._batch is not None
    judged._batch = judged._batch._replace(frames=torch.ones_like(judged._batch.frames))
    assert float(judged._judge_frames([0, 1])["frame_judge"]) < 1e-6
    assert float(judged._judge_sequence([0, 1])["sequence_judge"]) < 1e-6


def test_a_snippet_is_heard_in_its_middle() -> None:
    times = torch.arange(12.0).expand(2, -1)
    heard = SimpleNamespace(heard_frames=times[:, :, None])
    seen, said = task()._snippets(heard, times[:, :, None, None, None])  # type: ignore[arg-type]
    assert torch.equal(seen[:, 2].flatten(), said.flatten())
    assert bool((seen.flatten(1).diff(dim=1) == 1).all())


def test_a_step_at_the_sizes_of_the_paper() -> None:
    recipe = replace(POLYNOMIAL_RECIPES["cores"], frames=5)
    paper = POLYNOMIAL_RECIPES["paper"]
    assert (paper.lower, paper.size, paper.frame, paper.sequence, paper.synchrony) == (600, 100, 1, 0.2, 0.8)
    assert (paper.learning_rate, paper.judge_rate, paper.slow_judge_rate) == (1e-4, 1e-4, 1e-5)
    told = step(task(recipe), [0])
    assert set(told) == {
        "lower", "lips", "eyes", "upper", "size", "frame", "sequence", "synchrony",
        "frame_judge", "sequence_judge", "synchrony_judge",
    }  # fmt: skip
    assert all(value == value and value >= 0 for value in told.values())


def test_every_player_moves_by_itself() -> None:
    contest = task()
    players = contest.model
    groups = [players.model, players.frame, players.sequence, players.synchrony]
    owned = [{id(parameter) for parameter in turn.parameters} for turn in contest.turns()]
    for own, group in zip(owned, groups, strict=True):
        assert own <= {id(parameter) for parameter in group.parameters()}
    assert len(set.union(*owned)) == sum(map(len, owned))
    before = [values(group) for group in groups]
    step(contest, [0, 1])
    assert not any(same(old, values(group)) for old, group in zip(before, groups, strict=True))


@pytest.mark.parametrize("frozen", [True, False])
def test_encoders_stay_where_they_are_to(frozen: bool) -> None:
    contest = task(frozen=frozen)
    model = contest.model.model
    before = {name: values(getattr(model, name)) for name in dict(model.named_children())}
    step(contest, [0, 1])
    moved = {name for name, old in before.items() if not same(old, values(getattr(model, name)))}
    assert moved == {"fusion", "generator"} | (set() if frozen else {"identity_encoder"})


def test_the_generator_s_losses_worked_by_hand() -> None:
    recipe = tiny_recipe(silent=1.0)
    contest = task(recipe)
    contest.model.eval()
    told = contest.losses([0])
    made = contest._made
    assert made is not None
    apart = (made - TalkingBatch.cut(SEEN[:1], 0, 1).reference[:, None]).abs()
    torch.testing.assert_close(told["lower"], 600 * apart[..., 64:, :].mean())
    torch.testing.assert_close(told["lips"], 600 * apart[..., 76:112, 24:72].mean())
    torch.testing.assert_close(told["eyes"], 300 * apart[..., 32:52, 14:82].mean())
    torch.testing.assert_close(told["upper"], 200 * apart[..., :64, :].mean())
    parameters = torch.cat([value.flatten() for value in contest.model.model.fusion.parameters()])
    torch.testing.assert_close(told["size"], 100 * parameters.square().mean().sqrt())


def test_told_real_and_told_made_are_cross_entropies() -> None:
    scores = torch.tensor([-1.0, 2.0])
    torch.testing.assert_close(told_real(scores), -scores.sigmoid().log().mean())
    torch.testing.assert_close(told_made(scores), -(1 - scores.sigmoid()).log().mean())


def test_a_stopped_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    encoders = PolynomialModel(TINY.fused_by("concatenation"))
    torch.manual_seed(3)
    for recipe in (tiny_recipe(epochs=1), tiny_recipe()):
        train_polynomial(CLIPS, recipe, tmp_path / "parts", encoders=encoders, progress=False)
    train_polynomial(CLIPS, tiny_recipe(), tmp_path / "whole", encoders=encoders, progress=False)
    for name in ("checkpoint.safetensors", "history.json", "model.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    others = PolynomialModel(TINY.fused_by("concatenation"))
    with pytest.raises(InputError, match=r"belongs to another run: encoders is '\w{16}' there"):
        train_polynomial(CLIPS, tiny_recipe(), tmp_path / "parts", encoders=others, progress=False)


def test_encoders_come_first_and_are_kept(tmp_path: Path) -> None:
    model, report = train_polynomial(CLIPS, tiny_recipe(), tmp_path, CLIPS[:2], progress=False)
    baseline = PolynomialModel.from_pretrained(tmp_path / "encoders")
    assert baseline.config.fusion == "concatenation" and model.config.fusion == "cp"
    for own, other in zip(model.encoders, baseline.encoders, strict=True):
        for mine, stored in zip(values(own), values(other), strict=True):
            torch.testing.assert_close(mine, stored, atol=1e-3, rtol=1e-3)  # stored with 16 bits
    assert report.finished and len(report.history) == 2
    assert {"validation_mouth_psnr", "validation_strange_sound_psnr"} <= set(report.history[0])
    assert (tmp_path / "encoders" / "head-start" / "hearing" / "checkpoint.safetensors").is_file()


@torch.no_grad()
def test_one_clip_has_no_other_s_voice() -> None:
    model = PolynomialModel(TINY).eval()
    for count, scores in ((1, 1), (2, 2)):
        judged = PolynomialTask(model, SEEN, SEEN[:count], tiny_recipe(), frozen=True)
        assert len(judged.validate()) == scores


@pytest.mark.parametrize("fusion", ["tucker", "cmf", "cmf-sr", "full", "concatenation"])
def test_all_fusions_train_by_the_same_recipe(fusion: str) -> None:
    told = step(task(tiny_recipe(fusion=fusion)), [0, 1])
    assert (told["size"] == 0) == (fusion == "concatenation")


def test_the_mesh_is_a_third_view_where_asked(tmp_path: Path) -> None:
    recipe = tiny_recipe(config="tiny-mesh", epochs=1)
    encoders = PolynomialModel(TINY)

    def displace(clip: TalkingClip) -> torch.Tensor:
        return torch.randn(clip.frame_count, 68, 3, generator=torch.Generator().manual_seed(0))

    train_polynomial(CLIPS, recipe, tmp_path, encoders=encoders, displace=displace, progress=False)
    assert PolynomialModel.from_pretrained(tmp_path).config.views == (8, 6, 5)
    with pytest.raises(InputError, match="tiny-mesh must be told how meshes are displaced"):
        train_polynomial(CLIPS, recipe, tmp_path, encoders=encoders, progress=False)


def test_encoders_of_other_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="encoders must have audio of 8, got 9"):
        take_encoders(PolynomialModel(TINY), PolynomialModel(replace(TINY, audio=9)))


def test_a_stop_in_the_head_start_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshanim.training.polynomial.give_head_start", lambda *_, **__: False)
    _, report = train_encoders(SEEN, tiny_recipe(), tmp_path, progress=False)
    assert not report.finished and not (tmp_path / "config.json").exists()


def test_a_stop_in_the_last_moment_of_a_stage_begins_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the encoders are scored for the last time; their epochs are not those of the run."""
    validate = PolynomialTask.validate

    def interrupted(task: PolynomialTask) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return validate(task)

    monkeypatch.setattr(PolynomialTask, "validate", interrupted)
    _, report = train_polynomial(CLIPS, tiny_recipe(encoder_epochs=1), tmp_path, CLIPS[:1], progress=False)
    assert report == TrainingReport([], False)
    assert (tmp_path / "encoders" / "config.json").is_file()
    assert not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"config": "huge"}, "config must be one of"),
        ({"fusion": "sum"}, "fusion must be one of"),
        ({"frames": 4}, "frames must be at least 5, got 4"),
        ({"lips": -1}, "lips must be at least 0, got -1"),
        ({"silent": 1.5}, "silent must be at least 0 and at most 1, got 1.5"),
        ({"judge_rate": 0}, "judge_rate must be above 0, got 0"),
    ],
)
def test_recipes_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PolynomialRecipe(**settings)


def test_turns_are_as_the_paper_s_rates() -> None:
    turns = task(replace(POLYNOMIAL_RECIPES["paper"], config="tiny")).turns()
    assert [turn.learning_rate for turn in turns] == [1e-4, 1e-4, 1e-5, 1e-5]
    assert all(isinstance(turn, Turn) for turn in turns)
