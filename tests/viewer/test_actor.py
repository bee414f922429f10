"""What the sliders mean, without a page: settings in, faces and performances out."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import FaceModel, articulate, load_face
from meshanim.mesh import Mesh
from meshanim.synthesis import ExpressionModel, perform_prototype
from meshanim.viewer import Actor, Settings

SHORT = Settings(onset=0.2, apex=0.2, offset=0.2, fps=10.0)


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return load_face("anny")


@pytest.fixture(scope="module")
def model() -> ExpressionModel:
    return ExpressionModel.from_pretrained("anny-expressions")


def acting(face: FaceModel, model: ExpressionModel | None, settings: Settings) -> Actor:
    actor = Actor(face, model)
    actor.settings = settings
    return actor


def test_labels_are_the_track_that_the_sliders_describe() -> None:
    labels = SHORT.named("mixture", "fear", 0.5).changed(intensity=0.5).labels()
    assert labels.shape == (6, 6)
    assert labels[2].tolist() == [0.5, 0, 0, 0, 0, 0.25]
    assert Settings(onset=0, apex=0, offset=0).labels().tolist() == [[0.0] * 6]


def test_the_studio_acts_as_the_command_line_does(face: FaceModel, model: ExpressionModel) -> None:
    settings = SHORT.named("identity", "age", 60.0)
    actor = acting(face, model, settings)
    rest = face.neutral.with_vertices(face.vertices(face.identity(age=60)))
    wanted = model.animate(rest, settings.labels(), settings.fps)
    # One frame and six at once are not the same order of sums.
    torch.testing.assert_close(actor.vertices(2, 3), wanted.vertices(2, 3), rtol=0, atol=2e-6)
    torch.testing.assert_close(actor.perform().vertices(), wanted.vertices(), rtol=0, atol=2e-6)


def test_weights_come_on_top_along_arcs(face: FaceModel, model: ExpressionModel) -> None:
    still = SHORT.changed(mixture={})
    actor = acting(face, model, still.named("weights", "jawOpen", 0.7))
    weights = torch.zeros(1, len(face.weight_names))
    weights[0, face.weight_names.index("jawOpen")] = 0.7
    apart = (actor.vertices(0, 1) - articulate(face, weights))[0].norm(dim=1)
    lids = face.neutral.groups["lids"]
    assert float(apart[lids].max()) < 5e-4  # which are kept before the eyeballs, as the model's are
    apart[lids] = 0
    assert float(apart.max()) < 2e-6
    chin = face.neutral.landmarks["landmark68_08"]
    smiling = acting(face, model, SHORT)
    both = acting(face, model, SHORT.named("weights", "jawOpen", 0.7))
    lower = smiling.vertices(3, 4)[0, chin, 1] - both.vertices(3, 4)[0, chin, 1]
    assert float(lower) > 0.01


def test_without_a_model_the_face_performs_by_its_shapes(face: FaceModel) -> None:
    settings = SHORT.named("identity", "gender", 0.9)
    wanted = perform_prototype(face, settings.labels(), settings.fps, face.identity(gender=0.9))
    made = acting(face, None, settings).perform()
    torch.testing.assert_close(made.vertices(), wanted.vertices(), rtol=0, atol=2e-6)
    assert made.weight_names == wanted.weight_names


def test_every_kind_of_slider_moves_the_face(face: FaceModel, model: ExpressionModel) -> None:
    actor = acting(face, model, SHORT)
    before = actor.vertices(3, 4)
    for settings in (
        SHORT.named("mixture", "surprise", 1.0),
        SHORT.named("identity", "age", 8.0),
        SHORT.named("weights", "cheekPuff", 1.0),
        SHORT.changed(intensity=0.3),
        SHORT.changed(onset=0.6),
    ):
        actor.settings = settings
        assert float((actor.vertices(3, 4) - before).norm(dim=-1).max()) > 1e-3
        actor.settings = SHORT
        assert torch.equal(actor.vertices(3, 4), before)


def test_what_did_not_change_is_not_made_again(face: FaceModel, model: ExpressionModel) -> None:
    actor = acting(face, model, SHORT)
    person, labels = actor.neutral, actor.labels
    actor.settings = SHORT.named("weights", "jawOpen", 0.5)
    assert actor.neutral is person and actor.labels is labels
    actor.settings = SHORT.named("identity", "age", 20.0)
    assert actor.neutral is not person and actor.labels is labels


def test_a_performance_says_who_and_what_it_is(face: FaceModel, model: ExpressionModel) -> None:
    made = acting(face, model, SHORT.named("identity", "age", 20.0)).perform()
    assert made.face_model == "anny" and made.labels is not None and made.fps == 10.0
    assert made.identity is not None and float(made.identity[face.identity_names.index("age")]) == 20.0


def test_a_face_without_shapes_is_named() -> None:
    class Bare(FaceModel):
        def rest(self, identity=None):
            return self.neutral.vertices

        def sample_identity(self, generator, count):
            return torch.zeros(count, 0)

    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InputError, match="face bare must have ARKit shapes"):
        Actor(Bare("bare", mesh, torch.zeros(0, 3, 3), (), ()))
