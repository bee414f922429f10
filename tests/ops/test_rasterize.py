"""Rasterization: coverage to the last bit, values and gradients, laws, and what cannot be seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import rasterize, rasterize_reference
from meshanim.ops._coverage import located
from meshanim.ops._library import cpu_library
from meshanim.ops.rasterize import reference_gradient

Target = tuple[torch.device, torch.dtype]
Values = tuple[Tensor, Tensor, Tensor]

# Gradients of small faces are sums of terms that cancel: those of weights by places in pixels are of the size
# of one over a face's height, 1e4 for the flattest that are seen here.
BOUND = {torch.float32: 2e-6, torch.float64: 1e-11}


def soup(target: Target, vertices: int = 60, faces: int = 80, scale: float = 40.0, batch: int = 2) -> tuple:
    """Random triangles of every size, before, across and around a picture of 37 x 53 pixels."""
    generator = torch.Generator().manual_seed(vertices)
    points = torch.rand(batch, vertices, 3, generator=generator, dtype=torch.float64)
    points = points * torch.tensor([1.6 * scale, 1.2 * scale, 1.0]) + torch.tensor([-5.0, -4.0, 0.5])
    index = torch.rand(faces, vertices, generator=generator).argsort(1)[:, :3]
    # As many small ones: corners close to the first one's.
    near = torch.arange(vertices).view(-1, 3)[: vertices // 3]
    points[:, near[:, 1:]] = points[:, near[:, :1]] + 3 * (
        torch.rand(batch, len(near), 2, 3, generator=generator) - 0.5
    ) * torch.tensor([1.0, 1.0, 0.1])
    return points.to(*target), torch.cat([index, near]).to(target[0])


def same(found: Values, wanted: Values, bound: float) -> None:
    assert torch.equal(found[0], wanted[0])
    for value, reference in zip(found[1:], wanted[1:], strict=True):
        assert (value.double() - reference.double()).abs().max() <= bound


@pytest.mark.parametrize("perspective", [True, False])
def test_values_and_gradients_are_the_references(perspective: bool, target: Target) -> None:
    points, faces = soup(target)
    points.requires_grad_()
    found = rasterize(points, faces, (37, 53), perspective)
    exact = points.detach().double().requires_grad_()
    wanted = rasterize_reference(exact, faces, (37, 53), perspective)
    assert 0.7 < float((found[0] >= 0).double().mean()) < 0.99
    assert found[1].dtype == found[2].dtype == target[1]
    # Rounding of weights in [0, 1] and of depths below 2 metres on the way out.
    same(found, wanted, 2e-7 if target[1] == torch.float32 else 1e-14)
    directions = [torch.randn(x.shape, dtype=torch.float64, device=target[0]) for x in found[1:]]
    for given in ((0,), (1,), (0, 1)):
        gradient, reference = (
            torch.autograd.grad(
                [values[1 + i] for i in given],
                leaf,
                [directions[i].to(leaf) for i in given],
                retain_graph=True,
            )[0]
            for values, leaf in ((found, points), (wanted, exact))
        )
        error = (gradient.double() - reference).abs().max() / reference.abs().max()
        assert error <= BOUND[target[1]]


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("perspective", [True, False])
def test_every_instruction_set_gives_the_references_values(perspective: bool, target: Target) -> None:
    test_values_and_gradients_are_the_references(perspective, target)


@pytest.mark.parametrize("perspective", [True, False])
def test_the_reference_gradient_is_that_of_the_reference(perspective: bool) -> None:
    """By hand, as kernels have it, and by PyTorch's derivative of the forward pass."""
    points, faces = soup((torch.device("cpu"), torch.float64))
    face, weights, depth = rasterize_reference(points, faces, (37, 53), perspective)
    one, other = torch.randn_like(weights), torch.randn_like(depth)
    by_hand = reference_gradient(points, faces, weights, depth, face, one, other, perspective)
    leaf = points.requires_grad_()
    (derived,) = torch.autograd.grad(located(leaf, faces, face, perspective), leaf, (one, other))
    torch.testing.assert_close(by_hand, derived, rtol=1e-9, atol=1e-9 * float(derived.abs().max()))


@pytest.mark.parametrize("perspective", [True, False])
def test_gradcheck(perspective: bool) -> None:
    """Finite differences of 1e-6 pixels: far less than the distance of any middle from any edge here."""
    points, faces = soup((torch.device("cpu"), torch.float64), 12, 6, 8.0, 1)
    check = torch.autograd.gradcheck
    assert check(lambda p: rasterize(p, faces, (9, 12), perspective)[1:], points.requires_grad_(), atol=1e-4)


