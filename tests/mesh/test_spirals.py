import time

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh, geodesic_distance, reference_vertices, spiral_sequences


def naive_spirals(mesh: Mesh, length: int) -> list[list[int]]:
    """The definition, vertex by vertex: rings of sets, each ordered by walking around the ring before."""
    topology = mesh.topology
    references = reference_vertices(mesh)
    distance = geodesic_distance(mesh, references)
    rings = [[i for i in row if i >= 0] for row in topology.one_rings.tolist()]
    spirals = []
    for vertex, ring in enumerate(rings):
        nearest = min(ring, key=lambda i: (round(float(distance[i]), 5), i), default=None)
        last = ring if nearest is None else ring[ring.index(nearest) :] + ring[: ring.index(nearest)]
        reached = dict.fromkeys(last, vertex)
        spiral = [vertex, *last]
        while last and len(spiral) < length:
            following = []
            for i in last:
                turn = rings[i].index(reached[i]) + 1
                for j in rings[i][turn:] + rings[i][:turn]:
                    if j not in spiral and j not in following:
                        following.append(j)
                        reached[j] = i
            spiral, last = spiral + following, following
        spirals.append((spiral + [-1] * length)[:length])
    return spirals


def test_known_spirals(strip):
    # One row of squares: 4-5-6-7 above 0-1-2-3, each square cut from lower left to upper right.
    assert reference_vertices(strip).tolist() == [1]
    spirals = spiral_sequences(strip, 8)
    # Around 3: neighbours 7, 6, 2 counter-clockwise; 2 is nearest to vertex 1 along the surface.
    assert spirals[3].tolist() == [3, 2, 7, 6, 1, 5, 0, 4]
    assert spirals[0].tolist() == [0, 1, 5, 4, 2, 6, 3, 7]


@pytest.mark.parametrize(
    "name", ["tetrahedron", "strip", "bow_tie", "with_isolated", "single_vertex", "torus"]
)
@pytest.mark.parametrize("length", [1, 2, 9, 25])
def test_against_the_definition(name, length, request):
    mesh = request.getfixturevalue(name)
    assert spiral_sequences(mesh, length).tolist() == naive_spirals(mesh, length)


def test_rings_follow_rings_without_a_jump(sphere):
    spirals = spiral_sequences(sphere, 19)
    neighbours = {tuple(edge) for edge in sphere.topology.half_edges.tolist()}
    regular = sphere.topology.degrees[spirals].eq(6).all(1)
    steps = torch.stack([spirals[regular][:, 1:-1], spirals[regular][:, 2:]], dim=-1)
    assert all(tuple(step) in neighbours for step in steps.reshape(-1, 2).tolist())


def test_counter_clockwise_from_outside(sphere):
    spirals = spiral_sequences(sphere, 4)
    centre, one, two, three = sphere.vertices[spirals].unbind(1)
    for first, second in ((one, two), (two, three)):
        turn = torch.linalg.cross(first - centre, second - centre)
        assert ((turn * centre).sum(-1) > 0).all()


def test_the_one_ring_begins_towards_the_reference(ict):
    spirals = spiral_sequences(ict)
    distance = geodesic_distance(ict, reference_vertices(ict))
    padded = torch.cat([distance, torch.tensor([torch.inf])])[ict.topology.one_rings]
    # distances that differ by 1e-5 of a component (0.31 m at most) count as equal
    assert (distance[spirals[:, 1]] <= padded.amin(1) + 4e-6).all()


@pytest.mark.parametrize("name", ["ict", "sphere", "torus", "strip"])
def test_a_moved_mesh_has_the_same_spirals(name, rotation, request):
    mesh = request.getfixturevalue(name)
    turned = mesh.with_vertices((mesh.vertices.double() @ rotation.T * 3 + 0.5).float())
    assert torch.equal(reference_vertices(mesh), reference_vertices(turned))
    assert torch.equal(spiral_sequences(mesh, 12), spiral_sequences(turned, 12))


def test_every_spiral_is_a_set_of_its_own_component(ict):
    spirals = spiral_sequences(ict, 30)
    ordered = spirals.sort(dim=1).values
    assert ((ordered[:, 1:] != ordered[:, :-1]) | (ordered[:, 1:] == -1)).all()
    label = ict.topology.components
    assert ((label[spirals] == label[:, None]) | (spirals < 0)).all()
    # padding stands at the end only
    assert ((spirals[:, 1:] < 0) | (spirals[:, :-1] >= 0)).all()


def test_dilation_takes_every_second(torus):
    assert torch.equal(spiral_sequences(torus, 9, dilation=2), spiral_sequences(torus, 18)[:, ::2])


def test_references_can_be_given(ict):
    given = torch.tensor([5])
    ours, theirs = spiral_sequences(ict), spiral_sequences(ict, references=given)
    inside = ict.topology.components == ict.topology.components[5]
    assert torch.equal(ours[~inside], theirs[~inside])
    assert not torch.equal(ours[inside], theirs[inside])
    distance = torch.cat([geodesic_distance(ict, given), torch.tensor([torch.inf])])
    nearest = distance[ict.topology.one_rings].amin(1)
    # as in test_the_one_ring_begins_towards_the_reference
    assert (distance[theirs[inside, 1]] <= nearest[inside] + 4e-6).all()


def test_spirals_end_in_minus_one_where_there_are_no_more_vertices(with_isolated, single_vertex):
    assert spiral_sequences(with_isolated, 5).tolist() == [
        [0, 2, 3, -1, -1],
        [1, -1, -1, -1, -1],
        [2, 0, 3, -1, -1] if reference_vertices(with_isolated)[0] == 0 else [2, 3, 0, -1, -1],
        [3, 0, 2, -1, -1],
    ]
    assert spiral_sequences(single_vertex, 3).tolist() == [[0, -1, -1]]


def test_non_manifold_meshes_do_not_stop_it():
    book = Mesh(torch.eye(6, 3), torch.tensor([[0, 1, 2], [0, 1, 3], [1, 0, 4], [0, 1, 2], [5, 5, 0]]))
    spirals = spiral_sequences(book, 6)
    assert sorted(spirals[0].tolist()) == [-1, 0, 1, 2, 3, 4]


def test_a_vertex_of_high_degree_costs_no_more_than_others():
    turn = torch.arange(20000) * (2 * torch.pi / 20000)
    rim = torch.stack([turn.cos(), turn.sin(), torch.zeros(20000)], dim=1)
    around = torch.arange(20000)
    faces = torch.stack([torch.full((20000,), 20000), around, (around + 1) % 20000], dim=1)
    spirals = spiral_sequences(Mesh(torch.cat([rim, torch.zeros(1, 3)]), faces), 6)
    assert spirals[20000].tolist() == [20000, 0, 1, 2, 3, 4]
    assert spirals[5].tolist() == [5, 20000, 4, 6, 7, 8]


def test_fast_and_the_same_again(ict):
    fresh = Mesh(ict.vertices, ict.faces)
    begin = time.process_time()
    first = spiral_sequences(fresh)
    # 0.03 s of one core compiled, 0.2 s by the references; the rest is for a core that others use as well
    assert time.process_time() - begin < 1
    assert torch.equal(first, spiral_sequences(ict))


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"length": 2.5},
        {"dilation": 0},
        {"dilation": 2.5},
        {"references": [4]},
        {"references": [0.5]},
        {"references": [True]},
    ],
)
def test_wrong_arguments_are_refused(tetrahedron, wrong):
    with pytest.raises(InputError, match="must"):
        spiral_sequences(tetrahedron, **wrong)
