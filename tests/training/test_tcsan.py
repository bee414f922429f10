"""Training TCSAN: losses by hand, windows of clips, turns, and runs that go on to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, SPEECH_UNITS, AudioToUnits, Sound
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.facs import arkit_weights
from meshanim.talking_heads import TcsanConfig, TcsanModel
from meshanim.training import TCSAN_RECIPES, TCSAN_VARIANTS, TcsanRecipe, train_tcsan
from meshanim.training.tcsan import _players
from meshanim.training.tcsan_clips import PITCHES, TcsanClip, draw_batch, heard_otherwise
from meshanim.training.tcsan_hearing import TcsanHearingRecipe, hear_lips
from meshanim.training.tcsan_losses import (
    identity_distance,
    mouth_distance,
    perceptual_distance,
    pixel_distance,
)
from meshanim.training.tcsan_task import TcsanTask
from meshanim.vision import FaceFeatures, UnitClassifier

TINY = TcsanConfig(
    features=64,
    hidden=64,
    layers=1,
    identity_channels=(2, 2, 2, 2),
    audio_channels=(2, 2, 2, 2, 2),
    decoder_channels=(4, 4, 3, 3, 2, 2),
    units_hidden=4,
)
RECIPE = TcsanRecipe(epochs=2, batch_size=2, window=3, config=TINY)


@dataclass(frozen=True)
class Filmed:
    name: str
    frames: torch.Tensor
    sound: Sound
    weights: torch.Tensor | None
    head_motion: torch.Tensor | None = None
    fps: float = 25.0


def filmed(seed: int, frames: int = 8) -> Filmed:
    """Noise on the lower half that is bright where all units occur; sound is there where it is."""
    generator = torch.Generator().manual_seed(seed)
    opened = torch.randint(2, (frames,), generator=generator).float()
    picture = torch.randint(80, (frames, 112, 112, 3), generator=generator)
    picture[:, 56:] += (100 * opened).long().view(-1, 1, 1, 1)
    weights = opened[:, None] * arkit_weights(dict.fromkeys(SPEECH_UNITS, 1.0), ARKIT_NAMES)
    waveform = torch.randn(frames * SPEECH_RATE // 25, generator=generator)
    sound = Sound(0.1 * waveform * opened.repeat_interleave(SPEECH_RATE // 25), SPEECH_RATE)
    return Filmed(f"clip {seed}", picture.byte(), sound, weights)


def judges() -> tuple[FaceFeatures, UnitClassifier, AudioToUnits]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = FaceFeatures(52, width=2).eval().requires_grad_(False)
        return features, UnitClassifier(SPEECH_UNITS, width=2), AudioToUnits(hidden=4)


def task(recipe: TcsanRecipe, clips: int = 2) -> TcsanTask:
    learned = [TcsanClip.of(filmed(seed)) for seed in range(clips)]
    features, classifier, hearing = judges()
    return TcsanTask(_players(learned, recipe, classifier, hearing), learned, learned[:1], recipe, features)


def test_losses_are_those_worked_by_hand():
    made, truth = torch.zeros(1, 1, 3, 4, 2), torch.zeros(1, 1, 3, 4, 2)
    made[0, 0, :, 0, 0] = torch.tensor([0.5, -0.25, 0.25])
    made[0, 0, 0, 3, 1] = 2.0
    # two of eight pixels differ, by 1 and 2; of the four above one, by 1
    assert float(pixel_distance(made, truth)) == pytest.approx(3 / 8)
    assert float(identity_distance(made, truth[0])) == pytest.approx(1 / 4)
    whole, nothing = torch.zeros(1, 3, 112, 112), torch.zeros(1, 3, 112, 112)
    whole[..., 66:106, 32:80] = 0.5
    assert float(mouth_distance(whole, nothing)) == pytest.approx(3 * 0.5)


def test_perceptual_distance_is_the_mean_over_layers():
    class Two:
        name = "two"

        def __call__(self, pictures):
            return [pictures[:, :1], 3 * pictures[:, :, :1]]

    made, truth = torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, 3, 4, 4)
    assert float(perceptual_distance(Two(), made, truth)) == pytest.approx((0.5 + 1.5) / 2)


def test_windows_know_what_the_fusion_would_of_the_whole():
    """Drawn frames come out as from the whole clip, wherever in it they are."""
    recipe = replace(RECIPE, silent=0.0, any_reference=0.0, config=replace(TINY, layers=2))
    subject = task(recipe)
    subject.model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.nn.init.normal_(subject.players.model.decoder.last.conv.weight, std=0.3)
        for _ in range(6):
            batch = subject._draw([0, 1])
            whole = subject.players.model(batch.identity, batch.windows, batch.intensities)
            rows = batch.span.gather(1, batch.kept)
            expected = torch.stack([each[row] for each, row in zip(whole, rows, strict=True)])
            assert torch.allclose(subject._drawn(batch), expected, atol=1e-5)


def test_windows_are_of_the_frames_that_they_say():
    clips = [TcsanClip.of(filmed(seed, frames)) for seed, frames in ((0, 8), (1, 6))]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        batch = draw_batch(clips, window=4, reach=1)
    assert batch.windows.shape == (2, 8, 12, 28) and batch.truth.shape == (2, 4, 3, 112, 112)
    rows = batch.span.gather(1, batch.kept)
    for number, clip in enumerate(clips):
        assert torch.equal(batch.labels[number], clip.labels[rows[number]])
        shown = (batch.truth[number] + 1) * 127.5
        assert torch.allclose(shown, clip.frames[rows[number]].movedim(-1, -3).float(), atol=1e-3)


def test_a_clip_is_heard_in_other_pitches_beside_the_same_frames():
    generator = torch.Generator().manual_seed(0)
    clicks = torch.zeros(40 * SPEECH_RATE // 25)
    clicks[[12 * 640, 30 * 640]] = 1.0
    hiss = 1e-4 * torch.randn(len(clicks), generator=generator)
    clip = replace(filmed(0, 40), sound=Sound(clicks + hiss, SPEECH_RATE))
    heard = TcsanClip.of(clip, PITCHES)
    assert heard.voices.shape == (5, 40, 12, 28) and torch.equal(heard.windows, TcsanClip.of(clip).windows)
    for voice in heard.voices:
        # a click is in the middle of the window of its frame, whatever the pitch
        loud = (voice - voice.median(dim=0).values).square().sum(dim=1)
        assert [int(loud[frame].argmax()) in (12, 13, 14, 15) for frame in (12, 30)] == [True, True]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = [draw_batch([heard], 4, 0).windows[0] for _ in range(40)]
    assert {int((each == heard.voices).flatten(1).all(dim=1).nonzero()) for each in drawn} == {*range(5)}


def test_a_sound_that_ends_between_two_frames_is_heard_in_every_pitch():
    clip = replace(filmed(0, 26), sound=Sound(torch.randn(16_320), SPEECH_RATE))
    assert TcsanClip.of(clip, PITCHES).voices.shape == (5, 26, 12, 28)


def test_what_is_heard_otherwise_is_as_far_as_is_said():
    generator = torch.Generator().manual_seed(0)
    windows, deviation = torch.randn(300, 4, 12, 28, generator=generator), torch.linspace(1, 3, 12)[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        silent = heard_otherwise(torch.zeros_like(windows), deviation, 0.2)
        same = heard_otherwise(windows, deviation, 0.0)
    assert torch.equal(same, windows)
    # shift of a clip and noise of a number have the same deviation
    spread = silent.square().mean(dim=(0, 1, 3)).sqrt() / deviation[:, 0]
    assert torch.allclose(spread, torch.full((12,), 0.2 * 2**0.5), rtol=0.1)
    shift = silent.mean(dim=(1, 3)).std(dim=0) / deviation[:, 0]
    assert torch.allclose(shift, torch.full((12,), 0.2), rtol=0.15)


def test_silence_shows_the_identity_picture():
    clips = [TcsanClip.of(filmed(seed)) for seed in range(3)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        batch = draw_batch(clips, window=4, reach=1, silent=1.0, any_reference=1.0)
        spoken = draw_batch(clips, window=4, reach=1, silent=0.0)
    assert torch.equal(batch.truth, batch.identity[:, None].expand_as(batch.truth))
    assert not bool(batch.speaks.any()) and bool(spoken.speaks.all())
    assert not torch.equal(batch.windows, spoken.windows)


def test_players_take_their_turns():
    recipes = {
        "full": RECIPE,
        "gan": replace(RECIPE, adversarial=0.01),
        "none": replace(RECIPE, action_units=0.0, config=replace(TINY, units="none")),
        "still ears": replace(RECIPE, hearing_rate=0.0),
    }
    turns = {
        name: [turn.losses.__name__ for turn in task(recipe).turns()] for name, recipe in recipes.items()
    }
    drawing, others = "drawing_losses", ["hearing_losses", "reading_losses"]
    assert turns["full"] == [drawing, *others] and turns["gan"] == [drawing, *others, "judging_losses"]
    assert turns["none"] == [drawing] and turns["still ears"] == [drawing, "reading_losses"]


def test_no_parameter_has_two_turns_and_none_is_left_out():
    subject = task(replace(RECIPE, adversarial=0.01))
    owned = [id(parameter) for turn in subject.turns() for parameter in turn.parameters]
    assert len(owned) == len(set(owned)) and set(owned) == {id(p) for p in subject.model.parameters()}


@pytest.mark.parametrize("name", TCSAN_VARIANTS)
def test_every_variant_takes_a_step(name, tmp_path):
    variant = TCSAN_VARIANTS[name]
    config = replace(TINY, fusion=variant.config.fusion, units=variant.config.units)
    recipe = replace(variant, epochs=1, window=2, config=config)
    _, report = train_tcsan([filmed(0), filmed(1)], [], recipe, tmp_path, *judges(), progress=False)
    wanted = {"reconstruction", "mouth", "learning_rate"}
    wanted |= {"perceptual"} if recipe.perceptual else set()
    wanted |= {"identity"} if recipe.identity else set()
    wanted |= {"action_units", "reading"} if recipe.action_units else set()
    wanted |= {"hearing"} if config.units == "audio" else set()
    wanted |= {"adversarial", "judging"} if recipe.adversarial else set()
    assert report.finished and set(report.history[0]) == wanted


def test_variants_are_the_papers_rows():
    assert len({repr(recipe) for recipe in TCSAN_VARIANTS.values()}) == len(TCSAN_VARIANTS) == 12
    paper = TCSAN_RECIPES["paper"]
    weights = (paper.reconstruction, paper.identity, paper.perceptual, paper.action_units)
    assert weights == (1.5, 1.5, 0.07, 0.02) and paper.learning_rate == 2e-4 and paper.epochs == 20
    assert (paper.hearing_rate, paper.reading_rate) == (1e-6, 1e-7)


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path):
    clips = [filmed(seed) for seed in range(3)]
    for epochs, folder in ((2, "whole"), (1, "halves"), (2, "halves")):
        recipe = replace(RECIPE, epochs=epochs, adversarial=0.01)
        train_tcsan(clips, [], recipe, tmp_path / folder, *judges(), progress=False)
    whole, halves = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "halves"))
    assert whole == halves
    features, classifier, _ = judges()
    with pytest.raises(InputError, match=r"belongs to another run: hearing is '\w{16}' there"):
        train_tcsan(
            clips,
            [],
            recipe,
            tmp_path / "whole",
            features,
            classifier,
            AudioToUnits(hidden=4),
            progress=False,
        )


def test_it_begins_with_the_picture():
    subject = task(RECIPE)
    subject.model.eval()
    with torch.no_grad():
        scores = subject.validate()
    assert scores["lower_psnr"] == pytest.approx(scores["still_lower_psnr"])


def test_it_learns_and_folders_give_it_back(tmp_path):
    clips = [filmed(seed) for seed in range(2)]
    recipe = replace(RECIPE, epochs=6, learning_rate=3e-3, silent=0.0)
    model, report = train_tcsan(clips, [], recipe, tmp_path, *judges(), progress=False)
    assert report.history[-1]["reconstruction"] < report.history[0]["reconstruction"]
    again = TcsanModel.from_pretrained(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value.float(), rtol=2**-11, atol=1e-7)


def test_what_heard_lips_first_stays_as_it_is(tmp_path):
    lips = TcsanHearingRecipe(epochs=2, batch_size=2)
    recipe = replace(RECIPE, lips=lips)
    features, classifier, hearing = judges()
    clips = [filmed(seed) for seed in range(3)]
    model, report = train_tcsan(clips, [], recipe, tmp_path, features, classifier, hearing, progress=False)
    assert report.finished and (tmp_path / "lips" / "history.json").is_file()
    again = task(recipe, 3)
    assert not {id(each) for each in again.players.model.sound.parameters()} & {
        id(each) for turn in again.turns() for each in turn.parameters
    }
    started = _players([TcsanClip.of(clip) for clip in clips], recipe, classifier, hearing).model
    hear_lips(started, [TcsanClip.of(clip) for clip in clips], [], lips, tmp_path / "lips", False)
    pairs = zip(started.sound.state_dict().values(), model.sound.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    moved = zip(started.fusion.parameters(), model.fusion.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in moved)


def test_the_classifier_reads_each_true_frame_by_its_own_units():
    """One that knows the labels of the frames that it is shown has nothing to learn."""
    reading = task(replace(RECIPE, window=6), clips=4)
    torch.manual_seed(0)
    reading.drawing_losses(range(4))
    assert reading._batch is not None
    batch = reading._batch

    class Knows(torch.nn.Module):
        def forward(self, pictures):
            same = (pictures[:, :, None] == batch.truth[:, None]).flatten(3).all(dim=3)
            assert pictures.shape[1] == 2 and bool(same.any(dim=2).all())
            return batch.labels[torch.arange(len(same))[:, None], same.int().argmax(dim=2)]

    assert not torch.equal(batch.labels[:, 1], batch.labels[:, 4])
    reading.players.classifier = Knows()  # type: ignore[assignment]
    assert float(reading.reading_losses(range(4))["reading"]) < 1e-6


def test_a_judge_that_is_right_has_nothing_to_learn_and_the_model_all():
    subject = task(replace(RECIPE, adversarial=1.0, silent=0.0))

    class Knows(torch.nn.Module):
        def forward(self, frames, beside):
            assert subject._batch is not None
            true = torch.equal(frames, subject._batch.truth.flatten(0, 1))
            return torch.full((len(frames),), 30.0 if true else -30.0)

    subject.players.discriminator = Knows()  # type: ignore[assignment]
    assert float(subject.drawing_losses([0, 1])["adversarial"]) == pytest.approx(30)
    assert float(subject.judging_losses([0, 1])["judging"]) < 1e-6


def test_in_silence_there_is_nothing_to_hear():
    losses = {}
    for silent in (0.0, 1.0):
        subject = task(replace(RECIPE, silent=silent))
        subject.drawing_losses([0, 1])
        losses[silent] = subject.hearing_losses([0, 1])["hearing"].item()
    assert losses[1.0] < 1e-5 < 0.1 < losses[0.0]


def test_others_are_shown():
    sheet = task(RECIPE).sample_pictures()["truth_and_drawn"]
    assert sheet.shape == (2 * 112, 8 * 112, 3) and sheet.dtype == torch.uint8


def test_what_is_missing_says_so(tmp_path):
    features, classifier, hearing = judges()
    clips = [filmed(0)]
    with pytest.raises(InputError, match="clips must hold at least one, got none"):
        train_tcsan([], [], RECIPE, tmp_path)
    with pytest.raises(InputError, match="features must be given where perceptual has a weight"):
        train_tcsan(clips, [], RECIPE, tmp_path, None, classifier, hearing)
    with pytest.raises(InputError, match="classifier must be given where action_units has a weight"):
        train_tcsan(clips, [], RECIPE, tmp_path, features, None, hearing)
    with pytest.raises(InputError, match=r"hearing must be networks of .* with 4 hidden numbers, got none"):
        train_tcsan(clips, [], RECIPE, tmp_path, features, classifier)
    with pytest.raises(
        InputError, match="clips must have captured weights to learn from, got clip 0 without"
    ):
        train_tcsan([replace(filmed(0), weights=None)], [], RECIPE, tmp_path, features, classifier, hearing)
    with pytest.raises(InputError, match=r"clips must have 25 frames/s, got 30 in clip 0"):
        train_tcsan([replace(filmed(0), fps=30.0)], [], RECIPE, tmp_path, features, classifier, hearing)
