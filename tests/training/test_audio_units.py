"""Learning action units from sound: losses by hand, and a recipe that learns what can be heard."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, SPEECH_UNITS, AudioToUnits, Sound
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.facs import arkit_weights
from meshanim.metrics import action_unit_scores
from meshanim.training import AudioUnitsRecipe, audio_unit_losses, train_audio_units, unit_weights
from meshanim.training.audio_units import AudioUnitsTask, hear_units, unit_labels


@dataclass(frozen=True)
class Said:
    sound: Sound
    weights: torch.Tensor
    fps: float = 25.0


def utterance(seed: int, frames: int = 24) -> Said:
    """Hiss while the mouth rests, hum while all units are there; which of both changes every eight frames."""
    generator = torch.Generator().manual_seed(seed)
    opened = torch.randint(2, (frames // 8,), generator=generator).bool().repeat_interleave(8)
    samples = opened.repeat_interleave(SPEECH_RATE // 25)
    hum = torch.sin(2 * torch.pi * 200 * torch.arange(len(samples)) / SPEECH_RATE)
    hiss = torch.randn(len(samples), generator=generator)
    weights = torch.zeros(frames, len(ARKIT_NAMES))
    # Every unit occurs as often as any other, since what never does would outweigh what can be learned.
    weights[opened] = 0.4 * arkit_weights({unit: 1.0 for unit in SPEECH_UNITS}, ARKIT_NAMES)
    return Said(Sound(torch.where(samples, 0.3 * hum, 0.1 * hiss), SPEECH_RATE), weights)


def test_weights_are_those_of_the_paper():
    weights = unit_weights(torch.tensor([0.5, 0.25, 0.125]))
    assert weights.tolist() == pytest.approx([3 * 2 / 14, 3 * 4 / 14, 3 * 8 / 14])
    never, often = unit_weights(torch.tensor([0.0, 0.5]))
    assert float(never + often) == pytest.approx(2) and float(never / often) == pytest.approx(500, rel=1e-4)


def test_losses_are_those_worked_by_hand():
    probabilities, truth = torch.tensor([[0.8, 0.5]]), torch.tensor([[1.0, 0.0]])
    losses = audio_unit_losses(probabilities, truth, torch.tensor([0.5, 1.5]))
    # -ln 0.8 = 0.22314, -ln 0.5 = 0.69315; 1 - 2.6 / 2.64 = 0.01515, 1 - 1 / 1.25 = 0.2
    assert float(losses["cross_entropy"]) == pytest.approx((0.5 * 0.22314 + 1.5 * 0.69315) / 2, abs=1e-5)
    assert float(losses["dice"]) == pytest.approx((0.5 * 0.015152 + 1.5 * 0.2) / 2, abs=1e-5)


def test_certainty_costs_nothing_and_losses_have_gradients():
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    weights = torch.tensor([0.5, 1.5], dtype=torch.float64)
    assert sum(float(loss) for loss in audio_unit_losses(truth, truth, weights).values()) == 0
    said = torch.tensor([[0.3, 0.6], [0.2, 0.9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: tuple(audio_unit_losses(p, truth, weights).values()), said)


def test_others_are_scored_after_every_epoch(tmp_path):
    recipe = AudioUnitsRecipe(epochs=1, hidden=4)
    model, report = train_audio_units([utterance(0)], [utterance(1)], recipe, tmp_path, progress=False)
    scores = action_unit_scores(*hear_units(model, [utterance(1)]))
    assert report.history[0]["validation_f1"] == float(scores.f1.mean())
    assert report.history[0]["validation_accuracy"] == float(scores.accuracy.mean())


def test_what_pads_an_utterance_does_not_count():
    said = [utterance(0, 24), utterance(1, 16)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = AudioUnitsTask(AudioToUnits(hidden=4), said, [], 0.0)
    both, first, second = (task.losses(items)["cross_entropy"].detach() for items in ([0, 1], [0], [1]))
    assert float(both) == pytest.approx((24 * float(first) + 16 * float(second)) / 40, rel=1e-5)


def test_what_can_be_heard_is_learned(tmp_path):
    heard, unseen = [utterance(seed) for seed in range(8)], [utterance(seed) for seed in range(100, 104)]
    recipe = AudioUnitsRecipe(epochs=5, batch_size=1, learning_rate=1e-2, hidden=12, noisy=0.1)
    model, report = train_audio_units(heard, [], recipe, tmp_path, progress=False)
    assert report.finished and report.history[-1]["cross_entropy"] < report.history[0]["cross_entropy"]
    scores = action_unit_scores(*hear_units(model, unseen))
    # Two of eight frames lie at a change, where windows of 280 ms hear both.
    assert float(scores.accuracy[model.units.index(26)]) > 0.75
    said, _ = hear_units(AudioToUnits.from_pretrained(tmp_path), unseen)
    assert torch.equal(said, hear_units(model, unseen)[0])


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path):
    said = [utterance(seed, 16) for seed in range(4)]
    for epochs, folder in ((2, "whole"), (1, "halves"), (2, "halves")):
        recipe = AudioUnitsRecipe(epochs=epochs, batch_size=2, hidden=4)
        train_audio_units(said, [], recipe, tmp_path / folder, progress=False)
    whole, halves = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "halves"))
    assert whole == halves


def test_labels_come_from_the_mesh():
    said = utterance(3)
    opened = said.weights[:, ARKIT_NAMES.index("jawOpen")] > 0
    assert torch.equal(unit_labels(said, (26, 10)), torch.stack([opened, opened], dim=1))


def test_utterances_must_fit(tmp_path):
    with pytest.raises(InputError, match="utterances must hold at least one"):
        train_audio_units([], [], AudioUnitsRecipe(), tmp_path)
    other = Said(utterance(0).sound, utterance(0).weights, 30.0)
    with pytest.raises(InputError, match="utterances must have 25 frames/s, got 30"):
        AudioUnitsTask(AudioToUnits(hidden=4), [utterance(0), other], [], 0.0)
