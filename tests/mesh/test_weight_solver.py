"""Weights found again that made the vertices, the optimum against SciPy's, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from meshanim._check import InputError
from meshanim.mesh import Blendshapes, WeightSolver, solve_weights
from meshanim.mesh.bounded_weights import TOLERANCE

VERTICES, SHAPES, FRAMES = 60, 6, 40


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def basis(generator: torch.Generator) -> Blendshapes:
    rest = 0.1 * torch.randn(VERTICES, 3, generator=generator)
    shapes = 0.01 * torch.randn(SHAPES, VERTICES, 3, generator=generator)
    return Blendshapes([f"shape{index}" for index in range(SHAPES)], rest, shapes)


@pytest.fixture
def weights(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(FRAMES, SHAPES, generator=generator)


def test_weights_are_found_again_with_nothing_left(basis, weights):
    found = solve_weights(basis.vertices(weights), basis)
    # Smoothness and sparsity take a hundred-thousandth each of weights that change at random.
    assert (found.weights - weights).abs().max() < 1e-3
    assert found.largest_mm.max() < 0.05 and (found.mean_mm <= found.largest_mm).all()


def test_the_optimum_is_scipys_where_frames_do_not_matter_to_each_other(basis, weights, generator):
    noisy = basis.vertices(2 * weights - 0.5) + 0.01 * torch.randn(FRAMES, VERTICES, 3, generator=generator)
    found = solve_weights(noisy, basis, smoothness=0, sparsity=0).weights
    assert (found == 0).any() and (found == 1).any()
    matrix = basis.shapes.flatten(1).T.double().numpy()
    for frame in range(0, FRAMES, 8):
        wanted = (noisy[frame] - basis.rest).flatten().double().numpy()
        truth = lsq_linear(matrix, wanted, (0, 1), tol=1e-12).x
        # The ridge of a millionth, float32 weights, and the tolerance on both sides.
        assert np.abs(found[frame].numpy() - truth).max() < 1e-5


def test_smooth_and_sparse_weights_are_a_minimum_of_the_objective(basis, weights):
    smoothness, sparsity = 0.3, 0.02
    solver = WeightSolver(basis, smoothness=smoothness, sparsity=sparsity)
    vertices = basis.vertices(weights)
    found = solver.weights([vertices])
    pull = solver.basis.project(vertices)

    def objective(track: torch.Tensor) -> torch.Tensor:
        own = basis.gram.diagonal()
        fit = (track @ basis.gram * track).sum() / 2 - (pull * track).sum()
        return (
            fit + (own * (smoothness / 2 * track.diff(dim=0).square())).sum() + sparsity * (own * track).sum()
        )

    track = found.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(track), track)
    step = gradient / basis.gram.diagonal()
    left = found - (found - step).clamp(0, 1)
    # The ridge, a millionth of a weight, is in the solver's objective alone.
    assert left.abs().max() < 2 * TOLERANCE + 1e-6


def test_smoothness_calms_noise_and_sparsity_leaves_out(basis, generator):
    still = basis.vertices(torch.full((FRAMES, SHAPES), 0.5))
    noisy = still + 0.02 * torch.randn(still.shape, generator=generator)
    restless = [
        float(solve_weights(noisy, basis, smoothness=level).weights.diff(dim=0).abs().mean())
        for level in (0.0, 1.0, 100.0)
    ]
    assert restless[1] < 0.7 * restless[0] and restless[2] < 0.2 * restless[0]
    few = solve_weights(basis.vertices(0.3 * torch.eye(SHAPES)) + 1e-3, basis, sparsity=0.05).weights
    many = solve_weights(basis.vertices(0.3 * torch.eye(SHAPES)) + 1e-3, basis, sparsity=0).weights
    assert (few > 1e-3).sum() < (many > 1e-3).sum()


def test_chunks_do_not_matter_and_nothing_is_random(basis, weights):
    solver, vertices = WeightSolver(basis), basis.vertices(weights)
    whole = solver.weights([vertices])
    # float64 products in another order
    assert (solver.weights(vertices.split(7)) - whole).abs().max() < 1e-9
    assert torch.equal(solver.weights([vertices]), whole)


def test_reordered_and_rescaled_shapes_give_the_same_curves(basis, weights):
    order, scale = torch.tensor([3, 1, 5, 0, 2, 4]), 0.5
    other = Blendshapes([basis.names[i] for i in order], basis.rest, basis.shapes[order] / scale)
    found = solve_weights(basis.vertices(weights), other, bounds=(0.0, 0.5)).weights
    usual = solve_weights(basis.vertices(weights), basis).weights
    assert (found / scale - usual[:, order]).abs().max() < 1e-3


def test_bounds_may_let_weights_go_both_ways(basis, weights):
    wild = 4 * weights - 2
    found = solve_weights(basis.vertices(wild), basis, (torch.full((SHAPES,), -2.0), 2.0), 0, 0.1)
    assert (found.weights - wild).abs().max() < 1e-3


@pytest.mark.parametrize("frames", [1, 2])
def test_a_still_picture_is_a_sequence_too(basis, weights, frames):
    assert (
        solve_weights(basis.vertices(weights[:frames]), basis).weights - weights[:frames]
    ).abs().max() < 1e-3


def test_equal_shapes_share_and_empty_ones_rest(basis, weights):
    shapes = torch.cat([basis.shapes, basis.shapes[:1], torch.zeros(1, VERTICES, 3)])
    doubled = Blendshapes([*basis.names, "again", "nothing"], basis.rest, shapes)
    found = solve_weights(basis.vertices(0.8 * weights), doubled)
    assert torch.isfinite(found.weights).all() and found.largest_mm.max() < 0.05
    assert (found.weights[:, 0] + found.weights[:, -2] - 0.8 * weights[:, 0]).abs().max() < 2e-3
    assert found.weights[:, -1].abs().max() == 0


def test_more_shapes_than_coordinates_stay_finite(generator):
    rest = torch.zeros(3, 3)
    many = Blendshapes([str(index) for index in range(20)], rest, torch.randn(20, 3, 3, generator=generator))
    found = solve_weights(many.vertices(torch.rand(5, 20, generator=generator)), many)
    assert torch.isfinite(found.weights).all()
    # To within the tolerance of metres, that is what shapes of a metre leave.
    assert found.largest_mm.max() < 1


def test_a_basis_names_its_shapes(basis):
    assert repr(basis) == "Blendshapes(6 shapes of 60 vertices)"
    assert "smoothness=1e-05" in repr(WeightSolver(basis))
    with pytest.raises(InputError, match="at least one blendshape, got none"):
        Blendshapes([], basis.rest, torch.zeros(0, VERTICES, 3))
    with pytest.raises(InputError, match="got 2 with 1 different"):
        Blendshapes(["a", "a"], basis.rest, basis.shapes[:2])
    with pytest.raises(InputError, match=r"shapes must have shape \(any, 60, 3\)"):
        Blendshapes(["a"], basis.rest, basis.shapes[:1, :50])
    with pytest.raises(InputError, match=r"shapes must be a tensor, got numpy\.ndarray"):
        Blendshapes(basis.names, basis.rest, basis.shapes.numpy())


def test_what_does_not_fit_is_named(basis, weights):
    vertices = basis.vertices(weights)
    with pytest.raises(InputError, match=r"the 60 vertices of the basis.*got \(40, 59, 3\)"):
        solve_weights(vertices[:, :-1], basis)
    with pytest.raises(InputError, match="at least one frame, got none"):
        solve_weights(vertices[:0], basis)
    vertices[33, 4, 1] = torch.nan
    with pytest.raises(InputError, match="frame 33"):
        WeightSolver(basis).weights(vertices.split(10))
    with pytest.raises(InputError, match="smoothness must be at least 0, got -1"):
        WeightSolver(basis, smoothness=-1)
    with pytest.raises(InputError, match="other way round"):
        WeightSolver(basis, (1.0, 0.0))
    with pytest.raises(InputError, match="other way round"):
        WeightSolver(basis, (torch.nan, 1.0))
    with pytest.raises(InputError, match="bounds must have shape"):
        WeightSolver(basis, (torch.zeros(2), 1.0))


def test_a_search_without_an_end_is_named(basis, weights, monkeypatch):
    monkeypatch.setattr("meshanim.mesh.bounded_weights.MOST_STEPS", 5)
    with pytest.raises(InputError, match=r"settle within 5 steps.* smoothness 10000; bring that nearer to 1"):
        solve_weights(basis.vertices(weights), basis, smoothness=1e4)
