"""Faces that reach nearer than a camera sees, and behind it: seen as if they were cut off there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshanim.ops import rasterize, rasterize_reference
from meshanim.ops._coverage import located
from meshanim.ops.rasterize import reference_gradient

Target = tuple[torch.device, torch.dtype]
SIZE = (37, 53)
FOCAL, MIDDLE = 40.0, (26.3, 18.1)


def project(space: Tensor) -> Tensor:
    """Column, row and depth of points before a camera, times depth where they lie behind it."""
    depth = space[..., 2:]
    plane = FOCAL * space[..., :2] + space.new_tensor(MIDDLE) * depth
    return torch.cat([plane / torch.where(depth > 0, depth, 1), depth], dim=-1)


def soup(faces: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Triangles in space around the camera, in float64; most reach behind it."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(2, faces, 3, 3, generator=generator, dtype=torch.float64)
    corners = (corners - 0.5) * torch.tensor([3.0, 3.0, 1.6]) + torch.tensor([0.0, 0.0, 0.35])
    return corners.flatten(1, 2), torch.arange(3 * faces).view(faces, 3)


def cut_off(space: Tensor, faces: Tensor, near: float) -> tuple[Tensor, Tensor, Tensor]:
    """The part of a mesh (V, 3) beyond a depth, as triangles of their own, and the face of each."""
    triangles, source = [], []
    for number, face in enumerate(faces.tolist()):
        polygon = []
        for k in range(3):
            here, there = space[face[k]], space[face[(k + 1) % 3]]
            if here[2] > near:
                polygon.append(here)
            if (here[2] > near) != (there[2] > near):
                polygon.append(here + (near - here[2]) / (there[2] - here[2]) * (there - here))
        for i in range(1, len(polygon) - 1):
            triangles.append(torch.stack([polygon[0], polygon[i], polygon[i + 1]]))
            source.append(number)
    corners = torch.cat(triangles)
    return corners, torch.arange(len(corners)).view(-1, 3), torch.tensor(source)


def test_the_rest_is_what_cutting_leaves() -> None:
    space, faces = soup()
    for member in space:
        corners, pieces, source = cut_off(member, faces, 0.01 * (1 + 1e-9))
        face, weights, depth = rasterize(project(member)[None], faces, SIZE, near=0.01)
        found, _, far = rasterize(project(corners)[None], pieces, SIZE, near=0.01)
        crossing = (member[faces][..., 2] <= 0.01).any(1)
        assert crossing[face[face >= 0]].float().mean() > 0.5
        wanted = torch.where(found >= 0, source[found.clamp(min=0)], -1)
        # Cutting rounds: pixels whose middle lies on the cut, or on a new edge, may go either way.
        same = face == wanted
        assert same.float().mean() > 0.999
        seen = same & (face >= 0)
        torch.testing.assert_close(depth[seen], far[seen], rtol=1e-9, atol=0)
        place = (weights[seen][..., None] * member[faces[face[seen]]]).sum(1)
        _, row, column = seen.nonzero(as_tuple=True)
        middle = torch.stack([column, row], 1) + 0.5
        torch.testing.assert_close(project(place)[:, :2], middle.double(), rtol=0, atol=1e-9)


def test_values_and_gradients_are_the_references(target: Target) -> None:
    space, faces = soup(60, 1)
    points, faces = project(space).to(*target).requires_grad_(), faces.to(target[0])
    exact = points.detach().double().requires_grad_()
    found, wanted = rasterize(points, faces, SIZE), rasterize_reference(exact, faces, SIZE)
    assert torch.equal(found[0], wanted[0]) and (found[0] >= 0).float().mean() > 0.5
    rounding = 2e-7 if target[1] == torch.float32 else 1e-13
    for value, reference in zip(found[1:], wanted[1:], strict=True):
        assert (value.double() - reference).abs().max() <= rounding
        direction = torch.randn(value.shape, dtype=torch.float64, device=target[0])
        (gradient,) = torch.autograd.grad(value, points, direction.to(value), retain_graph=True)
        (truth,) = torch.autograd.grad(reference, exact, direction, retain_graph=True)
        # As in test_rasterize.py.
        bound = 2e-6 if target[1] == torch.float32 else 1e-11
        assert (gradient.double() - truth).abs().max() <= bound * truth.abs().max()


@pytest.mark.usefixtures("instruction_set")
def test_every_instruction_set_gives_the_references_values(target: Target) -> None:
    test_values_and_gradients_are_the_references(target)


def test_the_reference_gradient_is_that_of_the_reference() -> None:
    space, faces = soup()
    points = project(space)
    face, weights, depth = rasterize_reference(points, faces, SIZE)
    one, other = torch.randn_like(weights), torch.randn_like(depth)
    by_hand = reference_gradient(points, faces, weights, depth, face, one, other, True)
    leaf = points.requires_grad_()
    (derived,) = torch.autograd.grad(located(leaf, faces, face, True), leaf, (one, other))
    torch.testing.assert_close(by_hand, derived, rtol=1e-9, atol=1e-9 * float(derived.abs().max()))


def test_gradcheck() -> None:
    """In space, where nothing jumps at the camera: steps of 1e-6 metres, far from any edge."""
    space, faces = soup(4, 2)

    def values(corners: Tensor) -> tuple[Tensor, ...]:
        return rasterize(project(corners), faces, (9, 12))[1:]

    assert torch.autograd.gradcheck(values, space[:1].requires_grad_(), atol=1e-4)


def test_a_floor_reaches_from_below_the_camera_to_the_horizon(target: Target) -> None:
    """In squares of 0.7 metres, half of them behind: no gap, no pixel shared, nothing above."""
    steps = torch.arange(-8, 9, dtype=torch.float64) * 0.7 + 0.013
    z, x = torch.meshgrid(steps, steps, indexing="ij")
    space = torch.stack([x, torch.ones_like(x), z], dim=-1).view(1, -1, 3)
    corner = (torch.arange(16)[:, None] * 17 + torch.arange(16)).view(-1, 1)
    faces = torch.cat([corner + torch.tensor([0, 1, 17]), corner + torch.tensor([18, 17, 1])])
    points, faces = project(space).to(*target), faces.to(target[0])
    whole = rasterize(points, faces, SIZE, near=0.1)[0][0]
    # The farthest row of corners is 5.613 metres away, and the widest pixel sees 53 / 40 of its depth.
    horizon = MIDDLE[1] + FOCAL / (8 * 0.7 + 0.013)
    middles = torch.arange(SIZE[0], device=target[0]) + 0.5
    assert torch.equal(whole >= 0, (middles > horizon)[:, None].expand(SIZE))
    hits = torch.zeros_like(whole)
    for index in range(len(faces)):
        hits += rasterize(points, faces[index : index + 1], SIZE, near=0.1)[0][0] >= 0
    assert torch.equal(hits, (whole >= 0).long())


def test_nothing_is_seen_of_a_mesh_behind_the_camera(target: Target) -> None:
    space, faces = soup()
    space = space * torch.tensor([1.0, 1.0, 0.1]) - torch.tensor([0.0, 0.0, 2.0])
    points = project(space).to(*target).requires_grad_()
    face, weights, depth = rasterize(points, faces.to(target[0]), SIZE)
    assert (face == -1).all() and not weights.any() and not depth.any()
    (gradient,) = torch.autograd.grad(weights.sum() + depth.sum(), points)
    assert not gradient.any()
