import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay

from meshanim._check import InputError
from meshanim.mesh import Mesh, geodesic_distance


def test_exact_on_a_plane(grid):
    points = np.random.default_rng(0).random((1000, 2))
    flat = torch.tensor(np.column_stack([points, np.zeros(1000)]))
    uneven = Mesh(flat, torch.tensor(Delaunay(points).simplices))
    centre = int((flat - 0.5).norm(dim=-1).argmin())
    for mesh, source in ((uneven, centre), (grid, 220)):
        exact = (mesh.vertices - mesh.vertices[source]).norm(dim=-1)
        # 1e-9 edge lengths are not gone after again, some ten times over; float32 positions have 1e-7
        tolerance = 1e-9 if mesh is uneven else 1e-6
        torch.testing.assert_close(geodesic_distance(mesh, source), exact, atol=tolerance, rtol=0)


def test_around_a_corner(grid):
    """A flat sheet without its upper right quarter: the path bends at the inner corner, vertex 220."""
    x, y = grid.vertices[:, 0], grid.vertices[:, 1]
    centre = grid.vertices[grid.faces].mean(1)
    sheet = Mesh(grid.vertices, grid.faces[~((centre[:, 0] > 0) & (centre[:, 1] > 0))])
    source = int((x - 0.5).square().add((y + 0.0).square()).argmin())
    distance = geodesic_distance(sheet, source)
    upper = (x < 0.01) & (y > 0.01)
    bent = 0.5 + (grid.vertices[upper] - grid.vertices[220]).norm(dim=-1)
    # Behind the corner the distance counts from a source farther away than the corner: too long, by 3 %.
    assert (distance[upper] >= bent - 1e-6).all()
    assert (distance[upper] <= bent * 1.031).all()
    assert torch.isinf(distance[sheet.topology.isolated_vertices]).all()


def test_great_circles_on_a_sphere(sphere):
    directions = torch.nn.functional.normalize(sphere.vertices.double(), dim=-1)
    exact = torch.acos((directions @ directions[0]).clamp(-1, 1))
    relative = (geodesic_distance(sphere, 0) - exact) / exact.clamp_min(1e-2)
    # Chords and the meeting of fronts at the far side make it short, by half as much for half the edges.
    assert relative[exact < 1.5].abs().max() < 0.005
    assert relative.abs().max() < 0.014


def test_distances_stay_when_a_mesh_moves_and_exceed_no_way_by_edges(ict, rotation):
    points = ict.vertices.double()
    mesh, source = ict.with_vertices(points), 100
    distance = geodesic_distance(mesh, source)
    same = ict.topology.components == ict.topology.components[source]
    assert torch.equal(torch.isfinite(distance), same)
    turned = geodesic_distance(ict.with_vertices(points @ rotation.T + 1), source)
    torch.testing.assert_close(turned[same], distance[same], atol=1e-9, rtol=0)
    assert (distance[same] >= (points[same] - points[source]).norm(dim=-1) * (1 - 1e-9)).all()
    start, end = ict.topology.edges.T
    length = (points[start] - points[end]).norm(dim=-1)
    inside = same[start]
    assert ((distance[start] - distance[end]).abs() <= length + 1e-9)[inside].all()


def test_the_nearest_of_several_sources(grid):
    several = geodesic_distance(grid, [0, 440])
    single = torch.minimum(geodesic_distance(grid, 0), geodesic_distance(grid, torch.tensor(440)))
    # Where the fronts meet, one triangle sees both: less than half an edge (0.05).
    torch.testing.assert_close(several, single, atol=0.02, rtol=0)


def test_small_and_broken_meshes(single_vertex, with_isolated, bow_tie):
    assert geodesic_distance(single_vertex, 0).tolist() == [0]
    assert geodesic_distance(with_isolated, 0).tolist() == [0, torch.inf, 1, 1]
    # through the vertex that the two triangles share
    assert geodesic_distance(bow_tie, 1)[3] == pytest.approx(2 * 2**0.5)
    collapsed = Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))
    assert geodesic_distance(collapsed, 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("sources", [[], [441], -1, 0.5, [True, False]])
def test_wrong_sources_are_refused(grid, sources):
    with pytest.raises(InputError, match="sources must"):
        geodesic_distance(grid, sources)
