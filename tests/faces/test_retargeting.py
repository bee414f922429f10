"""The same weights, somebody else's face."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.export import export, read_performance
from meshanim.faces import load_face, retarget
from meshanim.faces.articulation import ArticulatedMover
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh
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
    other = face.identity(gender=0.0, age=60.0)
    given = retarget(wink, face, other)
    weights = torch.zeros(2, len(face.weight_names))
    weights[1, [face.weight_names.index(name) for name in NAMES]] = torch.tensor([0.3, 1.0])
    _, vertices = next(given.chunks(2))
    assert torch.equal(vertices, ArticulatedMover(face, other).vertices(weights))
    assert torch.equal(given.neutral.vertices, face.rest(other))
    assert given.head_motion is wink.head_motion and given.identity is other


def test_the_same_person_stays(wink):
    face = load_face("anny")
    once = retarget(wink, face, face.default_identity)
    twice = retarget(once, face, face.default_identity)
    assert torch.equal(next(once.chunks(2))[1], next(twice.chunks(2))[1])


def test_vertices_of_one_person_stay_with_the_same_person(wink):
    face = load_face("anny")
    who = face.identity(age=12.0, weight=0.9)
    moved = retarget(wink, face, who)
    points = Performance(moved.neutral, 25.0, motion=moved.vertices())
    torch.testing.assert_close(
        retarget(points, face, who).vertices(), clear_lids(moved.neutral, moved.vertices()), atol=2e-5, rtol=0
    )


def test_lids_that_vertices_move_stay_in_front_of_the_eyes(wink):
    face = load_face("anny")
    shut = Performance(wink.neutral, 25.0, motion=wink.vertices() - 0.01)
    for person in face.sample_identity(torch.Generator().manual_seed(3), 3):
        given = retarget(shut, face, person)
        torch.testing.assert_close(
            given.vertices(), clear_lids(given.neutral, given.vertices()), atol=1e-6, rtol=0
        )


def test_other_displacements_follow_the_surface(wink):
    face = load_face("anny")
    other = face.identity(age=70.0, weight=0.8)
    vertices = torch.stack([vertices for _, chunk in wink.chunks(2) for vertices in chunk])
    moved = Performance(wink.neutral, 25.0, motion=vertices - 0.01)
    named = replace(wink, weight_names=("smirk", "shut"), residual=None)
    for performance in (moved, named):
        given = retarget(performance, face, other)
        _, found = next(given.chunks(2))
        assert torch.allclose(found[0], face.rest(other), atol=1e-5)
        lips = face.neutral.groups["lips"]
        _, wanted = next(retarget(wink, face, other).chunks(2))
        error = (found - wanted)[1, lips].norm(dim=1).max()
        assert float(error) < 0.2 * float((wanted[1] - wanted[0])[lips].norm(dim=1).max())


def test_weights_that_stay_zero_may_be_of_any_shape(wink):
    face = load_face("anny")
    more = torch.cat([wink.weights, torch.zeros(2, 1)], dim=1)
    named = replace(wink, weights=more, basis=torch.cat([wink.basis] * 2)[:3], weight_names=(*NAMES, "smirk"))
    assert torch.equal(next(retarget(named, face).chunks(2))[1], next(retarget(wink, face).chunks(2))[1])


def test_a_face_that_divides_arkits_shapes_takes_them(ict, wink):
    weights = torch.tensor([[0.0, 0.0], [0.4, 0.5]])
    given = retarget(replace(wink, weights=weights, weight_names=("browInnerUp", "jawOpen")), ict)
    assert given.weights is not None
    moving = dict(zip(given.weight_names, given.weights[1].tolist(), strict=True))
    moving = {name: round(value, 6) for name, value in moving.items() if value}
    assert moving == {"browInnerUpLeft": 0.4, "browInnerUpRight": 0.4, "jawOpen": 0.5}


def test_a_face_with_arkits_whole_shapes_takes_the_mean_of_sides(wink):
    sides = ("browInnerUpLeft", "browInnerUpRight")
    given = retarget(
        replace(wink, weights=torch.tensor([[0.0, 0.0], [0.2, 0.6]]), weight_names=sides), load_face("anny")
    )
    assert given.weights is not None
    assert given.weights[1, given.weight_names.index("browInnerUp")] == pytest.approx(0.4)
    assert given.weights[1].count_nonzero() == 1


def test_whole_numbered_weights_of_sides_are_no_less(wink):
    face, weights = load_face("anny"), torch.tensor([[0, 1], [1, 1]])
    sides = replace(wink, weights=weights, weight_names=("browInnerUpLeft", "browInnerUpRight"))
    given = retarget(sides, face).weights
    assert given is not None and given[:, face.weight_names.index("browInnerUp")].tolist() == [0.5, 1]


def test_what_a_face_lacks_of_arkits_shapes_is_told_and_left_out(ict, wink):
    spoken = replace(wink, weights=torch.tensor([[0.0, 0.0], [0.4, 0.5]]))
    with pytest.warns(UserWarning, match="face ict has no tongueOut: left out"):
        given = retarget(replace(spoken, weight_names=("jawOpen", "tongueOut")), ict)
    assert given.weights is not None and given.weights[1].count_nonzero() == 1
    with pytest.raises(InputError, match="got 4538 vertices and smirk"):
        retarget(replace(spoken, weight_names=("smirk", "tongueOut"), weights=spoken.weights.flip(1)), ict)


def test_motion_beyond_shapes_that_a_file_names_is_left_out_of_another_mesh(ict, wink):
    weights = torch.tensor([[0.0, 0.0], [0.4, 0.5]])
    given = retarget(replace(wink, weights=weights, weight_names=("jawOpen", "component_001 below 0")), ict)
    assert given.weights is not None and given.weights[1].count_nonzero() == 1
    with pytest.raises(InputError, match="component_001"):
        retarget(
            replace(wink, weights=weights * torch.tensor([0, 1]), weight_names=("jawOpen", "component_001")),
            ict,
        )


@pytest.mark.parametrize("name", ["wink.npz", "wink.glb"])
def test_a_file_gives_to_another_what_was_written(wink, tmp_path, name):
    """A GLB has the arcs of jaw and lids as components, which are not to be carried beside them."""
    face = load_face("anny")
    child = face.identity(age=6.0)
    bent = retarget(replace(wink, residual=None, weights=torch.tensor([[0.0, 0.0], [0.6, 0.7]])), face)
    back = retarget(read_performance(export(bent, tmp_path / name)), face, child)
    wanted = retarget(bent, face, child)
    assert back.mover is not None and back.weight_names == wanted.weight_names
    # float32 sums at a tenth of a metre
    torch.testing.assert_close(back.vertices(), wanted.vertices(), rtol=0, atol=1e-7)


def test_meshes_of_another_size_are_named():
    mesh = Mesh(torch.rand(4, 3), torch.tensor([[0, 1, 2]]))
    moved = Performance(mesh, 25.0, motion=torch.rand(1, 4, 3))
    named = Performance(
        mesh, 25.0, weights=torch.ones(1, 1), basis=torch.rand(1, 4, 3), weight_names=("smirk",)
    )
    for performance, came in ((moved, "got 4 vertices$"), (named, "got 4 vertices and smirk$")):
        with pytest.raises(
            InputError, match=f"4538 vertices of face anny, or be by weights that it has, {came}"
        ):
            retarget(performance, load_face("anny"))
