"""Packed texture maps: nothing overlaps, nothing is cut, everything is upright and equally large."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh, face_areas, repacked


def islands(quarters=3):
    """Three upright squares of sides 2, 1 and 1 cm; the map draws all in one place, one turned by so many
    quarters, one small."""
    square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    vertices = torch.cat([0.02 * square, 0.01 * square + 1, 0.01 * square + 2])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    turned = square[:, :2].roll(-quarters, dims=0)
    uv = torch.cat([square[:, :2], turned, 0.1 * square[:, :2]])
    triangles = torch.cat([faces + start for start in (0, 4, 8)])
    return Mesh(vertices, triangles, uv, triangles)


def packed(mesh, gap=1 / 256):
    """The mesh with its map packed, which it certainly has."""
    result = repacked(mesh, gap)
    assert result.uv is not None and result.uv_faces is not None
    return result


def map_areas(mesh):
    flat = torch.cat([mesh.uv, torch.zeros_like(mesh.uv[:, :1])], dim=1)
    return face_areas(flat, mesh.uv_faces)


def test_islands_keep_apart_inside_the_square():
    mesh = packed(islands(), gap=0.02)
    boxes = [(part.amin(0), part.amax(0)) for part in mesh.uv.split(4)]
    assert mesh.uv.min() >= 0.02 - 1e-6 and mesh.uv.max() <= 0.98 + 1e-6
    for index, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:index]:
            assert (torch.maximum(other_low - high, low - other_high) >= 0.02 - 1e-6).any()


@pytest.mark.parametrize("quarters", range(4))
def test_every_island_is_as_large_as_its_surface_and_upright(quarters):
    mesh = packed(islands(quarters))
    share = map_areas(mesh) / face_areas(mesh.vertices, mesh.faces)
    torch.testing.assert_close(share, share[:1].expand_as(share))
    for start in (0, 4, 8):
        right, up = mesh.uv[start + 1] - mesh.uv[start], mesh.uv[start + 3] - mesh.uv[start]
        assert right[0] > 0 and abs(right[1]) < 1e-6 and up[1] > 0 and abs(up[0]) < 1e-6


def test_the_square_is_used():
    mesh = packed(islands(), gap=0.0)
    # Sides 2, 1, 1 in rows, highest first: 2 and 1 beside each other, 1 above, three units each way.
    assert float(mesh.uv.max()) == pytest.approx(1.0, abs=1e-5)
    assert float(map_areas(mesh).sum()) == pytest.approx(6 / 9, rel=1e-5)


def test_vertices_and_faces_stay():
    before = islands()
    after = packed(before)
    assert torch.equal(after.vertices, before.vertices) and torch.equal(after.uv_faces, before.uv_faces)


def test_bad_meshes_are_named():
    bare = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(InputError, match="mesh must have texture coordinates"):
        repacked(bare)
    drawn = islands()
    with pytest.raises(InputError, match="mesh must have texture islands of some size"):
        repacked(Mesh(drawn.vertices, drawn.faces, torch.zeros(12, 2), drawn.faces))
    many = islands()
    count = 40
    copies = Mesh(
        many.vertices.repeat(count, 1),
        torch.cat([many.faces + 12 * k for k in range(count)]),
        many.uv.repeat(count, 1),
        torch.cat([many.faces + 12 * k for k in range(count)]),
    )
    with pytest.raises(InputError, match="mesh must have few enough islands"):
        repacked(copies, gap=0.1)
