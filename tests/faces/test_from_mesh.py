"""A user's mesh takes the motion of the face whose topology it has."""

from __future__ import annotations

import warnings

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import face_from_mesh
from meshanim.mesh import Mesh, axis_angle_to_matrix

# Deformation gradients divide float32 sides of a few millimetres: a relative 1e-5 on units of 0.03 m.
ROUNDING = 1e-6


def test_the_models_own_neutral_moves_as_the_model(anny):
    face = face_from_mesh(anny.neutral, anny)
    assert face.identity_names == () and face.weight_names == anny.weight_names
    assert (face.units - anny.units).abs().max() < ROUNDING
    for name, joint in face.joints().items():
        assert (joint.position - anny.joints()[name].position).norm() < ROUNDING


def test_a_mesh_in_double_precision_moves_as_in_single(anny):
    face = face_from_mesh(anny.neutral.with_vertices(anny.neutral.vertices.double()), anny)
    assert face.neutral.vertices.dtype == torch.float32
    assert (face.units - anny.units).abs().max() < ROUNDING


def test_gradients_reach_the_mesh_without_a_warning(anny):
    own = anny.neutral.vertices.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        face = face_from_mesh(anny.neutral.with_vertices(own), anny)
        face.vertices(weights=torch.full((len(face.weight_names),), 0.2)).square().sum().backward()
    assert own.grad is not None and bool(own.grad.isfinite().all()) and bool(own.grad.any())


def test_a_turned_and_scaled_head_moves_turned_and_scaled(anny):
    linear = 1.3 * axis_angle_to_matrix(torch.tensor([0.2, -0.4, 0.1]))
    shift = torch.tensor([0.0, 0.2, -0.1])
    face = face_from_mesh(anny.neutral.with_vertices(anny.neutral.vertices @ linear.T + shift), anny)
    # A surface has no thickness: its unit normal is turned, not scaled, and so is what moves along it. Lids
    # end in space off that surface, which follows it within some per cent.
    size = (face.units.norm(dim=-1) / anny.units.norm(dim=-1).clamp(min=1e-3))[anny.units.norm(dim=-1) > 2e-3]
    assert size.min() > 1 - 1e-3 and size.max() < 1.3 + 3e-2
    for name, joint in face.joints().items():
        assert (joint.position - (linear @ anny.joints()[name].position + shift)).norm() < 1e-5


def test_a_turned_head_moves_turned(anny):
    turn = axis_angle_to_matrix(torch.tensor([0.2, -0.4, 0.1]))
    face = face_from_mesh(anny.neutral.with_vertices(anny.neutral.vertices @ turn.T), anny)
    assert (face.units - anny.units @ turn.T).abs().max() < 1e-5


def test_a_person_moves_as_the_model_has_it(anny):
    someone = anny.sample_identity(torch.Generator().manual_seed(2), 1)[0]
    face = face_from_mesh(anny.neutral.with_vertices(anny.rest(someone)), anny)
    assert (face.units - anny.basis(someone)).abs().max() < ROUNDING
    for name, joint in anny.joints(someone).items():
        # The model knows its bones; the mesh tells of them by what they turn.
        assert (face.joints()[name].position - joint.position).norm() < 0.01


def test_a_rough_surface_does_not_tear(anny):
    noise = 3e-4 * torch.randn(anny.neutral.vertices.shape, generator=torch.Generator().manual_seed(0))
    face = face_from_mesh(anny.neutral.with_vertices(anny.neutral.vertices + noise), anny)
    # A scan's 0.3 mm of noise turns single faces by ten degrees and more, their mean over 12 mm by a few.
    moved = (face.units - anny.units).norm(dim=-1)
    assert moved.max() < 0.1 * anny.units.norm(dim=-1).max()


def test_names_and_groups_are_the_models_and_texture_the_meshs(anny):
    bare = Mesh(anny.neutral.vertices, anny.neutral.faces)
    face = face_from_mesh(bare, anny)
    assert face.neutral.uv is anny.neutral.uv and face.neutral.landmarks == anny.neutral.landmarks
    assert set(face.neutral.groups) == set(anny.neutral.groups)
    uv = torch.rand(len(bare.vertices), 2)
    assert face_from_mesh(Mesh(bare.vertices, bare.faces, uv, bare.faces), anny).neutral.uv is uv


def test_quads_may_be_split_along_either_diagonal(anny):
    faces = anny.neutral.faces.clone()
    # Two triangles that share an edge, (a, b, c) and (a, c, d), become (a, b, d) and (b, c, d).
    first, second = next(
        (0, row)
        for row in range(1, len(faces))
        if len(set(faces[0].tolist()) & set(faces[row].tolist())) == 2
    )
    shared = set(faces[first].tolist()) & set(faces[second].tolist())
    a = next(v for v in faces[first].tolist() if v not in shared)
    d = next(v for v in faces[second].tolist() if v not in shared)
    b, c = shared
    faces[first], faces[second] = torch.tensor([a, b, d]), torch.tensor([a, d, c])
    face = face_from_mesh(Mesh(anny.neutral.vertices, faces), anny)
    assert (face.units - anny.units).abs().max() < ROUNDING


def test_another_topology_is_refused_with_both_counts(anny):
    triangle = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    vertices, faces = len(anny.neutral.vertices), len(anny.neutral.faces)
    with pytest.raises(
        InputError, match=f"topology of anny, {vertices} vertices and {faces} triangles, got 3 vertices and 1"
    ):
        face_from_mesh(triangle, anny)


def test_another_vertex_order_is_refused(anny):
    order = torch.randperm(len(anny.neutral.vertices), generator=torch.Generator().manual_seed(0))
    inverse = torch.argsort(order)
    shuffled = Mesh(anny.neutral.vertices[order], inverse[anny.neutral.faces])
    with pytest.raises(InputError, match=r"in their order.* edges that join others"):
        face_from_mesh(shuffled, anny)


@pytest.mark.parametrize("scale", [100.0, 0.01])
def test_another_unit_of_length_is_refused(anny, scale):
    with pytest.raises(InputError, match=r"mesh must be in metres, about 0\.\d\d across"):
        face_from_mesh(anny.neutral.with_vertices(scale * anny.neutral.vertices), anny)
