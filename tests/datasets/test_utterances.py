"""One format of speech: what belongs together has one length."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound
from meshanim.datasets import Utterance
from meshanim.faces import load_face


@pytest.fixture
def utterance() -> Utterance:
    face = load_face("anny")
    identity = face.sample_identity(torch.Generator().manual_seed(1), 1)[0]
    sound = Sound(torch.zeros(6400), 16000)
    weights = torch.rand(10, 52, generator=torch.Generator().manual_seed(2))
    return Utterance("one", "someone", "ah", sound, 25.0, weights, torch.zeros(10, 6), identity)


def test_a_performance_has_the_face_the_motion_and_the_sound(utterance: Utterance) -> None:
    face = load_face("anny")
    performance = utterance.performance(face)
    assert performance.duration == utterance.duration == 0.4
    expected = face.vertices(utterance.identity, face.weights_from_arkit(utterance.weights))
    assert torch.allclose(performance.vertices(), expected, atol=1e-6)
    assert performance.sample_rate == 16000 and performance.waveform is utterance.sound.waveform


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"head_motion": torch.zeros(9, 6)}, r"head_motion must have shape \(10, 6\)"),
        ({"weights": torch.zeros(10, 51)}, "weights must have shape"),
        ({"weights": torch.zeros(0, 52)}, "at least one frame"),
        ({"fps": 0.0}, "fps must be above 0"),
        ({"split": "dev"}, "split must be one of train, validation, test"),
    ],
)
def test_what_does_not_fit_is_refused(utterance: Utterance, wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(utterance, **wrong)
