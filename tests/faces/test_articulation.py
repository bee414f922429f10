"""Motion along arcs: it begins at the neutral, ends at the shapes, and goes round bone and ball between."""

from __future__ import annotations

import warnings

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import FaceModel, articulate
from meshanim.faces.articulation import CHUNK
from meshanim.faces.joint_fitting import fit_turn
from meshanim.mesh import axis_angle_to_matrix
from meshanim.rendering import framing_camera, rasterize
from meshanim.rendering.materials import HIDDEN, group_mask

STEPS = torch.linspace(0, 1, 6)


@pytest.fixture(scope="module", params=["anny", "ict", "of_mesh"])
def arkit_face(request: pytest.FixtureRequest) -> FaceModel:
    """Faces with lids, eyes and a jaw."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def person(arkit_face: FaceModel) -> torch.Tensor:
    return arkit_face.sample_identity(torch.Generator().manual_seed(11), 1)[0]


def _track(face: FaceModel, **levels: torch.Tensor) -> torch.Tensor:
    """Weights (T, K) of levels (T,) by name."""
    weights = torch.zeros(len(next(iter(levels.values()))), len(face.weight_names))
    for name, level in levels.items():
        weights[:, face.weight_names.index(name)] = level
    return weights


def test_no_weight_is_the_neutral(arkit_face, person):
    still = torch.zeros(2, len(arkit_face.weight_names))
    assert torch.equal(articulate(arkit_face, still)[1], arkit_face.neutral.vertices)
    assert torch.equal(articulate(arkit_face, still, person)[0], arkit_face.rest(person))


def test_single_units_end_at_their_shapes(arkit_face, person):
    rest, joints = arkit_face.rest(person), arkit_face.joints(person)
    found = articulate(arkit_face, torch.eye(len(arkit_face.weight_names)), person) - rest
    error = (found - arkit_face.basis(person)).norm(dim=-1)
    lids, behind = torch.zeros(2, len(rest), dtype=torch.bool)
    lids[arkit_face.neutral.groups["lids"]] = True
    behind[rest[:, 2] < joints["eye_left"].position[2]] = True
    # Jaw and all straight units: rounding. Eyeballs, which one similarity carries, are not quite its images.
    # Lids are lifted off the ball, into which MakeHuman's go.
    eyes = torch.zeros(len(rest), dtype=torch.bool)
    eyes[arkit_face.neutral.groups["eyes"]] = True
    assert error[:, ~lids & ~eyes].max() < 1e-6
    assert error[:, eyes].max() < 2e-4
    assert error[:, lids & ~behind].max() < 3.5e-3


def test_pupils_widen_in_eyes_that_look_aside(ict):
    """The ball as its own shape at rest, turned."""
    wide = dict.fromkeys(("pupilDilateLeft", "pupilDilateRight"), torch.ones(1))
    one = torch.ones(1)
    aside = articulate(ict, _track(ict, eyeLookOutLeft=one, eyeLookInRight=one, **wide))[0]
    ahead = articulate(ict, _track(ict, **wide))[0]
    for name in ("eye_left", "eye_right"):
        ball = ict.neutral.groups[name]
        assert (ahead[ball] - ict.neutral.vertices[ball]).norm(dim=1).max() > 4e-3
        before, after = ((points[ball] - points[ball[0]]).norm(dim=1) for points in (ahead, aside))
        assert (after - before).abs().max() < 1e-6
        assert (aside[ball] - ahead[ball]).norm(dim=1).max() > 4e-3


def test_units_without_a_joint_stay_straight(arkit_face, person):
    names = ("mouthSmileLeft", "browDownRight", "noseSneerLeft", "mouthPucker")
    half = articulate(arkit_face, _track(arkit_face, **dict.fromkeys(names, torch.tensor([0.5]))), person)[0]
    basis = arkit_face.basis(person)
    straight = arkit_face.rest(person) + 0.5 * sum(basis[arkit_face.weight_names.index(n)] for n in names)
    eyes = torch.ones(len(half), dtype=torch.bool)
    eyes[arkit_face.neutral.groups["eyes"]] = False
    assert (half - straight)[eyes].abs().max() < 1e-6


def test_the_jaw_goes_on_an_arc(arkit_face, person):
    joint = arkit_face.joints(person)["jaw"]
    moved = articulate(arkit_face, _track(arkit_face, jawOpen=STEPS), person)
    led = joint.weights > 0.9
    arm = moved[:, led] - joint.position
    radius = (arm - (arm @ joint.axis)[..., None] * joint.axis).norm(dim=-1)
    # From the length at rest to that at the end, which the shape sets, it changes evenly: an arc has no
    # chord's dent in the middle, which would be 1 - cos(12 degrees), 2 % of 0.1 m.
    even = radius[0] + STEPS[:, None] * (radius[-1] - radius[0])
    assert (radius - even).abs().max() < 5e-4
    chord = arkit_face.vertices(person, _track(arkit_face, jawOpen=STEPS))[:, led] - joint.position
    dent = (chord - (chord @ joint.axis)[..., None] * joint.axis).norm(dim=-1) - even
    assert dent.min() < -1e-3


def test_lower_teeth_keep_their_distance_to_the_hinge(ict):
    person = ict.sample_identity(torch.Generator().manual_seed(11), 1)[0]
    joint = ict.joints(person)["jaw"]
    moved = articulate(ict, _track(ict, jawOpen=STEPS), person)
    arm = moved[:, 19247:21451] - joint.position
    radius = (arm - (arm @ joint.axis)[..., None] * joint.axis).norm(dim=-1)
    # Half a millimetre of a way of 40 mm: what the shape itself departs from a turn.
    assert (radius - radius[0]).abs().max() < 5e-4


@pytest.mark.parametrize("unit", ["eyeBlink", "eyeLookDown", "eyeSquint", "eyeWide"])
def test_lids_never_go_into_the_eyeball(arkit_face, person, unit):
    moved = articulate(
        arkit_face, _track(arkit_face, **{f"{unit}Left": STEPS, f"{unit}Right": STEPS}), person
    )
    rest = arkit_face.rest(person)
    lids = arkit_face.neutral.groups["lids"]
    for side in ("eye_left", "eye_right"):
        centre = arkit_face.joints(person)[side].position
        arm = rest[lids] - centre
        # What can be seen; further back, units of the other side may reach a socket in straight lines.
        near = lids[(arm.norm(dim=1) < 0.03) & (arm[:, 2] > 0.005)]
        radius = (rest[arkit_face.neutral.groups[side]] - centre).norm(dim=1).quantile(0.9)
        before = (rest[near] - centre).norm(dim=1)
        allowed = torch.minimum(before, radius)
        # What lies on the ball at rest, the inner sides, may not sink deeper; a tenth of a millimetre is what
        # units of the other eye may do, in straight lines.
        assert ((moved[:, near] - centre).norm(dim=-1) - allowed).min() > -1e-4


def test_lids_begin_where_other_units_have_left_them(arkit_face, person):
    """A blink that has hardly begun moves hardly anything, though a smile draws lids to the ball."""
    alone = torch.eye(len(arkit_face.weight_names))
    begun = alone.clone()
    begun[:, arkit_face.weight_names.index("eyeBlinkLeft")] += 1e-4
    before, after = (articulate(arkit_face, weights, person) for weights in (alone, begun))
    assert (after - before).norm(dim=-1).max() < 1e-5


def test_lids_meet_when_they_blink(ict):
    """Landmarks of the margins, 8 mm apart when open, come within the thickness of the lids."""
    upper = [ict.neutral.landmarks[f"landmark68_{place}"] for place in (37, 38, 43, 44)]
    lower = [ict.neutral.landmarks[f"landmark68_{place}"] for place in (41, 40, 47, 46)]
    closed = _track(ict, eyeBlinkLeft=torch.ones(1), eyeBlinkRight=torch.ones(1))
    for person in (None, *ict.sample_identity(torch.Generator().manual_seed(5), 2)):
        moved = articulate(ict, closed, person)[0]
        assert (moved[upper] - moved[lower]).norm(dim=1).max() < 3e-3


@pytest.mark.parametrize("yaw", [0.0, 45.0])
def test_closed_eyes_are_not_seen(arkit_face, person, yaw):
    """Pixels that show an eyeball: many when open, but for a corner none when closed."""
    mesh = arkit_face.neutral
    eyes = torch.zeros(len(mesh.vertices), dtype=torch.bool)
    eyes[mesh.groups["eyes"]] = True
    faces = mesh.faces[~group_mask(mesh, *HIDDEN)[mesh.faces].all(dim=1)]
    ball = eyes[faces].all(dim=1)
    moved = articulate(
        arkit_face, _track(arkit_face, eyeBlinkLeft=STEPS[[0, -1]], eyeBlinkRight=STEPS[[0, -1]]), person
    )
    camera = framing_camera(moved[0], (640, 640), yaw)
    seen = []
    for vertices in moved:
        shown = rasterize(vertices, faces, camera)
        seen.append(int(ball[shown.face[shown.covered]].sum()))
    assert seen[0] > 150 and seen[1] <= 2


def test_eyes_turn_as_rigid_balls(arkit_face, person):
    moved = articulate(
        arkit_face, _track(arkit_face, eyeLookUpLeft=STEPS, eyeLookOutLeft=0.5 * STEPS), person
    )
    ball = moved[:, arkit_face.neutral.groups["eye_left"]]
    length = (ball - ball[:, :1]).norm(dim=-1)
    # Distances to one point of the ball; float32 on a head of 0.3 m.
    assert (length - length[:1]).abs().max() < 1e-6
    assert (ball[-1] - ball[0]).norm(dim=1).max() > 1e-3


def test_both_eyes_look_the_same_way(arkit_face, person):
    level = torch.ones(1)
    looks = [
        _track(arkit_face, jawOpen=0 * level),
        _track(arkit_face, eyeLookOutLeft=level, eyeLookInRight=level),
        _track(arkit_face, eyeLookDownLeft=level, eyeLookDownRight=level),
    ]
    moved, gazes = articulate(arkit_face, torch.cat(looks), person), []
    for name in ("eye_left", "eye_right"):
        ball = moved[:, arkit_face.neutral.groups[name]] - arkit_face.joints(person)[name].position
        turns = torch.stack([fit_turn(ball[0], end) for end in ball])
        gazes.append(axis_angle_to_matrix(turns)[:, :, 2])
    # Within a degree: MakeHuman's eyes turn outwards a third of a degree less than inwards, and the balls of
    # a face that is not symmetric stand a little askew.
    assert (gazes[0] - gazes[1]).norm(dim=1).max() < 0.0175
    assert gazes[0][1, 0] > 0.25 and gazes[0][2, 1] < -0.2


def test_long_tracks_are_the_same_in_pieces(anny):
    weights = torch.rand(CHUNK + 2, len(anny.weight_names), generator=torch.Generator().manual_seed(0))
    whole = articulate(anny, weights)
    assert whole.shape == (CHUNK + 2, len(anny.neutral.vertices), 3)
    assert torch.equal(whole[-2:], articulate(anny, weights[-2:]))


def test_gradients_reach_the_weights(arkit_face):
    weights = torch.rand(1, len(arkit_face.weight_names), generator=torch.Generator().manual_seed(0))
    weights.requires_grad_()
    articulate(arkit_face, weights).square().sum().backward()
    assert weights.grad is not None and torch.isfinite(weights.grad).all()
    assert weights.grad[0, arkit_face.weight_names.index("jawOpen")] != 0


def test_gradients_reach_the_identity_without_a_warning(anny):
    identity = anny.default_identity.clone().requires_grad_()
    weights = torch.full((1, len(anny.weight_names)), 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        articulate(anny, weights, identity).square().sum().backward()
    assert bool(identity.grad.isfinite().all()) and bool(identity.grad.any())


def test_weights_of_another_face_are_refused(anny):
    with pytest.raises(InputError, match=r"weights must have shape \(any, 52\), got \(1, 51\)"):
        articulate(anny, torch.zeros(1, 51))
