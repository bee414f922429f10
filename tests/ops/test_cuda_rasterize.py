"""Rasterization on the CUDA kernels: bit by bit what the CPU kernels give, on a CPU and on a GPU too.

Values are made in double precision and rounded once. Sums in gradients come in another order, in double
precision too, and are rounded once to float32.
"""

from __future__ import annotations

import pytest
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from meshanim.ops import _cuda, _nvrtc, rasterize, rasterize_reference
from meshanim.ops._library import cpu_library

from .emulated import Emulator, Gpu, amid_nan, here, same_bits

Size = tuple[int, int]
NAN, INFINITY = float("nan"), float("inf")

# One rounding to float32, relative to the largest.
ROUNDING = 2**-23

SIZES: list[tuple[int, int, Size]] = [  # (batch, faces, size): one pixel, odd ones, several groups and tiles
    (1, 40, (1, 1)),
    (2, 90, (7, 5)),
    (3, 300, (37, 53)),
    (1, 130, (8, 16)),
    (1, 128, (1, 70)),
    (2, 129, (70, 1)),
]


def soup(batch: int, faces: int, size: Size) -> tuple[Tensor, Tensor]:
    """Random triangles of every size, before, across and around a picture, that share vertices."""
    generator = torch.Generator().manual_seed(faces)
    scale = torch.tensor([1.4 * size[1] + 2, 1.4 * size[0] + 2, 1.0], device="cpu")
    points = torch.rand(batch, faces, 3, generator=generator, device="cpu") * scale
    points -= torch.tensor([0.2 * size[1] + 1, 0.2 * size[0] + 1, -0.5], device="cpu")
    corners = torch.randint(0, faces, (faces, 3), generator=generator, device="cpu")
    near = (corners[:, :1] + torch.arange(3, device="cpu")) % faces  # half of them small
    points[:, 1::2] = points[:, ::2][:, : faces // 2] + 3 * torch.rand(
        batch, faces // 2, 3, generator=generator, device="cpu"
    ) * torch.tensor([1, 1, 0.1], device="cpu")
    corners = torch.where(torch.arange(faces, device="cpu")[:, None] % 2 == 0, corners, near)
    return amid_nan(points, 16), here(corners)


def drawn(points: Tensor, faces: Tensor, size: Size, perspective: bool = True) -> list[Tensor]:
    """Face, weights, depth; and gradients of the points from weights, depth and both."""
    face, *values = rasterize(points, faces, size, perspective)
    found = [face, *(value.detach() for value in values)]
    for given in ((0,), (1,), (0, 1)):
        outputs = [values[i] for i in given]
        directions = [direction(value, i) for i, value in zip(given, outputs, strict=True)]
        found += torch.autograd.grad(outputs, points, directions, retain_graph=True)
    return found


