"""Laws that every face keeps."""

from __future__ import annotations

import copy

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import ARKIT_NAMES, articulate, load_face, retarget, solve_performance
from meshanim.performance import Performance

# Sums of some fifty float32 displacements on a head of 0.3 m: a few units in the last place, 3e-8 m each.
ROUNDING = 1e-6


def _weights(face, *shape, seed=0):
    return torch.rand(*shape, len(face.weight_names), generator=torch.Generator().manual_seed(seed))


def test_the_default_identity_is_the_neutral(face):
    assert torch.equal(face.rest(), face.neutral.vertices)
    assert (face.rest(face.default_identity) - face.neutral.vertices).abs().max() < ROUNDING
    assert torch.equal(face.vertices(), face.neutral.vertices)


def test_vertices_are_linear_in_the_weights(face, someone):
    one, two = _weights(face, 2)
    rest = face.rest(someone)
    moved = face.vertices(someone, torch.stack([one, two, 0.3 * one - 1.5 * two])) - rest
    assert moved[0].abs().max() > 1e-3
    assert (moved[2] - 0.3 * moved[0] + 1.5 * moved[1]).abs().max() < ROUNDING


def test_basis_is_what_single_weights_do(face, someone):
    basis = face.basis(someone)
    assert basis.shape == (len(face.weight_names), len(face.neutral.vertices), 3)
    moved = face.vertices(someone, torch.eye(len(face.weight_names))) - face.rest(someone)
    assert (moved - basis).abs().max() < ROUNDING


def test_identity_changes_the_basis(face, someone):
    if face.identity_names:
        # A person's mouth is some per cent wider or longer than the mean one, of centimetres that it moves.
        assert (face.basis(someone) - face.basis()).norm(dim=-1).max() > 1e-4
        assert (face.rest(someone) - face.rest()).norm(dim=-1).max() > 1e-3


def test_gradients_reach_identity_and_weights(face, someone):
    identity, weights = someone.clone().requires_grad_(), _weights(face).requires_grad_()
    vertices = face.vertices(identity, weights)
    vertices.square().sum().backward()
    assert torch.isfinite(weights.grad).all() and (weights.grad != 0).all()
    if len(identity):
        assert torch.isfinite(identity.grad).all() and (identity.grad != 0).float().mean() > 0.5


def test_gradients_pass_after_use_in_inference_mode(face, someone):
    unused = copy.copy(face)
    for kept in ("_carrier", "_lids"):
        vars(unused).pop(kept, None)
    with torch.inference_mode():
        unused.vertices(someone, _weights(face))
    identity, weights = someone.clone().requires_grad_(), _weights(face).requires_grad_()
    unused.vertices(identity, weights).square().sum().backward()
    assert (weights.grad != 0).all()


def test_everything_follows_the_wider_type(face, someone):
    weights = _weights(face)
    single = face.vertices(someone, weights)
    for identity, given in ((someone.double(), weights), (someone, weights.double())):
        assert face.vertices(identity, given).dtype == torch.float64
        assert (face.vertices(identity, given) - single).abs().max() < ROUNDING
    assert face.vertices(None, weights.double()).dtype == torch.float64
    assert face.vertices(None, weights.half()).dtype == torch.float32
    basis, joints = face.basis(someone.double()), face.joints(someone.double())
    assert basis.dtype == torch.float64 and (basis - face.basis(someone)).abs().max() < ROUNDING
    assert all(
        (joints[name].position - joint.position).abs().max() < ROUNDING
        for name, joint in face.joints(someone).items()
    )
    arkit = torch.ones(len(ARKIT_NAMES), dtype=torch.float64)
    assert face.weights_from_arkit(arkit).dtype == torch.float64
    moved = articulate(face, weights[None].double(), someone)
    assert (moved - articulate(face, weights[None], someone)).abs().max() < ROUNDING


def test_gradients_reach_named_coefficients(face):
    if not face.identity_names:
        return
    first, second = face.identity_names[0], face.identity_names[-1]
    value = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    identity = face.identity(**{first: value, second: 0.2})
    identity[0].backward()
    assert value.grad == 1 and torch.equal(identity.detach(), face.identity(**{first: 0.3, second: 0.2}))