def plane(count: int, seed: int, lattice: float) -> tuple[Tensor, Tensor]:
    """A picture of 48 x 48 pixels and its surroundings in random triangles, corners on a lattice (0: off)."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 52 - 2
    corners = torch.tensor([[-9.0, -9.0], [-9.0, 60.0], [60.0, -9.0], [60.0, 60.0]], dtype=torch.float64)
    points = torch.cat([corners, points])
    if lattice:
        points = torch.unique((points / lattice).round() * lattice, dim=0)
    points = points.float().double()
    faces = torch.from_numpy(Delaunay(points.numpy()).simplices).long()
    return torch.cat([points, 1 + torch.rand(len(points), 1, generator=generator)], 1)[None], faces


@pytest.mark.parametrize("lattice", [0, 0.5, 0.25, 1.0])
@pytest.mark.parametrize("count", [30, 700, 6000])
def test_neighbours_leave_no_gap_and_share_no_pixel(count: int, lattice: float, target: Target) -> None:
    """On lattices of half a pixel, edges and corners run through the middles of very many pixels."""
    points, faces = (x.to(target[0]) for x in plane(count, 0, lattice))
    points = points.to(target[1])
    generator = torch.Generator().manual_seed(1)
    turned = torch.rand(len(faces), generator=generator).to(faces.device) < 0.5
    faces = torch.where(turned[:, None], faces[:, [0, 2, 1]], faces)  # which side is seen must not matter
    hits = torch.zeros(48, 48, dtype=torch.int64)
    for part in torch.randint(0, 12, (len(faces),), generator=generator).to(faces.device).unique():
        chosen = torch.randint(0, 12, (len(faces),), generator=torch.Generator().manual_seed(2)) == part.cpu()
        alone = rasterize(points, faces[chosen.to(faces.device)], (48, 48))[0][0].cpu()
        hits += alone >= 0
    whole = rasterize(points, faces, (48, 48))[0]
    assert int(whole.min()) >= 0
    # Faces of one part may not overlap either, so that each part sees each of its pixels once.
    assert torch.equal(hits, torch.ones_like(hits))


def test_each_face_alone_covers_what_it_covers_among_all() -> None:
    points, faces = plane(60, 3, 0.5)
    whole = rasterize(points, faces, (48, 48))[0][0]
    for index in range(len(faces)):
        alone = rasterize(points, faces[index : index + 1], (48, 48))[0][0] >= 0
        assert torch.equal(alone, whole == index)


def test_what_is_nearest_is_seen(target: Target) -> None:
    points, faces = soup(target, 60, 300)
    face, _, depth = rasterize(points, faces, (37, 53))
    for index in range(0, len(faces), 7):
        alone, _, own = rasterize(points, faces[index : index + 1], (37, 53))
        covered = alone >= 0
        rounding = 1e-6 if target[1] == torch.float32 else 1e-12
        assert (depth[covered] <= own[covered] + rounding).all()
        assert (face[covered] >= 0).all()


def test_equally_near_faces_show_the_lowest_index(target: Target) -> None:
    points, faces = soup(target)
    doubled = torch.cat([faces, faces.flip(0)])
    assert torch.equal(rasterize(points, doubled, (37, 53))[0], rasterize(points, faces, (37, 53))[0])
    assert torch.equal(
        rasterize_reference(points, doubled, (37, 53))[0], rasterize(points, faces, (37, 53))[0]
    )


def test_weights_and_depth_are_those_of_the_place(target: Target) -> None:
    """With perspective, weights times corners in space, divided by depth, come back to the pixel's middle."""
    points, faces = soup(target)
    face, weights, depth = rasterize(points, faces, (37, 53))
    batch, row, column = (face >= 0).nonzero(as_tuple=True)
    corners = points[batch[:, None], faces[face[face >= 0]]].double()
    weights, depth = weights[face >= 0].double(), depth[face >= 0].double()
    assert (weights >= 0).all()
    bound = 1e-6 if target[1] == torch.float32 else 1e-13
    torch.testing.assert_close(weights.sum(1), torch.ones_like(depth), rtol=0, atol=bound)
    torch.testing.assert_close((weights * corners[..., 2]).sum(1), depth, rtol=0, atol=2 * bound)
    place = (weights[..., None] * corners[..., :2] * corners[..., 2:]).sum(1) / depth[:, None]
    middle = torch.stack([column, row], 1).double() + 0.5
    # A picture of 53 columns with triangles of twice that size.
    torch.testing.assert_close(place, middle, rtol=0, atol=100 * bound)


