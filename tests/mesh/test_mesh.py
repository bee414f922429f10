import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh

POINTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0]])


def test_quads_are_split_along_their_first_diagonal_in_place():
    mesh = Mesh(POINTS, torch.tensor([[0, 1, 2, 3], [1, 4, 2, -1]]))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [1, 4, 2]]


def test_uv_quads_are_split_as_the_faces_are():
    uv = torch.zeros(7, 2)
    mesh = Mesh(POINTS, torch.tensor([[0, 1, 2, 3]]), uv, torch.tensor([[6, 5, 4, 3]]))
    assert mesh.uv_faces is not None and mesh.uv_faces.tolist() == [[6, 5, 4], [6, 4, 3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vertices": torch.zeros(0, 3)}, "at least one vertex"),
        ({"vertices": torch.zeros(5, 2)}, r"vertices must have shape \(any, 3\), got \(5, 2\)"),
        ({"vertices": torch.full((5, 3), torch.nan)}, "vertices must be finite"),
        ({"faces": torch.tensor([[0, 1, 5]])}, r"faces must lie in \[0, 5\)"),
        ({"faces": torch.tensor([[0, 1, -1]])}, r"faces must lie in \[0, 5\)"),
        ({"faces": torch.tensor([[0.0, 1, 2]])}, "faces must hold integers"),
        ({"faces": torch.tensor([[0, 1]])}, r"faces must have shape \(F, 3\) or \(F, 4\)"),
        ({"uv": torch.zeros(3, 2)}, "uv and uv_faces must come together"),
        ({"landmarks": {"nose": 9}}, "landmark nose must lie"),
        ({"groups": {"lips": torch.tensor([9])}}, "group lips must lie"),
        ({"groups": {"lips": torch.arange(5) > 2}}, r"group lips must hold integers, got torch\.bool"),
        ({"groups": {"lips": [1, 2]}}, "group lips must be a tensor, got list"),
        ({"groups": {"lips": torch.tensor(3)}}, r"group lips must have shape \(any,\), got \(\)"),
    ],
)
def test_faults_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Mesh(**({"vertices": POINTS, "faces": torch.tensor([[0, 1, 2]])} | arguments))


def test_new_positions_keep_the_topology(sphere):
    topology = sphere.topology
    assert sphere.with_vertices(sphere.vertices * 2).topology is topology


def test_repr(tetrahedron):
    assert repr(tetrahedron) == "Mesh(vertices=4, faces=4)"
    assert repr(tetrahedron.topology) == "Topology(vertices=4, faces=4)"
