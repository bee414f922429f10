"""Pictures carried back onto faces: against analytic visibility, and drawn again."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import AnnyFace
from meshanim.mesh import Mesh, axis_angle_to_matrix, repacked
from meshanim.rendering import (
    Camera,
    Surroundings,
    Texture,
    UvLayout,
    complete_texture,
    depth_points,
    frontal_frame,
    rasterize,
    render,
    repose,
    texture,
    unproject_texture,
    visible,
)
from meshanim.rendering.unprojection import TRUSTED

from .conftest import ball

WHITE = Surroundings.uniform(torch.ones(3))


@pytest.fixture(scope="module")
def neutral() -> Mesh:
    return repacked(AnnyFace().neutral)


@pytest.fixture(scope="module")
def layout(neutral: Mesh) -> UvLayout:
    return UvLayout(neutral, 192)


def camera_at(yaw=0.0, size=(112, 112)):
    angle = torch.tensor(yaw)
    eye = 0.9 * torch.stack([angle.sin(), torch.zeros(()), angle.cos()])
    return Camera.looking_at(eye, (0.0, 0.02, 0.02), 20.0, size)


def smooth_texture(layout):
    """Colours that differ over the surface and have no mirror symmetry."""
    places = layout.spread(layout.mesh.vertices) * 40
    waves = torch.stack([places[..., 0], places[..., 1] + 1, places[..., 2] + places[..., 0]], dim=-1)
    return 0.5 + 0.4 * torch.sin(waves)


def draw(layout, colours, camera, vertices=None):
    mesh = layout.mesh
    looks = Texture(colours, mesh.uv, mesh.uv_faces)
    return render(mesh.vertices if vertices is None else vertices, mesh.faces, camera, looks, WHITE)


def shown(layout, found, camera, vertices=None):
    """(H, W) pixels all of whose surface shows texels that were seen well enough to be trusted."""
    trusted = (found.weight > TRUSTED)[..., None].expand(-1, -1, 3).float()
    return draw(layout, trusted, camera, vertices).image[..., 0] > 0.99


@pytest.mark.parametrize("perspective", [True, False])
def test_depth_becomes_the_points_that_were_drawn(perspective):
    vertices, faces = ball(0.1, (0.02, 0.01, 0.0))
    camera = camera_at(0.3, (40, 50))
    camera = camera if perspective else camera.weak_perspective(0.9)
    fragments = rasterize(vertices, faces, camera)
    points = depth_points(fragments, camera)
    assert torch.equal(points[..., 0].isnan(), ~fragments.covered)
    found = points[fragments.covered] - torch.tensor([0.02, 0.01, 0.0])
    # The polyhedron of 1,280 faces lies at most half a percent within its ball.
    assert found.norm(dim=-1).max() <= 0.1 + 1e-5 and found.norm(dim=-1).min() > 0.099


def test_visible_is_what_faces_the_camera_on_a_ball():
    vertices, faces = ball(0.1, (0.0, 0.0, 0.0), 4)
    camera = camera_at(size=(200, 200))
    seen = visible(vertices, rasterize(vertices, faces, camera), camera)
    view = camera.position - vertices
    cosine = (vertices * view).sum(-1) / (0.1 * view.norm(dim=-1))
    assert seen[cosine > 0.3].all() and not seen[cosine < -0.02].any()


def test_a_ball_behind_another_is_hidden_and_outside_the_picture_nothing_is_seen():
    front, faces = ball(0.03, (0.0, 0.0, 0.2))
    back, _ = ball(0.02, (0.0, 0.0, -0.1))
    camera = camera_at(size=(100, 100))
    both, all_faces = torch.cat([front, back]), torch.cat([faces, faces + len(front)])
    fragments = rasterize(both, all_faces, camera)
    assert not visible(back, fragments, camera).any()
    assert visible(back, rasterize(back, faces, camera), camera).any()
    assert not visible(front + torch.tensor([0.5, 0.0, 0.0]), fragments, camera).any()
    assert not visible(front + torch.tensor([0.0, 0.0, 5.0]), fragments, camera).any()


def test_what_lies_along_a_silhouette_does_not_count_as_seen():
    """Within a pixel of the edge of one sheet before another; two pixels away it does."""
    sheet = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    camera = camera_at(size=(100, 100))
    pixel = 0.85 / float(camera.matrix[0, 0])
    both = torch.cat([0.05 * sheet + torch.tensor([0.0, 0.02, 0.05]), sheet - torch.tensor([0.0, 0, 0.2])])
    fragments = rasterize(both, torch.cat([faces, faces + 4]), camera)
    for near, counts in ((0.1, False), (2.5, True)):
        places = torch.tensor([[0.05 - near * pixel, 0.02 + y, 0.05] for y in (-0.02, 0.0, 0.02)])
        assert (visible(places, fragments, camera) == counts).all()


@pytest.mark.parametrize("away", [-2.0, 5.0])
def test_how_far_a_camera_without_perspective_is_changes_nothing_that_it_sees(away):
    vertices, faces = ball(0.1, (0.0, 0.0, 0.0))
    camera = camera_at(0.3, (80, 80)).weak_perspective(0.9)
    moved = replace(camera, translation=camera.translation + torch.tensor([0.0, 0.0, away]))
    here, there = (visible(vertices, rasterize(vertices, faces, each), each) for each in (camera, moved))
    assert here.any() and (here != there).sum() <= 2  # depths are rounded elsewhere


def test_visibility_of_batches_is_one_by_one():
    vertices, faces = ball(0.1, (0.0, 0.0, 0.0))
    cameras = Camera.looking_at(
        torch.tensor([[0.0, 0, 0.8], [0.6, 0, 0.6]]), torch.zeros(2, 3), 20.0, (64, 64)
    )
    pair = vertices.expand(2, *vertices.shape)
    both = visible(pair, rasterize(pair, faces, cameras), cameras)
    for index, eye in enumerate(([0.0, 0, 0.8], [0.6, 0, 0.6])):
        camera = Camera.looking_at(eye, (0.0, 0, 0), 20.0, (64, 64))
        assert torch.equal(both[index], visible(vertices, rasterize(vertices, faces, camera), camera))


def test_what_was_unprojected_draws_the_same_picture(layout):
    camera = camera_at(0.3)
    truth = draw(layout, smooth_texture(layout), camera)
    found = unproject_texture(truth.image, layout.mesh.vertices, camera, layout)
    again = draw(layout, complete_texture(found, layout), camera)
    away = (again.image - truth.image).abs().amax(-1)[shown(layout, found, camera)]
    # Twice through bilinear sampling: a few percent where the surface turns away, a percent in the mean.
    assert len(away) > 2000 and away.mean() < 0.01 and away.quantile(0.95) < 0.04


def test_texels_have_the_colours_that_the_surface_has(layout):
    truth = smooth_texture(layout)
    views = [camera_at(yaw) for yaw in (-0.6, 0.0, 0.6)]
    frames = torch.stack([draw(layout, truth, view).image for view in views])
    cameras = Camera(
        views[0].matrix,
        torch.stack([view.rotation for view in views]),
        torch.stack([view.translation for view in views]),
        views[0].size,
    )
    found = unproject_texture(frames, layout.mesh.vertices, cameras, layout)
    alone = unproject_texture(frames[1], layout.mesh.vertices, views[1], layout)
    trusted = found.weight > 0.25
    assert trusted.sum() > (alone.weight > 0.25).sum()
    away = (found.texture - truth).abs().amax(-1)[trusted]
    assert away.mean() < 0.02 and away.quantile(0.95) < 0.06
    assert (found.texture[found.weight == 0] == 0).all()
    assert (found.weight[~layout.covered] == 0).all()


def test_an_unseen_half_is_filled_from_the_other(layout):
    """Colours with mirror symmetry, seen from 45 degrees aside: the far cheek comes out right."""
    places = layout.spread(layout.mesh.vertices) * 30
    symmetric = 0.5 + 0.4 * torch.sin(
        torch.stack([places[..., 0].abs(), places[..., 1], places[..., 2]], dim=-1)
    )
    camera = camera_at(0.8)
    found = unproject_texture(draw(layout, symmetric, camera).image, layout.mesh.vertices, camera, layout)
    whole = complete_texture(found, layout)
    face = torch.zeros(len(layout.mesh.vertices), 1)
    face[layout.mesh.groups["face"]] = 1
    hidden = (layout.spread(face)[..., 0] == 1) & (found.weight == 0) & (places[..., 0] < -0.3)
    assert hidden.sum() > 200
    away = (whole - symmetric).abs().amax(-1)[hidden]
    assert away.median() < 0.03 and torch.isfinite(whole).all()


def test_mirrored_texels_show_mirrored_places(layout):
    places = layout.spread(layout.mesh.vertices)
    found = texture(places, layout.mirrored_uv)
    inner = torch.nn.functional.avg_pool2d(layout.covered[None, None].float(), 5, 1, 2)[0, 0] == 1
    sides = texture(inner[..., None].float(), layout.mirrored_uv)[..., 0] == 1
    away = (found - places * torch.tensor([-1.0, 1, 1])).norm(dim=-1)[inner & sides]
    assert len(away) > 5000 and away.quantile(0.98) < 1.5e-3


def test_a_layout_spreads_corners_to_their_texels():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    quad = torch.tensor([[0, 1, 2], [0, 2, 3]])
    layout = UvLayout(Mesh(vertices, quad, vertices[:, :2], quad), 4)
    position = layout.spread(vertices)
    assert layout.covered.all()
    # Row 0 is on top, where v is highest.
    torch.testing.assert_close(position[0, 0], torch.tensor([0.125, 0.875, 0.0]))
    torch.testing.assert_close(position[3, 2], torch.tensor([0.625, 0.125, 0.0]))
    assert layout.spread(vertices.expand(3, 4, 3)).shape == (3, 4, 4, 3)
    with pytest.raises(InputError, match="mesh must have texture coordinates"):
        UvLayout(Mesh(vertices, quad))


def test_reposing_is_the_papers_equation_and_equals_the_other_pose():
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    first, second = 0.5 * torch.randn(2, 6, generator=generator, dtype=torch.float64)

    def posed(motion):
        return shape @ axis_angle_to_matrix(motion[:3]).T + motion[3:]

    moved = repose(posed(first), first, second)
    torch.testing.assert_close(moved, posed(second))
    # The paper's R and T go the other way: from a frame's head to the one all share.
    inverse = [axis_angle_to_matrix(motion[:3]).T for motion in (first, second)]
    shift = [-turn @ motion[3:] for turn, motion in zip(inverse, (first, second), strict=True)]
    shared = posed(first) @ inverse[0].T + shift[0] - shift[1]
    torch.testing.assert_close(moved, shared @ torch.linalg.inv(inverse[1]).T)


def test_reposing_keeps_the_type_and_precision_of_the_vertices():
    vertices, (first, second) = torch.rand(50, 3), torch.rand(2, 6, dtype=torch.float64)
    wanted = repose(vertices.double(), first, second)
    found = repose(vertices, first, second)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = repose(vertices, first, second)
    assert found.dtype == torch.float32 and torch.equal(mixed, found)
    torch.testing.assert_close(found.double(), wanted, atol=1e-6, rtol=0)


def test_a_reposed_texture_is_the_picture_of_the_other_pose(layout):
    truth, camera = smooth_texture(layout), camera_at()
    first = torch.tensor([0.0, 0.1, 0.0, 0.0, 0.0, 0.0])
    second = torch.tensor([0.05, -0.15, 0.1, 0.01, 0.0, 0.02])
    still = torch.zeros(6)
    before, after = (repose(layout.mesh.vertices, still, motion) for motion in (first, second))
    found = unproject_texture(draw(layout, truth, camera, before).image, before, camera, layout)
    moved = repose(before, first, second)
    drawn = draw(layout, complete_texture(found, layout), camera, moved)
    wanted = draw(layout, truth, camera, after)
    away = (drawn.image - wanted.image).abs().amax(-1)[shown(layout, found, camera, after)]
    assert len(away) > 1500 and away.mean() < 0.02 and away.quantile(0.95) < 0.06


def test_the_frontal_frame_turns_least():
    motion = torch.zeros(4, 6)
    motion[:, 1] = torch.tensor([0.3, -0.1, 0.2, 2 * torch.pi - 0.05])
    motion[1, 3:] = 5.0  # translation plays no part
    assert frontal_frame(motion[:3]) == 1
    assert frontal_frame(motion) == 3  # a whole turn is none
    with pytest.raises(InputError, match="at least one frame"):
        frontal_frame(torch.zeros(0, 6))


def test_bad_arguments_are_named(layout):
    camera = camera_at()
    with pytest.raises(InputError, match="images must have shape"):
        unproject_texture(torch.zeros(10, 10, 3), layout.mesh.vertices, camera, layout)
    with pytest.raises(InputError, match="images must be of a floating type"):
        unproject_texture(torch.zeros(112, 112, 3).byte(), layout.mesh.vertices, camera, layout)
    with pytest.raises(InputError, match=r"vertices must have shape \(3, any, 3\), got \(2, "):
        unproject_texture(torch.zeros(3, 112, 112, 3), layout.mesh.vertices.expand(2, -1, -1), camera, layout)
    with pytest.raises(InputError, match="vertices must have a shape ending in"):
        unproject_texture(torch.zeros(112, 112, 3), torch.zeros(4, 3), camera, layout)
