from pathlib import Path

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.audio import Sound
from meshanim.datasets import Utterance
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.mesh import Mesh
from meshanim.synthesis import ExpressionLearner, ExpressionLearnerConfig
from meshanim.training import ExpressionLearnerRecipe, train_expression_learner

UNITS = ("jawOpen", "mouthPucker")
RECIPE = ExpressionLearnerRecipe(model=ExpressionLearnerConfig(components=4, bands=8))


class PointFace(FaceModel):
    """Seventy points, of which two units move a few; identity is size."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        vertices = 0.05 * torch.randn(70, 3, generator=generator)
        units = torch.zeros(2, 70, 3)
        units[0, 50:68, 1], units[1, 48:60, 2] = -0.02, 0.01
        landmarks = {f"landmark68_{place:02d}": place for place in range(68)}
        mesh = Mesh(vertices, torch.arange(69).view(23, 3), landmarks=landmarks)
        super().__init__("points", mesh, units, UNITS, ("size",))

    def rest(self, identity: Tensor | None = None) -> Tensor:
        return self.neutral.vertices * (1.0 if identity is None else 1 + 0.1 * identity[..., None])

    def sample_identity(self, generator: torch.Generator, count: int) -> Tensor:
        return torch.randn(count, 1, generator=generator)

    def carry(self, identity: Tensor | None = None) -> Tensor:
        return torch.eye(3).expand(70, 3, 3)


@pytest.fixture(scope="module")
def face() -> PointFace:
    return PointFace()


def speech(count: int, seed: int) -> list[Utterance]:
    """Jaws open with the logarithm of loudness, lips purse where the voice is low."""
    generator, made = torch.Generator().manual_seed(seed), []
    for item in range(count):
        time, frames = torch.arange(32_000) / 16_000, torch.arange(50) / 25
        rate, phase = 1 + torch.rand(2, generator=generator)
        opening, low = 0.5 + 0.4 * torch.sin(6 * rate * frames), (torch.sin(4 * frames + phase) > 0).float()
        loud = torch.exp(4 * (0.5 + 0.4 * torch.sin(6 * rate * time)) - 4)
        tone = torch.where(torch.sin(4 * time + phase) > 0, 300, 2000)
        waveform = 0.3 * loud * torch.sin(2 * torch.pi * (tone / 16_000).cumsum(dim=0))
        weights = torch.zeros(50, len(ARKIT_NAMES))
        weights[:, ARKIT_NAMES.index("jawOpen")] = opening
        weights[:, ARKIT_NAMES.index("mouthPucker")] = low
        motion = torch.zeros(50, 6)
        sound = Sound(waveform, 16_000)
        made.append(Utterance(str(item), str(item), "", sound, 25.0, weights, motion, torch.zeros(1)))
    return made


@pytest.fixture(scope="module")
def learner(face: PointFace) -> ExpressionLearner:
    return train_expression_learner(speech(12, 0), face, RECIPE)


def test_what_is_heard_is_seen_in_landmarks_and_weights(learner: ExpressionLearner, face: PointFace) -> None:
    for utterance in speech(3, 1):
        true = utterance.weights[:, [ARKIT_NAMES.index(name) for name in UNITS]]
        found = learner.weights(utterance.sound, face)
        assert float((found - true).abs().mean()) < 0.1 < 0.15 < float((true - true.mean(dim=0)).abs().mean())
        rest = face.rest()[:68]
        landmarks = learner.animate(utterance.sound, rest)
        wanted = rest + torch.einsum("tk,kvc->tvc", true, face.units[:, :68])
        assert float((landmarks - wanted).norm(dim=-1).mean()) < 1e-3


def test_somebody_else_says_the_same_with_another_face(learner: ExpressionLearner, face: PointFace) -> None:
    sound = speech(1, 1)[0].sound
    identity = torch.tensor([2.0])
    weights = learner.weights(sound, face, identity, fps=50)
    assert weights.shape == (100, 2) and bool(((weights >= 0) & (weights <= 1)).all())
    own = face.rest(identity)[:68]
    torch.testing.assert_close(learner.animate(sound, own, 50)[::2], learner.animate(sound, own))


def test_seven_frames_of_sound_are_heard(learner: ExpressionLearner) -> None:
    burst = torch.zeros(16_000)
    burst[8_000:8_020] = 0.5
    quiet = learner.chunks(Sound(torch.zeros(16_000), 16_000), 25)
    heard = (learner.chunks(Sound(burst, 16_000), 25) != quiet).any(dim=1).nonzero().flatten()
    # at 0.5 s, that is in frame 12; frames hear from three frames before to four after
    assert heard.tolist() == list(range(9, 16))


def test_it_is_the_same_again_and_saved_whole(
    learner: ExpressionLearner, face: PointFace, tmp_path: Path
) -> None:
    again = train_expression_learner(speech(12, 0), face, RECIPE)
    learner.save_pretrained(tmp_path)
    read = ExpressionLearner.from_pretrained(tmp_path)
    for name, tensor in learner.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor) and torch.equal(read.state_dict()[name], tensor)


def test_it_listens_where_it_is() -> None:
    elsewhere = ExpressionLearner(RECIPE.model).to("meta")
    assert elsewhere.animate(Sound(torch.zeros(8000), 16_000), torch.zeros(68, 3)).device.type == "meta"


def test_what_does_not_fit_is_named(learner: ExpressionLearner) -> None:
    with pytest.raises(InputError, match=r"reference must have shape \(68, 3\), got \(51, 3\)"):
        learner.animate(speech(1, 0)[0].sound, torch.zeros(51, 3))
