import pytest
import torch
from torch.autograd import gradcheck

from meshanim.mesh import face_areas, face_normals, vertex_normals


def test_known_triangle():
    points = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 3, 0]])
    faces = torch.tensor([[0, 1, 2]])
    assert torch.equal(face_normals(points, faces), torch.tensor([[0.0, 0, 1]]))
    assert torch.equal(face_areas(points, faces), torch.tensor([3.0]))
    assert torch.equal(vertex_normals(points, faces), torch.tensor([[0.0, 0, 1]]).expand(3, 3))


def test_a_sphere_has_its_area_and_its_points_as_normals(sphere):
    points = sphere.vertices
    # A sphere of 5,120 faces: the polyhedron is 0.3 % smaller; its normals lean by 0.006 at most.
    area = face_areas(points, sphere.faces).sum() / (4 * torch.pi)
    assert 0.995 < area < 1
    assert (vertex_normals(points, sphere.faces) - points).norm(dim=-1).max() < 0.006


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_small_faces_in_16_bits_have_normals_and_areas(sphere, dtype):
    points = sphere.vertices.to(dtype) * 0.125  # faces of a centimetre, whose areas square to nothing
    normals, areas = face_normals(points, sphere.faces), face_areas(points, sphere.faces)
    exact = face_normals(points.double(), sphere.faces)
    assert normals.dtype == areas.dtype == dtype
    torch.testing.assert_close(normals.double(), exact, atol=0.01, rtol=0)
    torch.testing.assert_close(
        areas.double(), face_areas(points.double(), sphere.faces), atol=1e-7, rtol=0.01
    )
    torch.testing.assert_close(
        vertex_normals(points, sphere.faces).norm(dim=-1).double(),
        torch.ones(len(points)).double(),
        atol=0.01,
        rtol=0,
    )


def test_rotation_turns_normals_and_keeps_areas(ict, rotation):
    points = ict.vertices.double()
    turned = points @ rotation.T
    # float64 rounding only: cross products of neighbours lose 6 digits of 16
    torch.testing.assert_close(
        vertex_normals(turned, ict.faces),
        vertex_normals(points, ict.faces) @ rotation.T,
        atol=1e-8,
        rtol=0,
    )
    torch.testing.assert_close(face_areas(turned, ict.faces), face_areas(points, ict.faces))


def test_larger_faces_count_more_at_a_vertex():
    # Two faces along one edge, one upwards and three times as large as the other, which looks along X.
    points = torch.tensor([[0.0, 0, 0], [0, 1, 0], [-3, 0, 0], [0, 0, -1]])
    faces = torch.tensor([[0, 1, 2], [0, 3, 1]])
    assert face_areas(points, faces).tolist() == [1.5, 0.5]
    normal = vertex_normals(points, faces)[0]
    torch.testing.assert_close(
        normal, (face_normals(points, faces) * torch.tensor([[3.0], [1]])).sum(0) / 10**0.5
    )


def test_batches_are_independent(tetrahedron):
    points = torch.stack([tetrahedron.vertices * scale for scale in (1.0, 2.0, -3.0)]).unsqueeze(1)
    for function in (face_normals, face_areas, vertex_normals):
        batch = function(points, tetrahedron.faces)
        for i in range(3):
            assert torch.equal(batch[i, 0], function(points[i, 0], tetrahedron.faces))


def test_derivatives(tetrahedron):
    points = tetrahedron.vertices.double().requires_grad_()
    for function in (face_normals, face_areas, vertex_normals):
        assert gradcheck(lambda p, f=function: f(p, tetrahedron.faces), points)


def test_no_area_gives_zero_and_finite_derivatives(with_isolated):
    points = torch.zeros(4, 3, requires_grad=True)
    total = vertex_normals(points, with_isolated.faces).sum() + face_areas(points, with_isolated.faces).sum()
    total.backward()
    assert total == 0 and points.grad is not None and torch.isfinite(points.grad).all()