def test_named_coefficients_are_numbers(face):
    if face.identity_names:
        with pytest.raises(InputError, match=r"must have shape \(\), got \(2,\)"):
            face.identity(**{face.identity_names[0]: torch.zeros(2)})


def test_arrays_are_refused_by_name(face, someone):
    with pytest.raises(InputError, match=r"weights must be a tensor, got numpy\.ndarray"):
        face.vertices(someone, _weights(face).numpy())
    with pytest.raises(InputError, match=r"identity must be a tensor, got numpy\.ndarray"):
        face.vertices(someone.numpy())


def test_leading_dimensions_broadcast(face):
    people = face.sample_identity(torch.Generator().manual_seed(1), 2)
    weights = _weights(face, 3)
    together = face.vertices(people[:, None], weights)
    assert together.shape == (2, 3, len(face.neutral.vertices), 3)
    assert (together[1, 2] - face.vertices(people[1], weights[2])).abs().max() < ROUNDING
    assert face.vertices(None, weights).shape == together.shape[1:]
    assert face.rest(people).shape == (2, *together.shape[2:])


def test_arkit_weights_reach_the_shapes_of_their_name(face):
    mapping = face.arkit_mapping
    assert mapping.shape == (52, len(face.weight_names))
    for row, name in enumerate(ARKIT_NAMES):
        if name in face.weight_names:
            assert mapping[row].nonzero().flatten().tolist() == [face.weight_names.index(name)]
    eye = torch.eye(52)[None]
    assert torch.equal(face.weights_from_arkit(eye)[0], mapping)
    assert "jawOpen" in face.weight_names


def test_joints_are_hinges_within_the_head(face, someone):
    low, high = face.neutral.vertices.amin(dim=0), face.neutral.vertices.amax(dim=0)
    joints = face.joints(someone)
    assert set(joints) == {"jaw", "eye_left", "eye_right"}
    for joint in joints.values():
        assert (joint.position > low).all() and (joint.position < high).all()
        assert joint.axis.norm() == pytest.approx(1, abs=1e-5)
        # Everybody's hinges run from ear to ear, within a few degrees.
        assert joint.axis[0] > 0.99
        assert joint.weights.shape == (len(face.neutral.vertices),)
        assert joint.weights.min() >= 0 and 0.9 < joint.weights.max() <= 1 + 1e-6
    assert joints["eye_left"].position[0] > 0 > joints["eye_right"].position[0]


def test_joints_move_with_the_identity(face, someone):
    before, after = face.joints(), face.joints(someone)
    assert set(before) == set(after)
    if face.identity_names:
        assert all((after[name].position - before[name].position).norm() > 1e-5 for name in before)


def test_eyes_stay_in_the_middle_of_their_balls(face, someone):
    rest = face.rest(someone)
    for name in ("eye_left", "eye_right"):
        ball = rest[face.neutral.groups[name]]
        middle = (ball.amin(dim=0) + ball.amax(dim=0)) / 2
        # The cornea bulges by a sixth of the radius, and Anny's balls are open behind.
        assert (face.joints(someone)[name].position - middle).norm() < 0.5 * (ball - middle).norm(dim=1).max()


