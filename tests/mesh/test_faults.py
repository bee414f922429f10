import torch

from meshanim.mesh import Mesh, find_faults, mesh_report


def test_a_clean_mesh_has_none(sphere, ict):
    assert find_faults(sphere) == ()
    assert mesh_report(sphere).lines() == [
        "2562 vertices, 7680 edges, 5120 triangles",
        "1 connected component, Euler characteristic 2",
        "0 boundaries with 0 edges",
        "size 2 x 2 x 2 m",
        "no faults found",
    ]
    assert mesh_report(ict).components == 56


def test_every_fault_has_its_line(bow_tie):
    points = torch.cat([bow_tie.vertices, torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])])
    extra = torch.tensor([[5, 6, 7], [0, 1, 2], [1, 1, 2], [1, 2, 8]])
    mesh = Mesh(points, torch.cat([bow_tie.faces, extra]))
    assert [str(fault) for fault in find_faults(mesh)] == [
        "1 faces that name a vertex twice (4): they are left out",
        "1 faces without area (2): they have no normal",
        "1 duplicate faces (3): all but the first are left out",
        "1 non-manifold vertices (0): separate fans of faces meet there",
        "1 inconsistent edges ([1, 2]): one of their faces is inside out",
        "2 coincident vertices (0, 5): the mesh may be cut along texture seams",
    ]


def test_isolated_and_non_manifold_edges_are_named(with_isolated):
    names = [fault.name for fault in find_faults(with_isolated)]
    assert names == ["isolated vertices"]
    three = Mesh(torch.eye(5, 3), torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]]))
    assert "1 non-manifold edges ([0, 1]): more than two faces meet there" in mesh_report(three).lines()