def test_a_member_alone_is_as_in_the_batch(target: Target) -> None:
    points, faces = soup(target, batch=3)
    whole = rasterize(points, faces, (37, 53))
    for i in range(3):
        alone = rasterize(points[i : i + 1], faces, (37, 53))
        assert all(torch.equal(a[0], b[i]) for a, b in zip(alone, whole, strict=True))


def test_same_bits_at_every_call_and_thread_count() -> None:
    points, faces = soup((torch.device("cpu"), torch.float32), 3000, 2000)
    points.requires_grad_()
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 1, 2, 3, 4):
            torch.set_num_threads(count)
            values = rasterize(points, faces, (300, 200))
            gradient = torch.autograd.grad(values[1].square().sum() + values[2].sum(), points)
            results.append((*values, *gradient))
    finally:
        torch.set_num_threads(threads)
    if cpu_library() is not None:
        assert all(torch.equal(a[i], results[0][i]) for a in results for i in range(4))


@pytest.mark.parametrize("height, width", [(1, 1), (1, 70), (70, 1), (16, 3), (17, 5), (33, 64)])
def test_pictures_of_every_size(height: int, width: int, target: Target) -> None:
    points, faces = soup(target)
    found = rasterize(points, faces, (height, width))
    same(found, rasterize_reference(points, faces, (height, width)), 2e-7)


def test_one_face_by_hand(target: Target) -> None:
    """Pixel (1, 1), middle (1.5, 1.5), of a right angle at (0, 0) of 4 pixels with depths of 1, 2 and 4 m."""
    points = torch.tensor([[[0.0, 0, 1], [4, 0, 2], [0, 4, 4]]], device=target[0], dtype=target[1])
    faces = torch.tensor([[0, 1, 2]], device=target[0])
    face, weights, depth = rasterize(points, faces, (4, 4))
    assert face[0].tolist() == [[0, 0, 0, -1], [0, 0, -1, -1], [0, -1, -1, -1], [-1, -1, -1, -1]]
    share = torch.tensor([0.25, 0.375, 0.375])
    over = share / torch.tensor([1.0, 2.0, 4.0])
    torch.testing.assert_close(weights[0, 1, 1].cpu().float(), over / over.sum())
    assert float(depth[0, 1, 1]) == pytest.approx(1 / float(over.sum()))
    _, weights, depth = rasterize(points, faces, (4, 4), perspective=False)
    torch.testing.assert_close(weights[0, 1, 1].cpu().float(), share)
    assert float(depth[0, 1, 1]) == pytest.approx(0.25 * 1 + 0.375 * 2 + 0.375 * 4)


