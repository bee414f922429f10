import pytest
import torch
from torch.autograd import gradcheck

from meshanim._check import InputError
from meshanim.mesh import axis_angle_to_matrix, deformation_gradients


def test_a_rotation_is_found_again(ict, rotation):
    points = ict.vertices.double()
    found = deformation_gradients(points, points @ rotation.T, ict.faces)
    # Sides of 0.1 mm against a head of 0.3 m cost four digits of float64.
    torch.testing.assert_close(found, rotation.expand_as(found), atol=1e-9, rtol=0)


def test_scale_acts_along_the_surface_and_not_across(sphere):
    points = sphere.vertices.double()
    found = deformation_gradients(points, 2 * points, sphere.faces)
    across = torch.einsum("vij,vj->vi", found, points)
    # Normals of the faces around lean by up to 0.06 from the vertex's own.
    assert (across - points).norm(dim=-1).max() < 0.02
    tangent = torch.linalg.cross(points, torch.tensor([0.3, 0.5, 0.8], dtype=torch.float64).expand_as(points))
    along = torch.einsum("vij,vj->vi", found, tangent)
    assert (along - 2 * tangent).norm(dim=-1).max() < 0.02


def test_many_targets_at_once(tetrahedron):
    turns = axis_angle_to_matrix(torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0)))
    targets = torch.einsum("...ij,vj->...vi", turns, tetrahedron.vertices)
    found = deformation_gradients(tetrahedron.vertices, targets, tetrahedron.faces)
    assert found.shape == (5, 2, 4, 3, 3)
    torch.testing.assert_close(found, turns[:, :, None].expand_as(found), atol=1e-5, rtol=0)


def test_no_face_or_no_area_gives_the_identity(with_isolated):
    points = with_isolated.vertices
    found = deformation_gradients(points, points * 3, with_isolated.faces)
    assert torch.equal(found[1], torch.eye(3))
    flat = deformation_gradients(torch.zeros(4, 3), points, with_isolated.faces)
    assert torch.equal(flat, torch.eye(3).expand(4, 3, 3))


def test_derivatives(tetrahedron):
    source = tetrahedron.vertices.double().requires_grad_()
    target = (source.detach() * torch.tensor([1.0, 1.2, 0.7]) + 0.1).requires_grad_()
    assert gradcheck(lambda s, t: deformation_gradients(s, t, tetrahedron.faces), (source, target))


def test_other_types_are_refused(tetrahedron):
    with pytest.raises(InputError, match="target_vertices must be of type"):
        deformation_gradients(tetrahedron.vertices, tetrahedron.vertices.double(), tetrahedron.faces)
