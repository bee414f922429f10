"""As few shapes as a motion has, and never further from it than they say."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import PrincipalShapes, principal_shapes

VERTICES, FRAMES = 50, 40


def _motion(shapes: int, noise: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rest (V, 3) and positions (T, V, 3) of so many shapes of centimetres, and noise."""
    generator = torch.Generator().manual_seed(0)
    rest = 0.1 * torch.randn(VERTICES, 3, generator=generator)
    basis = 0.01 * torch.randn(shapes, VERTICES, 3, generator=generator)
    weights = torch.rand(FRAMES, shapes, generator=generator)
    moved = rest + torch.einsum("tk,kvc->tvc", weights, basis)
    return rest, moved + noise * torch.randn(moved.shape, generator=generator)


def _largest(found: PrincipalShapes, rest: torch.Tensor, moved: torch.Tensor) -> float:
    again = rest + torch.einsum("tk,kvc->tvc", found.weights, found.basis)
    return float((again - moved).norm(dim=2).max())


def test_motion_of_three_shapes_needs_three():
    rest, moved = _motion(3)
    found = principal_shapes(rest, lambda _: moved.split(7), 1e-5)
    assert found.basis.shape == (3, VERTICES, 3) and found.weights.shape == (FRAMES, 3)
    assert _largest(found, rest, moved) < 1e-5


@pytest.mark.parametrize("max_error", [2e-3, 2e-4, 1e-6])
def test_the_stated_error_is_the_one_made(max_error):
    rest, moved = _motion(5, noise=1e-4)
    found = principal_shapes(rest, lambda _: moved.split(7), max_error)
    assert found.error <= max_error
    # float32 sums at a tenth of a metre
    assert _largest(found, rest, moved) == pytest.approx(found.error, abs=2e-7)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_motion_of_any_floating_type(dtype):
    rest, moved = (part.to(dtype) for part in _motion(3))
    found = principal_shapes(rest, lambda _: moved.split(7), 1e-4)
    assert found.basis.dtype == found.weights.dtype == torch.float32
    assert _largest(found, rest.float(), moved.float()) < 1e-4


def test_motion_far_from_the_origin_is_as_exact_in_double_precision():
    rest, moved = _motion(3)
    near = principal_shapes(rest.double(), lambda _: moved.double().split(7), 1e-6)
    far = principal_shapes(rest.double() + 1000, lambda _: (moved.double() + 1000).split(7), 1e-6)
    assert near.error < 1e-6 and far.error < 1e-6 and len(far.basis) == len(near.basis)


def test_no_motion_has_one_shape_that_rests():
    rest, _ = _motion(1)
    found = principal_shapes(rest, lambda _: [rest.expand(4, -1, -1)], 1e-4)
    assert found.weights.shape == (4, 1) and not found.basis.any() and found.error == 0


def test_too_much_motion_is_named(monkeypatch):
    monkeypatch.setattr("meshanim.mesh.principal.MOST_COMPONENTS", 4)
    rest, moved = _motion(6)
    with pytest.raises(InputError, match="more than 4 morph targets"):
        principal_shapes(rest, lambda _: moved.split(7), 1e-6)
