"""Several faces around each pixel on the CUDA kernels: what the CPU kernels give, on a CPU and on a GPU too.

Values are made in double precision and rounded once; sums in gradients come in another order, in double
precision too, and are rounded once to float32.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshanim.ops import soft_rasterize, soft_rasterize_reference

from .emulated import Emulator, Gpu, amid_nan, here, same_bits

Size = tuple[int, int]

# One rounding to float32, relative to the largest.
ROUNDING = 2**-23

CASES: list[tuple[int, int, Size, float, int]] = [  # (batch, faces, size, radius, faces kept)
    (1, 30, (1, 1), 2.0, 3),
    (2, 60, (7, 5), 1.5, 1),
    (2, 140, (19, 33), 2.5, 8),
    (1, 90, (9, 17), 0.0, 4),
    (1, 130, (9, 17), 2.5, 16),
    (1, 130, (9, 17), 2.5, 17),
    (1, 140, (9, 17), 4.0, 33),
    (1, 200, (6, 9), 9.0, 64),
]


def soup(batch: int, faces: int, size: Size) -> tuple[Tensor, Tensor]:
    """Triangles of every size in and around a picture, every other two of them with an edge in common."""
    generator = torch.Generator().manual_seed(faces)
    scale = torch.tensor([1.2 * size[1] + 4, 1.2 * size[0] + 4, 1.0], device="cpu")
    place = torch.rand(batch, faces, 1, 3, generator=generator, device="cpu") * scale
    place -= torch.tensor([0.1 * size[1] + 2, 0.1 * size[0] + 2, -0.5], device="cpu")
    length = 10 ** (1.5 * torch.rand(faces, 1, 1, generator=generator, device="cpu"))
    way = torch.rand(batch, faces, 3, 3, generator=generator, device="cpu") - 0.5
    points = place + way * torch.cat([length, length, torch.full_like(length, 0.1)], dim=-1)
    corners = torch.arange(3 * faces, device="cpu").view(faces, 3)
    corners[1::2, :2] = corners[: faces // 2 * 2 : 2, :2]
    return amid_nan(points.flatten(1, 2), 16), here(corners)


def gradients(points: Tensor, values: tuple[Tensor, ...]) -> list[Tensor]:
    """Of the points, from weights, depth, distance, and all three."""
    generator, directions = torch.Generator().manual_seed(2), []
    for value in values:
        directions.append(torch.randn(value.shape, generator=generator, device="cpu").to(value))
    return [
        torch.autograd.grad(
            [values[i] for i in given], points, [directions[i] for i in given], retain_graph=True
        )[0]
        for given in ((0,), (1,), (2,), (0, 1, 2))
    ]


def drawn(points: Tensor, faces: Tensor, size: Size, *others: float) -> list[Tensor]:
    face, *values = soft_rasterize(points, faces, size, *others)  # type: ignore[arg-type]
    return [face, *(value.detach() for value in values), *gradients(points, tuple(values))]


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("batch, faces, size, radius, count", CASES, ids=str)
def test_values_and_gradients_are_the_references(
    batch: int,
    faces: int,
    size: Size,
    radius: float,
    count: int,
    perspective: bool,
    machine: Emulator | Gpu,
) -> None:
    points, corners = soup(batch, faces, size)
    found = drawn(points, corners, size, radius, count, perspective)
    exact = points.detach().cpu().double().requires_grad_()
    face, *values = soft_rasterize_reference(exact, corners.cpu(), size, radius, count, perspective)
    assert torch.equal(found[0].cpu(), face) and bool((face[..., -1] >= 0).any())
    for value, wanted in zip(found[1:4], values, strict=True):
        assert torch.equal(value.cpu(), wanted.detach().float())
    for value, wanted in zip(found[4:], gradients(exact, tuple(values)), strict=True):
        assert (value.cpu() - wanted).abs().max() <= ROUNDING * wanted.abs().max()
    pixels = 128 if count <= 16 else 64 if count <= 32 else 32
    assert ("soft_rasterize", f"soft_rasterize_{pixels}") in machine.launched


def test_order_of_threads_alignment_and_company_do_not_matter(machine: Emulator | Gpu) -> None:
    points, corners = soup(2, 140, (19, 33))
    corners = torch.cat([corners, corners[::3]])  # some twice, equally near
    found = drawn(points, corners, (19, 33), 2.5, 8)
    machine.backwards = True
    again = drawn(points, corners, (19, 33), 2.5, 8)
    assert same_bits(again, found), "a barrier is missing, or an order counts"
    assert same_bits(drawn(amid_nan(points.detach(), 15), corners, (19, 33), 2.5, 8), found)
    alone = soft_rasterize(points[1:], corners, (19, 33), 2.5, 8)
    assert all(torch.equal(a[0], b[1]) for a, b in zip(alone, found, strict=False))


def test_equally_near_faces_come_by_their_index(machine: Emulator | Gpu) -> None:
    points, corners = soup(1, 60, (9, 12))
    doubled = torch.cat([corners, corners.flip(0)])
    wanted = soft_rasterize_reference(points.detach().cpu(), doubled.cpu(), (9, 12), 1.5, 8)[0]
    for backwards in (False, True):
        machine.backwards = backwards
        assert torch.equal(soft_rasterize(points, doubled, (9, 12), 1.5, 8)[0].cpu(), wanted)


def test_fewer_faces_are_the_first_of_more(machine: Emulator | Gpu) -> None:
    """With tiles of every size."""
    points, corners = soup(1, 300, (9, 12))
    many = soft_rasterize(points, corners, (9, 12), 5.0, 64)
    for count in (40, 20, 5):
        few = soft_rasterize(points, corners, (9, 12), 5.0, count)
        assert all(torch.equal(a, b[:, :, :, :count]) for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("batch, vertices, faces", [(0, 3, 1), (1, 0, 0), (2, 3, 0), (1, 3, 1)])
def test_nothing_to_see(batch: int, vertices: int, faces: int, machine: Emulator | Gpu) -> None:
    """Nothing there, or faces without area or behind the camera."""
    points = torch.zeros(batch, vertices, 3, requires_grad=True)
    found = drawn(points, torch.zeros(faces, 3, dtype=torch.int64), (3, 5), 1.0, 2)
    assert found[0].shape == (batch, 3, 5, 2) and (found[0] == -1).all()
    assert not any(value.any() for value in found[1:])


def test_what_is_not_finite_spoils_nothing_else(machine: Emulator | Gpu) -> None:
    points, corners = soup(1, 60, (12, 12))
    wanted = drawn(points, corners[6:], (12, 12), 1.5, 4)
    spoiled = points.detach().clone()
    spoiled[0, 0, 0], spoiled[0, 6, 2] = torch.nan, torch.inf
    spoiled[0, 12:18, 2] = -1.0
    found = drawn(spoiled.requires_grad_(), corners, (12, 12), 1.5, 4)
    seen = found[0].where(found[0] < 0, found[0] - 6)
    assert torch.equal(seen, wanted[0]) and same_bits(found[1:4], wanted[1:4])
    assert all(value.isfinite().all() for value in found[4:])


def test_opcheck(machine: Emulator | Gpu) -> None:
    points, faces = soup(2, 30, (9, 12))
    op = torch.ops.meshanim.soft_rasterize
    torch.library.opcheck(op.default, (points, faces, 9, 12, 1.5, 4, True))


def test_every_kernel_is_launched(emulator: Emulator) -> None:
    for count in (1, 32, 64):
        drawn(*soup(1, 10, (5, 5)), (5, 5), 1.0, count)
    assert emulator.kernels("soft_rasterize", torch.float32) == {name for _, name in emulator.launched}
