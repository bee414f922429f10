import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from meshanim._check import InputError, MissingExtra
from meshanim.mesh import Mesh


def same(one: Mesh, other: Mesh) -> bool:
    return torch.equal(one.vertices, other.vertices) and torch.equal(one.faces, other.faces)


def test_trimesh_and_back(ict, with_isolated):
    for mesh in (ict, with_isolated):
        there = mesh.to_trimesh()
        assert len(there.vertices) == len(mesh.vertices)
        assert same(Mesh.from_trimesh(there), mesh)


def test_texture_coordinates_travel_where_they_have_no_seams(tetrahedron):
    uv = torch.rand(4, 2)
    mesh = Mesh(tetrahedron.vertices, tetrahedron.faces, uv, tetrahedron.faces)
    back = Mesh.from_trimesh(replace(mesh, uv=uv.clone().requires_grad_()).to_trimesh())
    assert back.uv is not None and torch.equal(back.uv, uv)
    cut = Mesh(tetrahedron.vertices, tetrahedron.faces, torch.rand(12, 2), torch.arange(12).reshape(4, 3))
    assert Mesh.from_trimesh(cut.to_trimesh()).uv is None


def test_a_processed_trimesh_comes_in_as_it_is():
    box = trimesh.creation.box()
    assert np.array_equal(Mesh.from_trimesh(box).vertices.numpy(), box.vertices.astype(np.float32))


def test_pyg_and_back(torus):
    geometric = pytest.importorskip("torch_geometric", reason="torch-geometric is an extra")
    data = torus.to_pyg()
    assert data.validate() and data.is_undirected() and not data.has_isolated_nodes()
    assert same(Mesh.from_pyg(data), torus)
    # torch-geometric's own way from faces to edges is the oracle
    oracle = geometric.transforms.FaceToEdge(remove_faces=False)(data.clone())
    assert torch.equal(oracle.edge_index, data.edge_index)
    del data.face
    with pytest.raises(InputError, match="must have pos and face, but it has no face"):
        Mesh.from_pyg(data)


def test_openmesh_and_back(torus, ict, with_isolated):
    pytest.importorskip("openmesh", reason="openmesh is an extra")
    for mesh in (torus, ict, with_isolated):
        assert same(Mesh.from_openmesh(mesh.to_openmesh()), mesh)


def test_openmesh_would_drop_faces_of_a_fault(tetrahedron):
    pytest.importorskip("openmesh", reason="openmesh is an extra")
    twice = Mesh(tetrahedron.vertices, torch.cat([tetrahedron.faces, torch.tensor([[1, 2, 0], [0, 0, 1]])]))
    with pytest.raises(InputError, match=r"must be an oriented manifold, got 3 non-manifold edges"):
        twice.to_openmesh()


def test_pytorch3d_and_back(torus):
    structures = pytest.importorskip("pytorch3d.structures", reason="PyTorch3D is an extra")
    vertices = torus.vertices.clone().requires_grad_()
    there = Mesh(vertices, torus.faces).to_pytorch3d()
    assert same(Mesh.from_pytorch3d(there), torus)
    there.verts_packed().square().sum().backward()
    assert torch.equal(vertices.grad, 2 * torus.vertices)
    with pytest.raises(InputError, match="other must hold one mesh, got 2"):
        Mesh.from_pytorch3d(structures.join_meshes_as_batch([there, there]))


@pytest.mark.parametrize(
    ("package", "method", "extra"),
    [
        ("torch_geometric.data", "to_pyg", "geometric"),
        ("openmesh", "to_openmesh", "openmesh"),
        ("pytorch3d.structures", "to_pytorch3d", "pytorch3d"),
    ],
)
def test_a_missing_package_is_named(tetrahedron, monkeypatch, package, method, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'meshanim\[{extra}\]'"):
        getattr(tetrahedron, method)()
