import numpy as np
import pytest
import torch
import trimesh

from meshanim.mesh import Mesh, Topology


def ring(topology: Topology, vertex: int) -> list[int]:
    return [i for i in topology.one_rings[vertex].tolist() if i >= 0]


def same_cycle(one: list[int], other: list[int]) -> bool:
    return len(one) == len(other) and any(one == other[i:] + other[:i] for i in range(len(other)))


def test_a_tetrahedron_has_known_edges_and_rings_and_no_boundary(tetrahedron):
    topology = tetrahedron.topology
    assert topology.edges.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    # Seen from below (outside of vertex 3's opposite), around vertex 3: faces 0-1-3, 1-2-3, 0-3-2.
    assert ring(topology, 3) == [0, 1, 2]
    assert ring(topology, 0) == [1, 3, 2]
    assert len(topology.boundary_edges) == 0 and topology.boundary_loops == 0
    assert topology.euler_characteristic == 2
    assert topology.components.tolist() == [0, 0, 0, 0]


def test_half_edges_run_against_their_twins(tetrahedron):
    half_edges, twins = tetrahedron.topology.half_edges, tetrahedron.topology.twins
    assert half_edges.shape == (12, 2)
    assert torch.equal(half_edges[twins], half_edges.flip(1))


def test_open_rings_begin_at_the_boundary(strip):
    topology = strip.topology
    # Around vertex 1, counter-clockwise from the right: 2, 6, 5, 0; the boundary lies below.
    assert ring(topology, 1) == [2, 6, 5, 0]
    assert ring(topology, 5) == [4, 0, 1, 6]
    assert ring(topology, 0) == [1, 5, 4]
    assert topology.boundary_vertices.tolist() == list(range(8))
    assert topology.boundary_loops == 1
    assert sorted(topology.boundary_edges.tolist()) == sorted(
        [[0, 1], [1, 2], [2, 3], [3, 7], [7, 6], [6, 5], [5, 4], [4, 0]]
    )


def test_bow_tie_is_non_manifold_and_has_one_fan_after_the_other(bow_tie):
    topology = bow_tie.topology
    assert topology.non_manifold_vertices.tolist() == [0]
    assert len(topology.non_manifold_edges) == 0
    assert ring(topology, 0) == [1, 2, 3, 4]
    assert topology.component_count == 1
    assert topology.boundary_loops == 1


def test_isolated_vertices_are_components(with_isolated, single_vertex):
    topology = with_isolated.topology
    assert topology.isolated_vertices.tolist() == [1]
    assert topology.components.tolist() == [0, 1, 0, 0]
    assert topology.component_count == 2
    assert ring(topology, 1) == []
    alone = single_vertex.topology
    assert alone.one_rings.shape == (1, 0)
    assert alone.components.tolist() == [0] and alone.isolated_vertices.tolist() == [0]
    assert alone.boundary_vertices.tolist() == [] and alone.non_manifold_vertices.tolist() == []


def test_three_faces_at_an_edge():
    points = torch.rand(5, 3)
    topology = Mesh(points, torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])).topology
    assert topology.non_manifold_edges.tolist() == [[0, 1]]
    assert topology.non_manifold_vertices.tolist() == [0, 1]
    assert sorted(ring(topology, 0)) == [1, 2, 3, 4]


def test_a_turned_face_is_inconsistent_but_manifold():
    topology = Mesh(torch.rand(4, 3), torch.tensor([[0, 1, 2], [1, 2, 3]])).topology
    assert topology.inconsistent_edges.tolist() == [[1, 2]]
    assert topology.non_manifold_vertices.tolist() == []
    assert sorted(ring(topology, 1)) == [0, 2, 3]


def test_degenerate_and_duplicate_faces_are_left_out():
    faces = torch.tensor([[0, 1, 2], [0, 0, 1], [2, 0, 1], [3, 3, 3], [0, 2, 1]])
    topology = Mesh(torch.rand(4, 3), faces).topology
    assert topology.degenerate_faces.tolist() == [1, 3]
    assert topology.duplicate_faces.tolist() == [2]
    # What is left is a triangle with two sides, which is a closed surface.
    assert topology.euler_characteristic == 2 and len(topology.boundary_edges) == 0
    assert topology.isolated_vertices.tolist() == [3]


@pytest.mark.parametrize("name", ["sphere", "torus", "grid", "tetrahedron", "strip", "ict"])
def test_against_openmesh(name, request):
    openmesh = pytest.importorskip("openmesh", reason="openmesh is the oracle here")
    mesh = request.getfixturevalue(name)
    oracle = openmesh.TriMesh(mesh.vertices.double().numpy(), mesh.faces.numpy())
    topology = mesh.topology
    # openmesh circulates clockwise.
    theirs = oracle.vertex_vertex_indices()[:, ::-1]
    assert all(
        same_cycle(ring(topology, v), [i for i in theirs[v].tolist() if i >= 0])
        for v in range(0, len(mesh.vertices), max(1, len(mesh.vertices) // 3000))
    )
    boundary = [v.idx() for v in oracle.vertices() if oracle.is_boundary(v)]
    assert topology.boundary_vertices.tolist() == boundary
    assert len(topology.edges) == oracle.n_edges()
    # Open rings are complete fans: first and last neighbour lie on the boundary too.
    first = topology.one_rings[boundary, 0]
    last = topology.neighbours[topology.neighbour_offsets[1:][boundary] - 1]
    assert np.isin(torch.cat([first, last]).numpy(), boundary).all()


def test_components_against_trimesh(ict):
    pieces = trimesh.graph.connected_component_labels(ict.topology.edges.numpy(), len(ict.vertices))
    ours = ict.topology.components.numpy()
    assert ict.topology.component_count == 56
    assert len({*zip(pieces.tolist(), ours.tolist(), strict=True)}) == 56
    first = np.unique(ours, return_index=True)[1]
    assert (np.diff(first) > 0).all()


def test_order_of_faces_and_corners_does_not_matter(sphere):
    shuffled = sphere.faces[torch.randperm(len(sphere.faces), generator=torch.Generator().manual_seed(0))]
    turned = shuffled.roll(1, dims=1)
    assert torch.equal(Mesh(sphere.vertices, turned).topology.one_rings, sphere.topology.one_rings)


def test_a_vertex_of_high_degree():
    count = 5000
    faces = [[0, i + 1, (i + 1) % count + 1] for i in range(count)]
    topology = Topology(torch.tensor(faces), count + 1)
    assert topology.neighbours[:count].tolist() == list(range(1, count + 1))


def test_holds_no_memory_of_the_faces(tetrahedron):
    """Which goes where the tensor moves, into shared memory for another process."""
    edges, topology = tetrahedron.topology.edges.clone(), Topology(tetrahedron.faces, 4)
    tetrahedron.faces.zero_()
    assert torch.equal(topology.edges, edges)


def test_gradients_pass_after_use_in_inference_mode(bow_tie):
    kept = ("one_rings", "components", "non_manifold_vertices")
    with torch.inference_mode():
        for name in kept:
            getattr(bow_tie.topology, name)
    vertices = bow_tie.vertices.clone().requires_grad_()
    for name in kept:
        vertices.square()[getattr(bow_tie.topology, name)].sum().backward()
    assert (vertices.grad != 0).any()
