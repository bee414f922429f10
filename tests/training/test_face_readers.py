"""Networks that read faces: what is drawn from clips, and that they learn what can be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, Sound
from meshanim.faces import ARKIT_NAMES
from meshanim.faces.facs import arkit_weights
from meshanim.metrics import action_unit_scores
from meshanim.training import (
    FaceFeaturesRecipe,
    UnitClassifierRecipe,
    read_units,
    train_face_features,
    train_unit_classifier,
)
from meshanim.training.face_frames import SHIFT, FrameDraws, varied
from meshanim.training.unit_classifier import shown_units
from meshanim.vision import FaceFeatures, UnitClassifier


@dataclass(frozen=True)
class Filmed:
    frames: torch.Tensor
    weights: torch.Tensor | None
    head_motion: torch.Tensor | None
    sound: Sound
    name: str = "clip"
    fps: float = 25.0


def filmed(seed: int, frames: int = 12) -> Filmed:
    """A dark spot in the lower half where the jaw drops, and a head that turns as the picture darkens."""
    generator = torch.Generator().manual_seed(seed)
    opened = torch.randint(2, (frames,), generator=generator).float()
    picture = torch.full((frames, 48, 48, 3), 200.0) + 5 * torch.randn(frames, 48, 48, 3, generator=generator)
    picture[:, 30:40, 18:30] -= 150 * opened.view(-1, 1, 1, 1)
    weights = opened[:, None] * arkit_weights({26: 0.8}, ARKIT_NAMES)
    motion = torch.zeros(frames, 6)
    motion[:, 0] = opened
    return Filmed(picture.clamp(0, 255).byte(), weights, motion, Sound(torch.zeros(1), SPEECH_RATE))


def test_pictures_are_moved_and_no_more_than_that():
    ramp = torch.linspace(-0.5, 0.5, 40).expand(1, 3, 40, 40).contiguous()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        moved = varied(ramp.expand(50, 3, 40, 40))
    middle = moved[:, :, SHIFT:-SHIFT, SHIFT:-SHIFT]
    steps = (middle[..., 1:] - middle[..., :-1]).flatten(1)
    # a ramp stays one, of a slope that the brightness scales; rows stay equal
    assert float((steps.amax(dim=1) - steps.amin(dim=1)).max()) < 1e-5
    assert torch.allclose(middle[:, :, 0], middle[:, :, -1])
    assert float(middle[:, 0, 0, 0].std()) > 0.01


def test_draws_say_which_frames_they_are():
    clip = replace(filmed(0), frames=torch.arange(12).view(12, 1, 1, 1).expand(12, 40, 40, 3).mul(20).byte())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pictures, rows = FrameDraws([clip, clip], 5).draw([1, 0])
    assert pictures.shape == (10, 3, 40, 40) and [len(row) for row in rows] == [5, 5]
    brightness = pictures.mean(dim=(1, 2, 3)) + 1
    expected = torch.cat(rows) * 20 / 127.5
    # brightness is multiplied by less than e^(4 * 0.1)
    known = expected > 0
    assert float((brightness[known] / expected[known]).log().abs().max()) < 0.4


def test_labels_are_those_of_the_captured_face():
    clip = filmed(0)
    assert clip.weights is not None
    assert torch.equal(shown_units(clip, (26,))[:, 0], clip.weights[:, ARKIT_NAMES.index("jawOpen")] > 0)


def test_a_classifier_learns_what_can_be_seen(tmp_path):
    clips, unseen = [filmed(seed) for seed in range(8)], [filmed(seed) for seed in range(20, 23)]
    recipe = UnitClassifierRecipe(epochs=12, batch_size=2, width=4, learning_rate=3e-3)
    model, report = train_unit_classifier(clips, unseen, recipe, tmp_path, progress=False)
    scores = action_unit_scores(*read_units(model, unseen))
    assert float(scores.accuracy[model.units.index(26)]) > 0.9
    assert report.history[-1]["validation_accuracy"] == scores.mean[1]
    assert torch.equal(
        read_units(UnitClassifier.from_pretrained(tmp_path), unseen)[0], read_units(model, unseen)[0]
    )


def test_features_learn_what_can_be_seen(tmp_path):
    clips = [filmed(seed) for seed in range(8)]
    recipe = FaceFeaturesRecipe(epochs=8, batch_size=4, learning_rate=3e-3)
    model, report = train_face_features(clips, clips[:1], recipe, tmp_path, progress=False)
    assert report.history[-1]["validation_variance"] < 0.5 * report.history[0]["validation_variance"]
    # scaled on the first frames of the clips
    assert bool((model.means != 1).all())
    assert torch.equal(FaceFeatures.from_pretrained(tmp_path).means, model.means)


def test_stopped_runs_go_on_to_the_same_bytes(tmp_path):
    clips = [filmed(seed) for seed in range(3)]
    for epochs, folder in ((2, "whole"), (1, "halves"), (2, "halves")):
        recipe = FaceFeaturesRecipe(epochs=epochs, batch_size=2, frames=2, width=2)
        train_face_features(clips, [], recipe, tmp_path / folder, progress=False)
    whole, halves = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "halves"))
    assert whole == halves


def test_clips_that_were_not_captured_say_so(tmp_path):
    with pytest.raises(InputError, match="clips must hold at least one, got none"):
        train_face_features([], [], FaceFeaturesRecipe(), tmp_path)
    with pytest.raises(InputError, match="clips must have captured weights to learn from, got clip without"):
        train_unit_classifier([replace(filmed(0), weights=None)], [], UnitClassifierRecipe(), tmp_path)
    with pytest.raises(InputError, match="clips must have captured head motion to learn from"):
        train_face_features([replace(filmed(0), head_motion=None)], [], FaceFeaturesRecipe(), tmp_path)