@pytest.mark.parametrize("name", ["anny", "ict"])
def test_68_landmarks_lie_as_in_multi_pie(name, request):
    """From the character's right ear along the jaw to the left one, brows, nose, eyes, lips."""
    face = request.getfixturevalue(name)
    index = [face.neutral.landmarks[f"landmark68_{place:02d}"] for place in range(68)]
    points = face.neutral.vertices[index]
    x, y, z = points.unbind(dim=1)
    assert len(set(index)) == 68
    mirrored = [
        *(range(16, -1, -1), range(26, 16, -1), range(27, 31), range(35, 30, -1)),
        *((45, 44, 43, 42, 47, 46), (39, 38, 37, 36, 41, 40)),
        *(range(54, 47, -1), range(59, 54, -1), (64, 63, 62, 61, 60, 67, 66, 65)),
    ]
    other = points[[place for part in mirrored for place in part]] * torch.tensor([-1.0, 1.0, 1.0])
    # A vertex of ICT's mean face need not have its mirror image.
    assert (points - other).norm(dim=1).max() < 2e-3
    jaw, brows, bridge, nostrils = slice(0, 17), slice(17, 27), slice(27, 31), slice(31, 36)
    assert (x[2:15].diff() > 0).all() and (y[:9].diff() < 0).all() and z[8] > z[4] and x[0] < -0.06
    assert (x[brows].diff() > 0).all() and y[brows].min() > y[36:48].max()
    assert (y[bridge].diff() < 0).all() and (z[bridge].diff() > 0).all() and (x[nostrils].diff() > 0).all()
    for first in (36, 42):
        upper, lower = [first + 1, first + 2], [first + 5, first + 4]
        assert (y[upper] - y[lower] > 5e-3).all() and (x[first : first + 4].diff() > 0).all()
    assert (x[48:55].diff() > 0).all() and (x[54:60].diff() < 0).all()
    assert (y[49:54] > y[[59, 58, 57, 56, 55]] + 8e-3).all()
    assert (y[61:64] > y[[67, 66, 65]]).all() and (y[61:64] < y[50:53]).all()
    assert y[jaw].min() < y[48:].min() and y[nostrils].min() > y[48:].max()
    for label, place in (("eye_left_outer", 45), ("mouth_right", 48), ("nose_tip", 30)):
        assert face.neutral.landmarks[label] == index[place]


def test_people_are_drawn_by_seed(face):
    def draw(seed):
        return face.sample_identity(torch.Generator().manual_seed(seed), 4)

    assert draw(5).shape == (4, len(face.identity_names))
    assert torch.equal(draw(5), draw(5))
    single = draw(5)
    torch.set_default_dtype(torch.float64)
    try:
        assert draw(5).dtype == single.dtype and torch.equal(draw(5), single)
    finally:
        torch.set_default_dtype(torch.float32)
    if face.identity_names:
        assert not torch.equal(draw(5), draw(6)) and not torch.equal(draw(5)[0], draw(5)[1])
        assert torch.isfinite(face.rest(draw(5))).all()


def test_groups_agree_with_each_other(face):
    groups = {name: set(index.tolist()) for name, index in face.neutral.groups.items()}
    assert {"skin", "eyes", "eye_left", "eye_right", "upper_face", "neck"} <= set(groups)
    assert groups["eyes"] == groups["eye_left"] | groups["eye_right"]
    assert not groups["eye_left"] & groups["eye_right"] and not groups["skin"] & groups["eyes"]
    assert all(groups.values()) and not groups["neck"] & groups["upper_face"]


def test_a_face_says_what_it_has(face):
    assert f"{len(face.neutral.vertices)} vertices" in repr(face)


def test_a_wrong_number_of_coefficients_is_named(face):
    count = len(face.weight_names)
    with pytest.raises(InputError, match=rf"weights .* \({count},\), got \({count + 1},\)"):
        face.vertices(None, torch.zeros(count + 1))
    with pytest.raises(InputError, match="identity"):
        face.vertices(torch.zeros(len(face.identity_names) + 1))
    with pytest.raises(InputError, match="identity"):
        face.rest(torch.zeros(len(face.identity_names) + 1))
    with pytest.raises(InputError, match=r"weights .* \(52,\)"):
        face.weights_from_arkit(torch.zeros(51))


