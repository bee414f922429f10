"""Several faces around each pixel: values, gradients, laws and refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import rasterize, soft_rasterize, soft_rasterize_reference
from meshanim.ops._library import cpu_library

Target = tuple[torch.device, torch.dtype]
SIZE, RADIUS, COUNT = (37, 53), 2.5, 8

# Gradients of places on small faces are of the size of one over a face's height, and cancel in sums.
BOUND = {torch.float32: 2e-6, torch.float64: 1e-11}


def soup(target: Target, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Triangles of every size, before, across and around the picture."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(batch, 90, 1, 3, generator=generator, dtype=torch.float64)
    corner = corner * torch.tensor([63.0, 47, 1]) + torch.tensor([-5.0, -5, 0.5])
    length = 10 ** (2 * torch.rand(90, 1, 1, generator=generator, dtype=torch.float64))
    way = torch.rand(batch, 90, 3, 3, generator=generator, dtype=torch.float64) - 0.5
    points = corner + way * torch.cat([length, length, torch.full_like(length, 0.1)], dim=-1)
    return points.flatten(1, 2).to(*target), torch.arange(270).view(90, 3).to(target[0])


@pytest.mark.parametrize("perspective", [True, False])
def test_values_and_gradients_are_the_references(perspective: bool, target: Target) -> None:
    points, faces = soup(target)
    exact = points.double().requires_grad_()
    points.requires_grad_()
    found = soft_rasterize(points, faces, SIZE, RADIUS, COUNT, perspective)
    wanted = soft_rasterize_reference(exact, faces, SIZE, RADIUS, COUNT, perspective)
    assert torch.equal(found[0], wanted[0])
    assert (found[0][..., -1] >= 0).any() and (found[3] < 0).any() and (found[3] > 0).any()
    for value, reference in zip(found[1:], wanted[1:], strict=True):
        rounding = 1e-7 if target[1] == torch.float32 else 1e-13
        assert (value.double() - reference).abs().max() <= rounding * reference.abs().max().clamp(min=1)
        direction = torch.randn(value.shape, dtype=torch.float64, device=target[0])
        (gradient,) = torch.autograd.grad(value, points, direction.to(value), retain_graph=True)
        (truth,) = torch.autograd.grad(reference, exact, direction, retain_graph=True)
        assert (gradient.double() - truth).abs().max() <= BOUND[target[1]] * truth.abs().max()


@pytest.mark.usefixtures("instruction_set")
def test_every_instruction_set_gives_the_references_values(target: Target) -> None:
    test_values_and_gradients_are_the_references(True, target)


@pytest.mark.parametrize("perspective", [True, False])
def test_gradcheck(perspective: bool) -> None:
    points, faces = soup((torch.device("cpu"), torch.float64), 1)
    points, faces = points[:, :18].clone(), faces[:6]

    def values(p: Tensor) -> tuple[Tensor, ...]:
        return soft_rasterize(p, faces, (12, 15), RADIUS, 3, perspective)[1:]

    assert torch.autograd.gradcheck(values, points.requires_grad_(), atol=1e-4)


def test_distances_by_hand(target: Target) -> None:
    """A right angle at (2, 2) with sides of 4 pixels, seen from middles in, beside, and off a corner."""
    points = torch.tensor([[[2.0, 2, 1], [6, 2, 2], [2, 6, 4]]], device=target[0], dtype=target[1])
    faces = torch.tensor([[0, 1, 2]], device=target[0])
    face, weights, depth, distance = soft_rasterize(points, faces, (8, 8), 2.0, 2)
    found = distance[0, ..., 0].cpu()
    assert float(found[3, 3]) == pytest.approx(0.5)  # to the long side, 3.5 + 3.5 = 7 of 8: 1 / sqrt(2) away
    assert float(found[2, 2]) == pytest.approx(0.25)
    assert float(found[1, 3]) == pytest.approx(-0.25) and float(found[0, 3]) == pytest.approx(-2.25)
    assert float(found[1, 1]) == pytest.approx(-0.5)  # off the corner
    assert int(face[0, 0, 0, 0]) == -1 and float(found[0, 0]) == 0  # 4.5 squared pixels away
    assert (face[..., 1] == -1).all()
    assert weights[0, 1, 1, 0].tolist() == [1, 0, 0] and float(depth[0, 1, 1, 0]) == 1
    # Above the side from the first corner to the second, at 3/8 of it: 1 / z goes from 1 to 1/2.
    nearness = 1 - 0.5 * 0.375
    assert float(depth[0, 1, 3, 0]) == pytest.approx(1 / nearness)
    expected = torch.tensor([0.625 / nearness, 0.375 / 2 / nearness, 0])
    torch.testing.assert_close(weights[0, 1, 3, 0].cpu().float(), expected)


def test_the_first_face_inside_is_the_one_that_is_seen(target: Target) -> None:
    points, faces = soup(target)
    hard = rasterize(points, faces, SIZE)
    soft = soft_rasterize(points, faces, SIZE, 0.0, 1)
    both = (hard[0] >= 0) & (soft[0][..., 0] >= 0)
    # With no radius nothing but faces that cover the middle is left.
    assert torch.equal(hard[0] >= 0, soft[0][..., 0] >= 0)
    same = (hard[0] == soft[0][..., 0]) & both
    assert same.sum() >= 0.999 * both.sum()
    torch.testing.assert_close(soft[1][..., 0, :][same], hard[1][same], rtol=0, atol=1e-5)
    torch.testing.assert_close(soft[2][..., 0][same], hard[2][same], rtol=0, atol=1e-5)


def test_faces_come_by_depth_and_fewer_are_the_first_of_more(target: Target) -> None:
    points, faces = soup(target)
    face, _, depth, _ = soft_rasterize(points, faces, SIZE, RADIUS, COUNT)
    following = face[..., 1:] >= 0
    assert (depth.diff(dim=-1)[following] >= 0).all() and (face[..., :-1][following] >= 0).all()
    few = soft_rasterize(points, faces, SIZE, RADIUS, 3)
    assert torch.equal(few[0], face[..., :3]) and torch.equal(few[2], depth[..., :3])


def test_same_bits_at_every_thread_count() -> None:
    points, faces = soup((torch.device("cpu"), torch.float32))
    points.requires_grad_()
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            values = soft_rasterize(points, faces, (200, 300), RADIUS, COUNT)
            results.append((*values, *torch.autograd.grad([x.sum() for x in values[1:]], points)))
    finally:
        torch.set_num_threads(threads)
    if cpu_library() is not None:
        assert all(torch.equal(a[i], results[0][i]) for a in results for i in range(5))


@pytest.mark.parametrize("batch, vertices, faces", [(0, 3, 1), (1, 0, 0), (2, 3, 0), (1, 3, 1)])
def test_nothing_to_see(batch: int, vertices: int, faces: int, target: Target) -> None:
    """Nothing there, or faces without area or behind the camera."""
    points = torch.zeros(batch, vertices, 3, device=target[0], dtype=target[1], requires_grad=True)
    index = torch.zeros(faces, 3, dtype=torch.int64, device=target[0])
    values = soft_rasterize(points, index, (3, 5), 1.0, 2)
    assert [tuple(x.shape) for x in values] == [
        *((batch, 3, 5, 2), (batch, 3, 5, 2, 3), (batch, 3, 5, 2), (batch, 3, 5, 2))
    ]
    assert (values[0] == -1).all()
    (gradient,) = torch.autograd.grad([x.sum() for x in values[1:]], points)
    assert gradient.shape == points.shape and not gradient.any()


def test_opcheck(target: Target) -> None:
    points, faces = soup(target)
    op = torch.ops.meshanim.soft_rasterize.default
    torch.library.opcheck(op, (points, faces, 9, 12, 1.5, 4, True))
    torch.library.opcheck(op, (points.requires_grad_(), faces, 9, 12, 1.5, 4, False))


WRONG: dict[str, dict[str, Any]] = {
    "points must have shape": {"points": torch.zeros(4, 3)},
    "faces must be int64": {"faces": torch.zeros(6, 3, dtype=torch.int32)},
    r"faces must lie in \[0, 4\)": {"faces": torch.full((6, 3), 4)},
    "radius must be at least 0": {"radius": -1.0},
    "count must be at least 1 and at most 64": {"count": 0},
    "height must be at least 1": {"size": (0, 4)},
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_arguments_are_named(words: str) -> None:
    arguments: dict[str, Any] = {
        "points": torch.zeros(2, 4, 3),
        "faces": torch.zeros(6, 3, dtype=torch.int64),
        "size": (4, 5),
        "radius": 1.0,
    }
    soft_rasterize(**arguments)
    with pytest.raises(InputError, match=words):
        soft_rasterize(**{**arguments, **WRONG[words]})
