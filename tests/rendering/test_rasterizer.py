"""The rasterizer against one that looks at each pixel and each face in turn."""

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import Camera, rasterize


def one_by_one(points, faces, size):
    """Nearest face and perspective-correct barycentrics of every pixel, in plain float64."""
    height, width = size
    face_map, weights = np.full(size, -1), np.zeros((*size, 3))
    nearest = np.full(size, np.inf)
    for index, face in enumerate(faces.tolist()):
        corner = points[face].double().numpy()
        system = np.stack([corner[:, 0], corner[:, 1], np.ones(3)])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        inverse = np.linalg.inv(system)
        for row in range(height):
            for column in range(width):
                share = inverse @ [column + 0.5, row + 0.5, 1.0]
                if (share < 0).any():
                    continue
                over = share / corner[:, 2]
                depth = 1 / over.sum()
                if depth < nearest[row, column]:
                    nearest[row, column], face_map[row, column] = depth, index
                    weights[row, column] = over * depth
    return face_map, weights, nearest


def test_agrees_with_one_by_one():
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(30, 3, generator=generator) * torch.tensor([40.0, 32.0, 1.0])
    points += torch.tensor([-5.0, -4.0, 0.5])
    faces = torch.stack([torch.randperm(30, generator=generator)[:3] for _ in range(25)])
    size = (24, 30)
    got = rasterize(points, faces, size)
    face_map, weights, depth = one_by_one(points, faces, size)
    row, column = got.pixel.numpy() // 30, got.pixel.numpy() % 30
    shown = np.full(size, -1)
    shown[row, column] = got.face.numpy()
    assert np.array_equal(shown, face_map)
    # Barycentrics are handed out in float32.
    assert np.abs(got.barycentric.numpy() - weights[row, column]).max() < 1e-5
    assert np.abs(got.depth.numpy() - depth[row, column]).max() < 1e-5


def grid(count, size, generator):
    """A plane of count x count jittered points over the whole picture, as triangles."""
    lines = torch.linspace(0, 1, count)
    points = torch.cartesian_prod(lines, lines)
    inner = ((points > 0) & (points < 1)).all(1)
    points[inner] += (torch.rand(int(inner.sum()), 2, generator=generator) - 0.5) * 0.6 / count
    points = points * torch.tensor([size[1], size[0]])
    index = torch.arange(count * count).view(count, count)
    a, b, c, d = (part.flatten() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    return torch.cat([points, torch.ones(len(points), 1)], 1), faces


def test_neighbours_leave_no_gap_and_share_no_pixel():
    size = (64, 64)
    # Points on pixel middles make edges run exactly through them.
    for points, faces in (grid(9, size, torch.Generator().manual_seed(0)), grid(65, size, torch.Generator())):
        points = points + torch.tensor([0.5, 0.5, 0.0]) if len(points) > 100 else points
        hits = torch.zeros(64 * 64, dtype=torch.int64)
        for start in range(0, len(faces), 1 if len(faces) < 200 else 512):
            part = faces[start : start + (1 if len(faces) < 200 else 512)]
            hits[rasterize(points, part, size).pixel] += 1
        assert int(hits.max()) == 1
        assert int(hits.min()) == 1 or len(points) > 100  # the shifted grid leaves the first row and column


def test_interpolated_positions_project_onto_their_pixels():
    camera = Camera.looking_at((0.2, 0.1, 0.8), (0, 0, 0), 40, (50, 60))
    vertices = torch.tensor([[-0.3, -0.2, 0.2], [0.3, -0.25, -0.3], [0.05, 0.3, 0.1], [0.4, 0.3, -0.6]])
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]])
    got = rasterize(camera.project(vertices), faces, camera.size)
    assert len(got.pixel) > 300
    projected = camera.project(got.interpolate(vertices, faces))
    middle = torch.stack([got.pixel % 60 + 0.5, got.pixel // 60 + 0.5], 1)
    # Screen-linear weights would be off by whole pixels on these slanted faces; this is float32 rounding.
    assert (projected[:, :2] - middle).abs().max() < 1e-3
    assert torch.allclose(projected[:, 2], got.depth, atol=1e-5)
    assert torch.allclose(got.barycentric.sum(1), torch.ones(len(got.pixel)), atol=1e-6)


def test_front_is_the_counter_clockwise_side():
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), 40, (20, 20))
    points = camera.project(torch.tensor([[-0.1, -0.1, 0.0], [0.1, -0.1, 0.0], [0.0, 0.1, 0.0]]))
    assert bool(rasterize(points, torch.tensor([[0, 1, 2]]), camera.size).front.all())
    assert not bool(rasterize(points, torch.tensor([[0, 2, 1]]), camera.size).front.any())


def test_what_cannot_be_seen_is_left_out():
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), 40, (20, 20))
    behind = torch.tensor([[-0.1, -0.1, 2.0], [0.1, -0.1, 2.0], [0.0, 0.1, 0.0]])
    flat = torch.tensor([[-0.1, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    aside = torch.tensor([[5.0, 0.0, 0.0], [5.1, 0.0, 0.0], [5.0, 0.1, 0.0]])
    for vertices in (behind, flat, aside):
        assert len(rasterize(camera.project(vertices), torch.tensor([[0, 1, 2]]), camera.size).pixel) == 0
    assert len(rasterize(torch.zeros(1, 3), torch.zeros(0, 3, dtype=torch.int64), (4, 4)).pixel) == 0


def test_bad_faces_are_named():
    with pytest.raises(InputError, match=r"faces must lie in \[0, 3\)"):
        rasterize(torch.ones(3, 3), torch.tensor([[0, 1, 3]]), (4, 4))