@pytest.mark.parametrize("kind", [torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_identities_of_any_type_are_computed_in_the_models_or_a_wider_one(face, someone, kind):
    identity, weights = someone.to(kind), _weights(face, 2)
    wide = identity.to(torch.promote_types(kind, torch.float32))
    for act in (face.rest, face.basis, face.carry, lambda who: articulate(face, weights, who)):
        assert act(identity).dtype == wide.dtype and torch.equal(act(identity), act(wide))
    joints = face.joints(wide)
    for name, joint in face.joints(identity).items():
        assert joint.position.dtype == wide.dtype and torch.equal(joint.position, joints[name].position)


def test_what_is_for_one_identity_refuses_others_by_name(face, someone):
    count, weights = len(someone), _weights(face, 2)
    still = Performance(face.neutral, 25, motion=face.neutral.vertices[None])
    for act in (
        face.basis,
        face.joints,
        lambda who: articulate(face, weights, who),
        lambda who: retarget(still, face, who),
    ):
        with pytest.raises(InputError, match=rf"^identity must have shape \({count},\), got \(2, {count}\)$"):
            act(someone.expand(2, -1))
        with pytest.raises(InputError, match=rf"^identity must have .*\({count},\), got \({count + 1},\)$"):
            act(torch.zeros(count + 1))
        with pytest.raises(InputError, match=r"^identity must be a tensor, got numpy\.ndarray$"):
            act(someone.numpy())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("face", ["anny", "ict", "flame"], indirect=True)
def test_an_identity_that_is_not_finite_is_one_sentence(face, someone, value):
    wrong, weights = someone.clone(), _weights(face, 2)
    wrong[2] = value
    tracks = {"weights": weights, "basis": face.units, "weight_names": tuple(face.weight_names)}
    known = Performance(face.neutral, 25, **tracks, face_model=face.name, identity=wrong)
    for act in (
        face.rest,
        face.vertices,
        lambda who: face.vertices(who.expand(2, -1), weights),
        face.basis,
        face.joints,
        face.carry,
        lambda who: articulate(face, weights, who),
        lambda who: retarget(known, face, who),
        lambda _: solve_performance(known, face),
    ):
        with pytest.raises(InputError, match=rf"^identity must be finite, got {value} at index \[(0, )?2\]$"):
            act(wrong)


def test_vertices_are_where_the_coefficients_are(face):
    # no GPU is needed to find tensors of two devices in one sum
    weights = torch.zeros(2, len(face.weight_names), device="meta")
    identity = torch.zeros(len(face.identity_names), device="meta")
    for vertices in (face.vertices(weights=weights), face.vertices(identity, weights)):
        assert vertices.device.type == "meta" and vertices.shape == (2, len(face.neutral.vertices), 3)
    assert face.basis(identity).device.type == "meta"


def test_an_unknown_coefficient_is_named(face):
    with pytest.raises(InputError, match="'noSuchName'"):
        face.identity(noSuchName=1.0)


def test_identity_ranges_hold_the_people_that_are_drawn(face):
    low, high = torch.tensor(face.identity_ranges).reshape(-1, 2).unbind(1)
    assert len(low) == len(face.identity_names)
    people = face.sample_identity(torch.Generator().manual_seed(3), 8)
    # Normal coefficients leave three standard deviations once in 370 times.
    inside = ((people >= low) & (people <= high)).float().mean() if people.numel() else torch.ones(())
    assert float(inside) > 0.99
    assert bool(((face.default_identity >= low) & (face.default_identity <= high)).all())


def test_the_built_in_heads_sensible_ages_begin_where_shapes_hold(anny):
    age = anny.identity_names.index("age")
    drawn = anny.sample_identity(torch.Generator().manual_seed(3), 200)[:, age]
    assert anny.identity_ranges[age] == (5.0, 90.0) and 5 <= drawn.min() < 7
    # Younger ones can still be asked for by name; the command line warns of them.
    assert anny.identity(age=2)[age] == 2


def test_people_of_the_built_in_head_are_mostly_symmetric(anny):
    drawn = anny.sample_identity(torch.Generator().manual_seed(5), 400)
    sides = [name for name in anny.identity_names if name.startswith("l-")]
    left, right = (
        drawn[:, [anny.identity_names.index(f"{side}{name[2:]}") for name in sides]] for side in ("l-", "r-")
    )
    # Half the difference and the mean deviate by 0.05 and 0.22, but for what is held within 0.7.
    assert float(((left - right) / 2**0.5).std()) == pytest.approx(0.05, rel=0.05)
    assert float(((left + right) / 2).std()) == pytest.approx(0.223, rel=0.05)


def test_names_that_may_be_meant_are_told():
    for asked, told in (
        ("agee", "among age, gender and 133 more, which meshanim inspect lists, got 'agee'"),
        ("Chin", "among chin-jaw-drop-incr, chin-height-incr"),
        ("xyz", "among gender, age, muscle"),
    ):
        with pytest.raises(InputError, match=told):
            load_face("anny").identity(**{asked: 1.0})