def direction(value: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(value.shape, generator=generator, device="cpu").to(value)


def check_same(found: list[Tensor], wanted: list[Tensor]) -> None:
    """Faces are alike, values and gradients after one rounding."""
    assert torch.equal(found[0].cpu(), wanted[0])
    for value, exact in zip(found[1:], wanted[1:], strict=True):
        assert value.shape == exact.shape and value.dtype == torch.float32
        if exact.numel():
            assert (value.cpu() - exact).abs().max() <= ROUNDING * exact.abs().max()


def references(points: Tensor, faces: Tensor, size: Size, perspective: bool) -> list[Tensor]:
    """What :func:`drawn` gives, in double precision."""
    exact = points.detach().cpu().double().requires_grad_()
    face, *values = rasterize_reference(exact, faces.cpu(), size, perspective)
    wanted = [face, *(value.detach() for value in values)]
    for given in ((0,), (1,), (0, 1)):
        outputs = [values[i] for i in given]
        directions = [direction(value.float(), i).double() for i, value in zip(given, outputs, strict=True)]
        wanted += torch.autograd.grad(outputs, exact, directions, retain_graph=True)
    return wanted


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("batch, faces, size", SIZES, ids=str)
def test_values_and_gradients_are_the_references(
    batch: int, faces: int, size: Size, perspective: bool, machine: Emulator | Gpu
) -> None:
    points, corners = soup(batch, faces, size)
    found = drawn(points, corners, size, perspective)
    assert {kernel for op, kernel in machine.launched if op == "rasterize"} == {
        *("rasterize_boxes", "rasterize", "rasterize_gradient", "rasterize_vertices")
    }
    wanted = references(points, corners, size, perspective)
    check_same(found, wanted)
    assert size == (1, 1) or bool((wanted[0] >= 0).any())


def around_the_camera(faces: int) -> tuple[Tensor, Tensor]:
    """Triangles in space around the camera; most reach behind it, where column and row come times depth."""
    generator = torch.Generator().manual_seed(0)
    space = torch.rand(2, 3 * faces, 3, generator=generator, device="cpu") - 0.5
    space = space * torch.tensor([3.0, 3.0, 1.6], device="cpu") + torch.tensor([0, 0, 0.35], device="cpu")
    depth = space[..., 2:]
    plane = 40 * space[..., :2] + torch.tensor([26.3, 18.1], device="cpu") * depth
    points = torch.cat([plane / torch.where(depth > 0, depth, 1), depth], dim=-1)
    return amid_nan(points, 16), here(torch.arange(3 * faces, device="cpu").view(faces, 3))


def test_faces_that_reach_behind_the_camera_are_the_references(machine: Emulator | Gpu) -> None:
    points, corners = around_the_camera(60)
    found, wanted = drawn(points, corners, (37, 53)), references(points, corners, (37, 53), True)
    check_same(found, wanted)
    behind = (points[:1, corners][..., 2] < 0).any(-1)[0].cpu()
    assert behind[wanted[0][0].clamp(min=0)].float().mean() > 0.5
    machine.backwards = True
    assert same_bits(drawn(points, corners, (37, 53)), found)
    later = rasterize(points, corners, (37, 53), near=0.4)[0].cpu()
    exact = points.detach().cpu().double()
    assert torch.equal(later, rasterize_reference(exact, corners.cpu(), (37, 53), near=0.4)[0])
    assert not torch.equal(later, wanted[0])


def test_neighbours_that_reach_behind_the_camera_share_no_pixel(machine: Emulator | Gpu) -> None:
    """A floor from a metre behind to two before it, with a seam through the middles of column 26."""
    z, x = torch.meshgrid(torch.tensor([-1.0, 2.0]), torch.tensor([-4.0, 0.0, 4.0]), indexing="ij")
    plane = torch.stack([40 * x + 26.5 * z, 40 + 18.5 * z], dim=-1)
    places = plane / torch.where(z > 0, z, 1).unsqueeze(-1)
    points = torch.cat([places, z.unsqueeze(-1)], dim=-1).view(1, 6, 3)
    faces = torch.tensor([[0, 1, 3], [4, 3, 1], [1, 2, 4], [5, 4, 2]])
    hits = torch.zeros((1, 100, 53), dtype=torch.int64)
    for face in faces:
        hits += rasterize(points, face[None], (100, 53))[0] >= 0
    assert (hits[:, 40:] == 1).all() and (hits[:, :38] == 0).all()
    assert torch.equal(rasterize(points, faces, (100, 53))[0] >= 0, hits == 1)


@pytest.mark.skipif(cpu_library() is None, reason="the CPU kernels are not built")
@pytest.mark.parametrize("perspective", [True, False])
def test_values_are_bit_by_bit_those_of_the_cpu(
    perspective: bool, machine: Emulator | Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    for points, corners in (soup(2, 300, (37, 53)), around_the_camera(60)):
        found = rasterize(points, corners, (37, 53), perspective)
        with monkeypatch.context() as patch:
            patch.setattr(_cuda, "takes", lambda x: False)
            wanted = rasterize(points.cpu(), corners.cpu(), (37, 53), perspective)
        assert all(torch.equal(a.cpu(), b) for a, b in zip(found, wanted, strict=True))


def test_order_of_threads_alignment_and_company_do_not_matter(machine: Emulator | Gpu) -> None:
    points, corners = soup(3, 300, (37, 53))
    found = drawn(points, corners, (37, 53))
    machine.backwards = True
    assert same_bits(drawn(points, corners, (37, 53)), found), "a barrier is missing, or an order counts"
    assert same_bits(drawn(amid_nan(points.detach(), 15), corners, (37, 53)), found)
    alone = rasterize(points[1:2], corners, (37, 53))
    assert all(torch.equal(a[0], b[1]) for a, b in zip(alone, found, strict=False))


@pytest.mark.parametrize("lattice", [0, 0.5, 1.0])
@pytest.mark.parametrize("count", [30, 700])
def test_neighbours_leave_no_gap_and_share_no_pixel(
    count: int, lattice: float, machine: Emulator | Gpu
) -> None:
    """On lattices of half a pixel, edges and corners run through the middles of very many pixels."""
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(count, 2, generator=generator, device="cpu") * 28 - 2
    corners = torch.tensor([[-9.0, -9], [-9, 40], [40, -9], [40, 40]], device="cpu")
    places = torch.cat([corners, places])
    if lattice:
        places = torch.unique((places / lattice).round() * lattice, dim=0)
    faces = torch.from_numpy(Delaunay(places.double().numpy()).simplices).long()
    turned = torch.rand(len(faces), generator=generator, device="cpu") < 0.5
    faces = torch.where(turned[:, None], faces[:, [0, 2, 1]], faces)
    depth = 1 + torch.rand(len(places), 1, generator=generator, device="cpu")
    points, faces = here(torch.cat([places, depth], 1)[None]), here(faces)
    whole = rasterize(points, faces, (24, 24))[0]
    assert int(whole.min()) >= 0
    hits = torch.zeros_like(whole)
    for part in range(7):
        hits += rasterize(points, faces[part::7], (24, 24))[0] >= 0
    assert torch.equal(hits, torch.ones_like(hits))


def test_equally_near_faces_show_the_lowest_index(machine: Emulator | Gpu) -> None:
    points, corners = soup(1, 200, (20, 20))
    doubled = torch.cat([corners, corners.flip(0)])
    for backwards in (False, True):
        machine.backwards = backwards
        assert torch.equal(rasterize(points, doubled, (20, 20))[0], rasterize(points, corners, (20, 20))[0])


def test_a_mesh_that_slides_is_seen_as_it_stands(machine: Emulator | Gpu) -> None:
    """A picture of the mesh moved by whole pixels is the picture moved; boxes and tiles begin elsewhere."""
    points, corners = soup(1, 150, (40, 40))
    points = (points.detach() * 64).round() / 64  # moves without rounding
    still = rasterize(points, corners, (40, 40))[0]
    for across, down in ((1, 0), (0, 3), (9, 5)):
        moved = points + torch.tensor([across, down, 0.0])
        found = rasterize(moved, corners, (40, 40))[0]
        assert torch.equal(found[:, down:, across:], still[:, : 40 - down, : 40 - across])


UNSEEN: dict[str, list] = {
    "NaN column": [[NAN, 0, 1], [9, 0, 1], [0, 9, 1]],
    "NaN depth": [[0, 0, 1], [9, 0, NAN], [0, 9, 1]],
    "infinite row": [[0, 0, 1], [9, 0, 1], [0, INFINITY, 1]],
    "infinite depth": [[0, 0, 1], [9, 0, 1], [0, 9, INFINITY]],
    "behind the camera": [[0, 0, -1], [9, 0, -1], [0, 9, -2]],
    "nearer than is seen": [[0, 0, 1e-4], [9, 0, 5e-4], [0, 9, 1e-3]],
    "not finite, and partly behind": [[0, 0, 1], [NAN, 0, -1], [0, 9, 1]],
    "on the camera": [[0, 0, 0], [9, 0, 0], [0, 9, 0]],
    "a line": [[0, 0, 1], [4, 4, 1], [9, 9, 1]],
    "a point": [[2.5, 2.5, 1]] * 3,
    "between middles": [[2.6, 2.6, 1], [3.4, 2.6, 1], [2.6, 3.4, 1]],
    "beside the picture": [[10, 0, 1], [19, 0, 1], [10, 9, 1]],
    "far beside the picture": [[-1e30, 0, 1], [-1e20, 0, 1], [-1e30, 1e30, 1]],
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_seen_is_left_out(name: str, machine: Emulator | Gpu) -> None:
    """Beside a face that can, whose gradient it must not spoil."""
    corners = UNSEEN[name] + [[0, 0, 5], [4, 0, 5], [0, 4, 5]]
    points = torch.tensor([corners], dtype=torch.float32, requires_grad=True)
    face, _, _, *gradients = drawn(points, torch.arange(6).view(2, 3), (8, 8))
    assert sorted(face.unique().tolist()) == [-1, 1]
    for gradient in gradients:
        assert (gradient[0, :3] == 0).all() and gradient.isfinite().all() and gradient[0, 3:].any()


@pytest.mark.parametrize("batch, vertices, faces", [(0, 3, 1), (1, 0, 0), (2, 3, 0), (0, 0, 0)])
def test_nothing_to_see(batch: int, vertices: int, faces: int, machine: Emulator | Gpu) -> None:
    points = torch.ones(batch, vertices, 3, requires_grad=True)
    found = drawn(points, torch.zeros(faces, 3, dtype=torch.int64), (3, 5))
    assert [tuple(x.shape) for x in found[:3]] == [(batch, 3, 5), (batch, 3, 5, 3), (batch, 3, 5)]
    assert (found[0] == -1).all() and not any(value.any() for value in found[1:])


def test_opcheck(machine: Emulator | Gpu) -> None:
    points, faces = soup(2, 30, (9, 12))
    torch.library.opcheck(torch.ops.meshanim.rasterize.default, (points, faces, 9, 12, True, 1e-3))
    face, weights, depth = (value.detach() for value in rasterize(points, faces, (9, 12)))
    arguments = (points.detach(), faces, weights, depth, face, weights.clone(), None, True)
    torch.library.opcheck(torch.ops.meshanim.rasterize_backward.default, arguments)


def test_every_kernel_is_launched(emulator: Emulator) -> None:
    drawn(*soup(1, 10, (5, 5)), (5, 5))
    assert emulator.kernels("rasterize", torch.float32) == {kernel for _, kernel in emulator.launched}


@pytest.mark.parametrize("dtype", [torch.float64, *_nvrtc.SCALARS])
def test_only_single_precision_is_taken(dtype: torch.dtype, emulator: Emulator) -> None:
    assert _cuda.takes(torch.zeros(1, dtype=dtype)) or dtype == torch.float64
    points, faces = soup(1, 10, (5, 5))
    rasterize(points.detach().to(dtype), faces, (5, 5))
    assert bool(emulator.launched) == (dtype == torch.float32)