NAN, INFINITY = float("nan"), float("inf")
UNSEEN: dict[str, list] = {
    "NaN column": [[NAN, 0, 1], [9, 0, 1], [0, 9, 1]],
    "NaN depth": [[0, 0, 1], [9, 0, NAN], [0, 9, 1]],
    "infinite row": [[0, 0, 1], [9, 0, 1], [0, INFINITY, 1]],
    "infinite depth": [[0, 0, 1], [9, 0, 1], [0, 9, INFINITY]],
    "behind the camera": [[0, 0, -1], [9, 0, -1], [0, 9, -2]],
    "nearer than is seen": [[0, 0, 1e-4], [9, 0, 5e-4], [0, 9, 1e-3]],
    "on the camera": [[0, 0, 0], [9, 0, 1], [0, 9, 1]],
    "a line": [[0, 0, 1], [4, 4, 1], [9, 9, 1]],
    "a point": [[2.5, 2.5, 1]] * 3,
    "between middles": [[2.6, 2.6, 1], [3.4, 2.6, 1], [2.6, 3.4, 1]],
    "beside the picture": [[10, 0, 1], [19, 0, 1], [10, 9, 1]],
    "far beside the picture": [[-1e30, 0, 1], [-1e20, 0, 1], [-1e30, 1e30, 1]],
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_seen_is_left_out(name: str, target: Target) -> None:
    """Beside a face that can, whose gradient it must not spoil."""
    device, dtype = target
    seen = [[0, 0, 5], [4, 0, 5], [0, 4, 5]]
    points = torch.tensor([UNSEEN[name] + seen], device=device, dtype=dtype, requires_grad=True)
    faces = torch.arange(6, device=device).view(2, 3)
    face, weights, depth = rasterize(points, faces, (8, 8))
    assert sorted(face.unique().tolist()) == [-1, 1]
    assert (weights[face < 0] == 0).all() and (depth[face < 0] == 0).all()
    (gradient,) = torch.autograd.grad(weights.square().sum() + depth.sum(), points)
    assert (gradient[0, :3] == 0).all() and torch.isfinite(gradient).all() and gradient[0, 3:].any()


def test_depth_may_be_negative_without_perspective(target: Target) -> None:
    corners = torch.tensor([[0.0, 0], [9, 0], [0, 9]]).repeat(3, 1)
    depth = torch.tensor([2.0, -3.0, 1.0]).repeat_interleave(3)
    points = torch.cat([corners, depth[:, None]], 1)[None].to(*target)
    face, _, found = rasterize(
        points, torch.arange(9, device=target[0]).view(3, 3), (4, 4), perspective=False
    )
    assert (face == 1).all() and torch.allclose(found, torch.full_like(found, -3.0))


@pytest.mark.parametrize("batch, vertices, faces", [(0, 3, 1), (1, 0, 0), (2, 3, 0), (0, 0, 0)])
def test_nothing_to_see(batch: int, vertices: int, faces: int, target: Target) -> None:
    points = torch.ones(batch, vertices, 3, device=target[0], dtype=target[1], requires_grad=True)
    values = rasterize(points, torch.zeros(faces, 3, dtype=torch.int64, device=target[0]), (3, 5))
    assert [tuple(x.shape) for x in values] == [(batch, 3, 5), (batch, 3, 5, 3), (batch, 3, 5)]
    assert (values[0] == -1).all()
    (gradient,) = torch.autograd.grad(values[1].sum() + values[2].sum(), points)
    assert gradient.shape == points.shape and not gradient.any()


def test_strides_do_not_matter(target: Target) -> None:
    points, faces = soup(target)
    wide = points.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    turned = faces.t().contiguous().t()
    points.requires_grad_()
    found, wanted = rasterize(wide, turned, (37, 53)), rasterize(points, faces, (37, 53))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    weight = torch.randn(2, 53, 37, 3, device=target[0], dtype=target[1]).transpose(1, 2)
    (one,) = torch.autograd.grad(found[1], wide, weight)
    (other,) = torch.autograd.grad(wanted[1], points, weight.contiguous())
    assert torch.equal(one, other)


def test_opcheck(target: Target) -> None:
    points, faces = soup(target)
    op = torch.ops.meshanim.rasterize.default
    torch.library.opcheck(op, (points, faces, 9, 12, True, 1e-3))
    torch.library.opcheck(op, (points.requires_grad_(), faces, 9, 12, False, 1e-3))
    face, weights, depth = (x.detach() for x in rasterize(points, faces, (9, 12)))
    arguments = (points.detach(), faces, weights, depth, face, weights.clone(), None, True)
    torch.library.opcheck(torch.ops.meshanim.rasterize_backward.default, arguments)


def test_compiled_graphs_hold_the_op_whole() -> None:
    points, faces = soup((torch.device("cpu"), torch.float32))

    def model(x: Tensor) -> Tensor:
        return rasterize(x * 1.01, faces, (37, 53))[1].sin()

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    points.requires_grad_()
    y, wanted = compiled(points), model(points)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(z.sum(), points)[0] for z in (y, wanted)))


WRONG: dict[str, dict[str, Any]] = {
    "points must have shape": {"points": torch.zeros(4, 3)},
    "points must be of a floating type": {"points": torch.zeros(2, 4, 3, dtype=torch.int64)},
    r"faces must have shape \(any, 3\)": {"faces": torch.zeros(6, 4, dtype=torch.int64)},
    "faces must be int64": {"faces": torch.zeros(6, 3, dtype=torch.int32)},
    r"faces must lie in \[0, 4\), got values from 4": {"faces": torch.full((6, 3), 4)},
    "faces must be on cpu as points is": {"faces": torch.zeros(6, 3, dtype=torch.int64, device="meta")},
    "width must be at least 1": {"size": (4, 0)},
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_arguments_are_named(words: str) -> None:
    arguments: dict[str, Any] = {
        "points": torch.zeros(2, 4, 3),
        "faces": torch.zeros(6, 3, dtype=torch.int64),
        "size": (4, 5),
    }
    rasterize(**arguments)
    with pytest.raises(InputError, match=words):
        rasterize(**{**arguments, **WRONG[words]})
