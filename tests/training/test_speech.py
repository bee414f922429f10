from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import LogMelEncoder, Sound
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.anny import AnnyFace
from meshanim.synthesis import SPEECH_CONFIGS, SpeechModel
from meshanim.training import SpeechRecipe, train_speech
from meshanim.training.speech import SpeechTask
from meshanim.training.speech_batches import SpeechBatch, _read, quiet_noise
from meshanim.training.speech_losses import LipMotion, masked_mean

JAW = ARKIT_NAMES.index("jawOpen")
RECIPE = SpeechRecipe(epochs=2, batch_size=4, window=20, checkpoint_steps=1)


@dataclass
class Spoken:
    sound: Sound
    weights: torch.Tensor
    identity: torch.Tensor
    fps: float = 25.0


def spoken(seed: int, frames: int = 40) -> Spoken:
    """A tone for as long as the jaw is open, as loud as it is wide."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames * 640) / 16000
    beat = 1.5 + torch.rand((), generator=generator)
    opening = (2 * torch.pi * beat * time).sin().clamp(min=0)
    weights = torch.zeros(frames, 52)
    weights[:, JAW] = 0.5 * opening[::640]
    return Spoken(
        Sound(0.3 * opening * (2 * torch.pi * 300 * time).sin(), 16000),
        weights,
        torch.randn(135, generator=generator),
    )


@pytest.fixture(scope="module")
def face() -> AnnyFace:
    return AnnyFace()


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(
        SPEECH_CONFIGS["small"], encoder_width=24, width=24, feed_forward=24, heads=2, expression_size=2
    )
    monkeypatch.setitem(SPEECH_CONFIGS, "small", small)


def test_it_learns_a_tone_that_opens_the_jaw(
    face: AnnyFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # half of the toy is closed: weighed like speech, it had better never open
    monkeypatch.setattr("meshanim.training.speech_losses.CLOSING", 0.0)
    corpus, unheard = [spoken(seed) for seed in range(8)], [spoken(seed) for seed in (100, 101)]
    recipe = replace(RECIPE, epochs=40, batch_size=8, window=40, learning_rate=5e-3)
    _, report = train_speech(corpus, face, recipe, tmp_path, unheard, progress=False)
    still = LipMotion(face).largest_error(torch.zeros(40, 52), unheard[0].weights).mean()
    assert report.finished
    # loudness is varied in training, so that it tells little of how wide: when, not how far
    assert report.history[-1]["validation_lip_error_mm"] < float(still)
    loaded = SpeechModel.from_pretrained(tmp_path)
    said = loaded.weights(unheard[0].sound, unheard[0].identity)[:, JAW]
    assert float(torch.corrcoef(torch.stack([said, unheard[0].weights[:, JAW]]))[0, 1]) > 0.8


def test_a_run_in_two_parts_gives_the_same_bytes(face: AnnyFace, tmp_path: Path) -> None:
    corpus = [spoken(seed) for seed in range(6)]
    for epochs, name in [(2, "whole"), (1, "parts"), (2, "parts")]:
        train_speech(corpus, face, replace(RECIPE, epochs=epochs), tmp_path / name, progress=False)
    whole, parts = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_who_is_validated_on_does_not_change_what_is_learned(face: AnnyFace, tmp_path: Path) -> None:
    corpus, unheard = [spoken(seed) for seed in range(4)], [spoken(100)]
    for others, name in [([], "alone"), (unheard, "watched")]:
        train_speech(corpus, face, RECIPE, tmp_path / name, others, progress=False)
    alone, watched = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("alone", "watched"))
    assert alone == watched


def test_going_on_from_a_model_keeps_its_scales(face: AnnyFace, tmp_path: Path) -> None:
    corpus, recipe = [spoken(seed) for seed in range(4)], replace(RECIPE, epochs=1)
    first, _ = train_speech(corpus, face, recipe, tmp_path / "first", progress=False)
    others = [replace(each, weights=each.weights / 2) for each in corpus]
    second, _ = train_speech(others, face, recipe, tmp_path / "second", start=first, progress=False)
    with pytest.raises(InputError, match=r"another run: start is '\w{16}' there and '\w{16}' here"):
        train_speech(others, face, recipe, tmp_path / "second", start=second, progress=False)
    assert torch.equal(first.space.directions, second.space.directions)
    assert not torch.equal(first.project.weight, second.project.weight)


def test_habits_are_measured_once_and_stay(face: AnnyFace, tmp_path: Path) -> None:
    corpus = [spoken(seed) for seed in range(4)]
    first, _ = train_speech(corpus, face, replace(RECIPE, epochs=1), tmp_path / "first", progress=False)
    assert not first.habits.any()
    recipe = replace(RECIPE, epochs=1, habits=True, nameless=1.0, furthest=1.0, varied=0.5, dropout=0.0)
    wider = [replace(each, weights=each.weights + 0.1 * each.identity[:1].abs()) for each in corpus]
    second, report = train_speech(wider, face, recipe, tmp_path / "second", start=first, progress=False)
    settled = SpeechModel(first.config)
    settled.load_state_dict(first.state_dict())
    settled.settle(
        torch.stack([each.identity for each in wider]),
        torch.stack([each.weights.mean(dim=0) for each in wider]),
    )
    assert settled.habits.any() and torch.equal(second.habits, settled.habits)
    assert not second.style.weight.any() and second.config.dropout == 0
    assert report.history[0]["furthest"] > 0


def test_what_was_heard_is_remembered_and_silence_rests(face: AnnyFace, tmp_path: Path) -> None:
    corpus = [spoken(seed) for seed in range(4)]
    recipe = replace(RECIPE, epochs=1, habits=True, memory=100)
    model, _ = train_speech(corpus, face, recipe, tmp_path, progress=False)
    assert model.config.memory == 40  # a fourth of the frames
    assert model.memory is not None and isinstance(model.encoder, LogMelEncoder)

    def recalled(waveform: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        assert model.memory is not None and isinstance(model.encoder, LogMelEncoder)
        piece = model.encoder.padded(waveform[None], len(waveform) // 640)
        said = model.memory(piece, (identity - model.identity_mean)[None] / model.identity_spread)
        return model.space(said[0, :, :-1] + model.habit(identity[None]))[:, JAW]

    known = corpus[0]
    said = recalled(known.sound.waveform, known.identity)
    assert float(torch.corrcoef(torch.stack([said, known.weights[:, JAW]]))[0, 1]) > 0.9
    assert float(recalled(torch.zeros(16000), model.identity_mean).abs().max()) < 0.05
    # going on without a memory leaves it behind
    plain, _ = train_speech(
        corpus, face, replace(RECIPE, epochs=1), tmp_path / "plain", start=model, progress=False
    )
    assert plain.memory is None and plain.config.memory == 0


def test_the_furthest_vertex_counts_most(face: AnnyFace) -> None:
    lips, lasting = LipMotion(face), torch.ones(1, 1, dtype=torch.bool)
    truth, said = torch.zeros(1, 1, 52), torch.zeros(1, 1, 52)
    said[..., JAW] = 0.3
    largest, near = float(lips.largest_error(said, truth)), float(lips.furthest(said, truth, lasting)) ** 0.5
    # the 8-norm of n equal distances is n to an eighth times as large
    assert largest < near < largest * lips.positions(said).shape[-2] ** (1 / 8)
    assert float(lips.furthest(said, truth, ~lasting)) == 0


def test_stretches_hold_what_belongs_together() -> None:
    """The jaw's weight tells the frame, the sound's samples tell theirs."""
    frames = torch.arange(50)
    weights = torch.zeros(50, 52)
    weights[:, JAW] = frames / 100
    each = Spoken(Sound(torch.arange(50 * 640).float(), 16000), weights, torch.zeros(135))
    model = SpeechModel(SPEECH_CONFIGS["small"])
    before, after = model.samples_around
    batch = SpeechBatch.collate([each], 60, model, varied=0)
    assert batch.sound.shape == (1, before + 59 * 640 + after) and model.listen(batch.sound).shape[1] == 60
    assert batch.begins.all() and int(batch.lasting.sum()) == 50
    assert torch.equal(batch.weights[0, :50], weights)
    assert not batch.sound[0, :before].any() and float(batch.sound[0, before + 7]) == 7
    torch.manual_seed(0)
    for _ in range(40):
        drawn = SpeechBatch.collate([each], 10, model)
        if drawn.weights.any():
            first, second = (float(drawn.weights[0, frame, JAW]) * 100 for frame in (0, 1))
            speed = second - first
            assert 2**-0.41 < speed < 2**0.41 and first == pytest.approx(round(first), abs=1e-4)
            # before frame 1 the curve is not quite straight: nothing is before frame 0
            assert bool(drawn.begins) == (first < speed)
            assert float(drawn.before[0, JAW]) * 100 == pytest.approx(max(0, first - speed), abs=0.1)


def test_sound_is_read_between_its_samples() -> None:
    read = _read(torch.tensor([1.0, 3.0, -1.0]), torch.tensor([-1.5, -0.5, 0.0, 0.25, 2.0, 2.5, 9.0]))
    torch.testing.assert_close(read, torch.tensor([0.0, 0.5, 1.0, 1.5, -1.0, -0.5, 0.0]))


def test_an_eighth_is_silence_with_a_face_at_rest() -> None:
    torch.manual_seed(0)
    each = Spoken(Sound(torch.ones(50 * 640), 16000), torch.full((50, 52), 0.5), torch.ones(135))
    model = SpeechModel(SPEECH_CONFIGS["small"])
    drawn = SpeechBatch.collate([each] * 200, 10, model)
    at_rest = ~drawn.weights.flatten(1).any(dim=1)
    assert 0.06 < float(at_rest.float().mean()) < 0.2
    assert torch.equal(at_rest, ~drawn.before.any(dim=1))
    # nobody speaks, so that nobody is named
    assert torch.equal(at_rest, (drawn.identity == model.identity_mean).all(dim=1))
    # noise, too, begins where its utterance does
    begun, ahead = drawn.sound[at_rest & drawn.begins], model.samples_around[0]
    assert begun[:, ahead:].any() and not begun[:, :ahead].any()
    levels = [float(quiet_noise(3200).square().mean()) for _ in range(200)]
    assert levels.count(0) > 20 and 0 < max(levels) < 0.11


def test_the_slit_weighs_most_where_it_is_closed(face: AnnyFace) -> None:
    lips, lasting = LipMotion(face), torch.ones(1, 2, dtype=torch.bool)
    closed, wide, off = (torch.zeros(1, 2, 52) for _ in range(3))
    wide[..., JAW], off[..., JAW] = 0.8, 0.1
    assert float(lips.openings(wide).mean()) > 8
    near, far = (lips.losses(truth + off, truth, lasting) for truth in (closed, wide))
    assert near["slit_mm"] > 2.5 * far["slit_mm"]
    for truth in (closed, off, wide):
        apart = lips.openings(truth)
        weight = 1 + 6 * torch.exp(-apart.clamp(min=0))
        slit = (weight * (lips.openings(truth + off) - apart).abs()).mean()
        torch.testing.assert_close(lips.losses(truth + off, truth, lasting)["slit_mm"], slit)
    torch.testing.assert_close(near["lips_mm"], far["lips_mm"])
    # the same error in both frames: nothing moves that should not
    assert float(near["moving_mm"]) < 2e-3
    # nor counts what moves after the end
    ended, jumped = torch.tensor([[True, False]]), closed + off * torch.tensor([[[0.0], [1.0]]])
    assert float(lips.losses(jumped, closed, ended)["moving_mm"]) == 0
    assert float(lips.losses(jumped, closed, lasting)["moving_mm"]) > 1
    assert float(lips.largest_error(off, closed).mean()) > float(near["lips_mm"])


def test_what_is_masked_does_not_count() -> None:
    values, mask = torch.tensor([[1.0, 2.0, 100.0]]), torch.tensor([[True, True, False]])
    assert float(masked_mean(values, mask)) == 1.5


def test_rehearsals_make_frames_the_model_s_own(face: AnnyFace) -> None:
    """After as many rehearsals as there are frames, a batch is what rolling gives."""
    torch.manual_seed(0)
    model = SpeechModel(SPEECH_CONFIGS["small"]).eval()
    each = spoken(0)
    task = SpeechTask(model, [each], LipMotion(face), replace(RECIPE, rehearsals=20, nameless=0))
    batch = SpeechBatch.collate([each], 20, model, varied=0)
    with torch.no_grad():
        rolled, _ = model.roll(model.listen(batch.sound), model.styled(batch.identity))
        torch.testing.assert_close(task._rehearse(batch, torch.zeros(1, 1, 2)), rolled, rtol=1e-4, atol=1e-5)


def test_the_paper_s_architecture_trains_a_step(
    face: AnnyFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small encoder in its place; sizes are the synthesis room's matter."""
    pytest.importorskip("transformers")
    narrow = replace(SPEECH_CONFIGS["paper"], encoder_layers=1, encoder_width=32, width=16, feed_forward=16)
    monkeypatch.setitem(SPEECH_CONFIGS, "paper", narrow)
    recipe = replace(RECIPE, epochs=1, config="paper")
    model, report = train_speech([spoken(0), spoken(1)], face, recipe, tmp_path, progress=False)
    assert report.finished and report.history[0]["lips_mm"] > 0
    untrained = dict(SpeechModel(narrow).named_parameters())
    assert model.config.expression_size == 64 and set(untrained) == set(dict(model.named_parameters()))
    again = SpeechModel.from_pretrained(tmp_path).weights(spoken(2).sound)
    assert again.shape == (40, 52)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 30.0}, "25 frames/s and 16000 samples/s, got 30 and 16000"),
        ({"sound": Sound(torch.zeros(100), 48_000)}, "25 frames/s and 16000 samples/s, got 25 and 48000"),
    ],
)
def test_other_rates_are_named(face: AnnyFace, tmp_path: Path, changes: dict, message: str) -> None:
    for corpus, unheard in (([spoken(0)], [spoken(1)]), ([spoken(0), spoken(1)], [])):
        (unheard or corpus)[-1] = replace(spoken(1), **changes)
        with pytest.raises(InputError, match=message):
            train_speech(corpus, face, RECIPE, tmp_path, unheard, progress=False)


def test_recipes_are_checked() -> None:
    with pytest.raises(InputError, match="config must be one of paper, small, got 'huge'"):
        SpeechRecipe(config="huge")
    with pytest.raises(InputError, match="rehearsals must be at least 0, got -1"):
        SpeechRecipe(rehearsals=-1)
    with pytest.raises(InputError, match="varied must be at least 0 and at most 1, got 2"):
        SpeechRecipe(varied=2)
