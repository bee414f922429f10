"""The same weights, somebody else's face."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import articulate, load_face, retarget
from meshanim.performance import Performance

NAMES = ("jawOpen", "eyeBlinkLeft")


@pytest.fixture(scope="module")
def wink() -> Performance:
    """Two frames of the mean face: an eye shuts, the jaw opens a little, the head has turned."""
    face = load_face("anny")
    return Performance(
        face.neutral,
        25.0,
        weights=torch.tensor([[0.0, 0.0], [0.3, 1.0]]),
        basis=face.basis()[[face.weight_names.index(name) for name in NAMES]],
        weight_names=NAMES,
        residual=torch.full((2, *face.neutral.vertices.shape), 0.01),
        head_motion=torch.full((2, 6), 0.05),
        face_model="anny",
        identity=face.default_identity,
    )


def test_another_person_moves_as_that_person_would(wink):
    face = load_face("anny")
    other = face.identity(gender=0.0, age=0.7)
    given = retarget(wink, face, other)
    weights = torch.zeros(2, len(face.weight_names))
    weights[1, [face.weight_names.index(name) for name in NAMES]] = torch.tensor([0.3, 1.0])
    _, vertices = next(given.chunks(2))
    assert torch.equal(vertices, articulate(face, weights, other))
    assert torch.equal(given.neutral.vertices, face.rest(other))
    assert given.head_motion is wink.head_motion and given.identity is other


def test_the_same_person_stays(wink):
    face = load_face("anny")
    once = retarget(wink, face, face.default_identity)
    twice = retarget(once, face, face.default_identity)
    assert torch.equal(next(once.chunks(2))[1], next(twice.chunks(2))[1])


def test_weights_of_other_shapes_are_named(wink):
    named = Performance(
        wink.neutral, 25.0, weights=wink.weights, basis=wink.basis, weight_names=("jawOpen", "smirk")
    )
    with pytest.raises(InputError, match="shapes that face anny has, got smirk"):
        retarget(named, load_face("anny"))
    moved = Performance(wink.neutral, 25.0, motion=wink.neutral.vertices[None])
    with pytest.raises(InputError, match="must have weights"):
        retarget(moved, load_face("anny"))
