"""Known weights of both faces, found again to a hundredth: straight, along arcs, on anyone, in any pose."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.export import export, read_performance
from meshanim.faces import FaceModel, FlameFace, solve_performance
from meshanim.faces.articulation import ArticulatedMover, Articulation
from meshanim.mesh import Mesh
from meshanim.performance import Performance

FRAMES = 24
TO_HOLD = 0.01
OPPOSITE = (
    ("eyeLookInLeft", "eyeLookOutLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("eyeLookUpLeft", "eyeLookDownLeft"),
    ("eyeLookUpRight", "eyeLookDownRight"),
    ("jawLeft", "jawRight"),
)
"""Units that turn one ball, or one jaw, to and fro: what both say at once, no vertex tells."""


@pytest.fixture(scope="module", params=["anny", "ict"])
def arkit_face(request: pytest.FixtureRequest) -> FaceModel:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def person(arkit_face: FaceModel) -> Tensor:
    return arkit_face.sample_identity(torch.Generator().manual_seed(11), 1)[0]


@pytest.fixture(scope="module")
def weights(arkit_face: FaceModel) -> Tensor:
    """(T, K) all units at once, each on a wave of its own that rests at zero for a while."""
    generator = torch.Generator().manual_seed(4)
    phase, pace = 2 * math.pi * torch.rand(2, len(arkit_face.weight_names), generator=generator)
    track = (torch.arange(FRAMES)[:, None] * (0.1 + 0.05 * pace) + phase).sin().clamp(min=0)
    for one, other in OPPOSITE:
        first, second = (arkit_face.weight_names.index(name) for name in (one, other))
        level = track[:, first] - track[:, second]
        track[:, first], track[:, second] = level.clamp(min=0), (-level).clamp(min=0)
    return track


@pytest.fixture(scope="module")
def performed(arkit_face: FaceModel, person: Tensor, weights: Tensor) -> Performance:
    neutral = arkit_face.neutral.with_vertices(arkit_face.rest(person))
    return Performance(
        neutral,
        30.0,
        motion=arkit_face.vertices(person, weights),
        face_model=arkit_face.name,
        identity=person,
        waveform=torch.zeros(800),
        sample_rate=1000,
    )


def _error(found: Performance, weights: Tensor) -> float:
    assert found.weights is not None
    return float((found.weights - weights).abs().max())


def test_known_weights_are_found_again(arkit_face, performed, weights):
    found = solve_performance(performed, arkit_face)
    assert _error(found.performance, weights) < TO_HOLD
    assert found.largest_mm.max() < 0.02 and len(found.mean_mm) == FRAMES
    assert found.performance.weight_names == arkit_face.weight_names
    assert found.performance.identity is performed.identity
    assert found.performance.waveform is performed.waveform and found.performance.residual is None


def test_units_are_carried_to_whoever_it_is(arkit_face, performed, weights):
    nameless = replace(performed, identity=None, face_model=None)
    found = solve_performance(nameless, arkit_face)
    assert _error(found.performance, weights) < TO_HOLD
    assert found.performance.identity is None and found.performance.face_model == arkit_face.name


def test_weights_of_motion_along_arcs_are_found_again(arkit_face, person, performed, weights):
    bent = replace(performed, motion=ArticulatedMover(arkit_face, person).vertices(weights))
    straight = solve_performance(bent, arkit_face)
    assert _error(straight.performance, weights) > 0.1
    found = solve_performance(bent, arkit_face, articulated=True)
    assert _error(found.performance, weights) < TO_HOLD
    assert found.largest_mm.max() < 0.02 < straight.largest_mm.max()
    left = (found.performance.vertices() - bent.motion).norm(dim=2).amax(dim=1)
    torch.testing.assert_close(1000 * left, found.largest_mm)


@pytest.mark.parametrize("articulated", [False, True])
def test_with_what_the_units_leave_the_vertices_come_back(
    arkit_face, person, performed, weights, articulated, tmp_path
):
    bent = replace(performed, motion=ArticulatedMover(arkit_face, person).vertices(weights))
    found = solve_performance(bent, arkit_face, articulated=articulated, residual=True).performance
    for back in (found, read_performance(export(found, tmp_path / "a.npz"))):
        # but for float32 sums
        assert (back.vertices() - bent.motion).abs().max() < 1e-6


def test_a_head_that_moves_is_told_from_the_face(arkit_face, performed, weights):
    generator = torch.Generator().manual_seed(5)
    inner, outer = (0.2 * torch.randn(FRAMES, 6, generator=generator) for _ in range(2))
    posed = replace(performed, motion=replace(performed, head_motion=inner).pose(performed.motion))
    found = solve_performance(posed, arkit_face, moving_head=True).performance
    assert _error(found, weights) < TO_HOLD
    assert found.head_motion is not None and (found.head_motion - inner).abs().max() < 1e-4
    twice = solve_performance(replace(posed, head_motion=outer), arkit_face, moving_head=True).performance
    wanted = replace(posed, head_motion=outer).pose(posed.motion)
    assert (twice.pose(performed.motion) - wanted).abs().max() < 2e-5


def test_components_of_flame_go_both_ways(flame: FlameFace):
    weights = torch.randn(6, len(flame.weight_names), generator=torch.Generator().manual_seed(0))
    low, high = flame.weight_bounds
    weights = torch.minimum(torch.maximum(weights, low), high)
    assert (weights < 0).any()
    moved = Performance(flame.neutral, 25.0, motion=flame.vertices(weights=weights))
    assert _error(solve_performance(moved, flame, smoothness=0).performance, weights) < TO_HOLD


def test_some_vertices_alone_move_as_among_all(arkit_face, person, weights):
    whole = Articulation(arkit_face, person)
    kept = torch.arange(3, len(whole.rest), 7)
    assert torch.equal(whole.of(kept).vertices(weights), whole.vertices(weights)[:, kept])


def test_progress_names_every_walk(arkit_face, performed):
    told: dict[str, tuple[int, int]] = {}

    def step(name: str):
        return lambda done, total: told.update({name: (done, total)})

    solve_performance(performed, arkit_face, moving_head=True, progress=step)
    assert told == dict.fromkeys(("finding the head", "finding weights", "measuring"), (FRAMES, FRAMES))


def test_another_mesh_is_named(anny):
    corners = torch.rand(4, 3)
    other = Performance(Mesh(corners, torch.tensor([[0, 1, 2]])), 25.0, motion=corners[None])
    with pytest.raises(InputError, match=rf"the {len(anny.neutral.vertices)} vertices of anny, got 4"):
        solve_performance(other, anny)


def test_a_frame_that_is_not_finite_is_named(anny):
    motion = anny.neutral.vertices.repeat(5, 1, 1)
    motion[3, 100] = torch.inf
    for moving_head in (False, True):
        with pytest.raises(InputError, match="frame 3"):
            solve_performance(Performance(anny.neutral, 25.0, motion=motion), anny, moving_head=moving_head)
