"""A stand-in for the trained model speaks; all else is real."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio.sound import Sound
from meshanim.faces import ARKIT_NAMES, Articulation, FaceModel, load_face
from meshanim.faces.articulation import ArticulatedMover
from meshanim.faces.face_model import FaceModel as Base
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh
from meshanim.synthesis import Acting, Blinks, Gaze, speak, spoken_names
from meshanim.synthesis.lips import Lips
from meshanim.synthesis.speaking import LipModel, _acted

Babble = Callable[..., Sound]


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return load_face("anny")


class Nameless(Base):
    """A triangle with one shape that nobody named."""

    def __init__(self) -> None:
        mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
        super().__init__("nameless", mesh, torch.ones(1, 3, 3), ("expression000",), ())

    def rest(self, identity: torch.Tensor | None = None) -> torch.Tensor:
        return self.neutral.vertices

    def sample_identity(self, generator: torch.Generator, count: int) -> torch.Tensor:
        return torch.zeros(count, 0)


def test_a_performance_has_all_that_is_known(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    who = face.identity(age=30)
    said = speak(babble(), face, lip_model, who, fps=30, emotion="happy:0.5")
    assert said.weights is not None
    assert said.frame_count == 60 and said.weight_names == ARKIT_NAMES
    assert said.waveform is not None and said.sample_rate == 16_000 and said.duration == 2.0
    assert said.labels is not None and said.labels[0].tolist() == [0.5, 0, 0, 0, 0, 0]
    assert said.gaze is not None and said.head_motion is None
    torch.testing.assert_close(said.neutral.vertices, face.rest(who))
    mover = ArticulatedMover(face, who)
    torch.testing.assert_close(said.vertices(10, 14), mover.vertices(said.weights[10:14]))
    bent = (said.vertices() - said.straight()).norm(dim=2).max()
    assert 1e-4 < float(bent) < 5e-3
    double = said.to(torch.float64).vertices(10, 14)
    torch.testing.assert_close(double.float(), said.vertices(10, 14))


def test_a_sound_that_needs_gradients_is_spoken_without(
    face: FaceModel, lip_model: LipModel, babble: Babble
) -> None:
    plain = babble()
    sound = Sound(plain.waveform.clone().requires_grad_(), plain.sample_rate)
    said = speak(sound, face, lip_model)
    assert said.waveform is not None and not said.waveform.requires_grad
    assert torch.equal(said.vertices(10, 12), speak(plain, face, lip_model).vertices(10, 12))


def test_eyes_belong_to_their_controls(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    left, right = ARKIT_NAMES.index("eyeBlinkLeft"), ARKIT_NAMES.index("eyeBlinkRight")
    none = speak(babble(), face, lip_model, blinks=None, gaze=None)
    assert none.weights is not None and float(none.weights[:, [left, right]].max()) == 0
    assert none.gaze is not None and torch.equal(none.gaze[0, 0], torch.tensor([0.0, 0.0, 1.0]))
    often = speak(babble(20), face, lip_model, fps=50, blinks=Blinks(0.9), emotion="surprise")
    assert often.weights is not None
    torch.testing.assert_close(often.weights[:, left], often.weights[:, right])
    shut = often.weights[:, left].argmax()
    assert float(often.weights[shut, left]) > 0.95
    assert float(often.weights[shut, ARKIT_NAMES.index("eyeWideLeft")]) < 0.05
    happy = speak(babble(20), face, lip_model, fps=50, blinks=Blinks(0.9), emotion="happy")
    assert happy.weights is not None
    narrowed = happy.weights[:, ARKIT_NAMES.index("eyeSquintRight")]
    assert float(narrowed[happy.weights[:, right].argmax()]) < 0.05 * float(narrowed.max())


def test_lids_stay_in_front_of_the_eyes_under_an_expression(
    face: FaceModel, lip_model: LipModel, babble: Babble
) -> None:
    said = speak(babble(), face, lip_model, fps=10, emotion="disgust")
    vertices = said.vertices()
    # float32 rounds positions of 0.1 m to a hundred-millionth
    torch.testing.assert_close(clear_lids(said.neutral, vertices), vertices, rtol=0, atol=1e-7)


def test_a_stream_is_acted_as_the_whole(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    acting = Acting(Lips(face, Articulation(face)), 60.0, Blinks(0.8), Gaze(), 1.4, "fear:0.7,happy:0.3")
    speech = torch.cat(list(lip_model.stream([babble(6).waveform], fps=60.0)))
    whole = acting.weights(speech)
    for size in (5, 77, len(speech)):
        parts = _acted(acting, iter(speech.split(size)), len(speech), None)
        torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)
    assert float(whole.min()) >= 0 and float(whole.max()) <= 1


def test_blocks_without_frames_are_acted_as_such(face: FaceModel, lip_model: LipModel) -> None:
    acting = Acting(Lips(face, Articulation(face)), 25.0, Blinks(), Gaze(), 1.4, "fear:0.7")
    first = next(iter(lip_model.stream([torch.zeros(10)])))
    assert first.shape == acting.weights(first).shape == (0, 52)


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_any_sample_rate_and_frame_rate(
    face: FaceModel, lip_model: LipModel, babble: Babble, rate: int
) -> None:
    said = speak(babble(1.01, rate), face, lip_model, fps=23.976)
    assert said.frame_count == 24 and said.sample_rate == rate


class Still:
    """A head that is told how long it is to be still by the sound."""

    def head_motion(self, sound: Sound, *, fps: float) -> torch.Tensor:
        return torch.zeros(sound.frame_count(fps), 6)


def test_a_head_that_hears_the_whole_moves_as_long_as_lips_that_hear_a_stream(
    face: FaceModel, lip_model: LipModel
) -> None:
    # One and a half frames but for a sample, which is more once it is resampled.
    sound = Sound(torch.zeros(2645), 44_100)
    said = speak(sound, face, lip_model, head=Still())
    assert said.head_motion is not None and len(said.head_motion) == said.frame_count


def test_progress_goes_up_to_the_last_frame(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    told: list[tuple[int, int]] = []
    speak(babble(3.5), face, lip_model, progress=lambda done, total: told.append((done, total)))
    assert len(told) > 3 and told == sorted(told) and told[-1] == (88, 88)


@dataclass
class Widened:
    """What a lip model that was made of another type says."""

    model: LipModel

    def stream(
        self, blocks: Iterable[torch.Tensor], identity: torch.Tensor | None = None, fps: float = 25.0
    ) -> Iterator[torch.Tensor]:
        return (block.double() for block in self.model.stream(blocks, identity, fps))


def test_a_face_keeps_its_own_type(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    who = face.identity(age=30)
    said = speak(babble(0.4), face, lip_model, who, emotion="happy:0.5")
    wide = speak(babble(0.4), face, Widened(lip_model), who.double(), emotion="happy:0.5")
    assert said.weights is not None and wide.weights is not None and torch.equal(wide.weights, said.weights)
    assert torch.equal(wide.vertices(), said.vertices())


def test_an_identity_must_be_the_face_s_own(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    for wrong, words in (
        (torch.zeros(134), r"identity must have shape \(135,\), got \(134,\)"),
        (torch.zeros(1, 135), r"identity must have shape \(135,\), got \(1, 135\)"),
        (torch.full((135,), torch.nan), r"identity must be finite, got nan at index \[0\]"),
    ):
        with pytest.raises(InputError, match=words):
            speak(babble(), face, lip_model, wrong)


def test_a_face_without_arkit_shapes_cannot_speak(
    face: FaceModel, lip_model: LipModel, babble: Babble
) -> None:
    assert spoken_names(face) == ARKIT_NAMES
    with pytest.raises(InputError, match="face nameless must have ARKit shapes to speak, got 1 other ones"):
        speak(babble(), Nameless(), lip_model)


def test_numbers_have_bounds(face: FaceModel, lip_model: LipModel, babble: Babble) -> None:
    for wrong, words in (
        ({"amplitude": -1.0}, "amplitude must be at least 0 and at most 3"),
        ({"fps": 0.0}, "fps must be above 0"),
        ({"emotion": "bored"}, "expression must be one of"),
    ):
        with pytest.raises(InputError, match=words):
            speak(babble(), face, lip_model, **wrong)
