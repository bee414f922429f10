"""Pictures of a synthetic head: what is where, what colour, and that nothing wobbles."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from meshanim._check import InputError
from meshanim.faces import load_face
from meshanim.mesh import Mesh, axis_angle_to_matrix
from meshanim.mesh.geometry import vertex_normals
from meshanim.performance import Performance
from meshanim.rendering import Camera, render_frames, render_mesh
from meshanim.rendering.materials import eye_coordinates, straight_eyes
from meshanim.rendering.preview import Preview
from meshanim.rendering.shading import from_display


def grey(image):
    return image.astype(float).mean(2)


def is_background(image):
    """Pixels without a tint: the backdrop is neutral, a head is not."""
    spread = image.max(2).astype(int) - image.min(2)
    return (spread <= 2) & (grey(image) > 180)


def test_head_fills_the_picture_and_the_backdrop_is_light(head):
    image = render_mesh(head, size=(96, 128))
    assert image.shape == (96, 128, 3) and image.dtype == np.uint8
    assert is_background(image)[:, :10].all() and is_background(image)[0].all()
    assert not is_background(image)[48, 64]
    filled = (~is_background(image)).mean()
    assert 0.3 < filled < 0.8


def test_eyes_are_white_with_a_dark_pupil_in_the_middle(head):
    image = grey(render_mesh(head, size=(256, 256)))
    # Columns of the character's left eye, which stands on the right of the picture.
    eye = image[80:140, 150:215]
    assert eye.min() < 40 and eye.max() > 200
    row, column = np.unravel_index(eye.argmin(), eye.shape)
    assert 10 < row < 50 and 10 < column < 55


def test_yaw_turns_the_camera_to_the_heads_left(head):
    front, side = render_mesh(head, size=(128, 128)), render_mesh(head, size=(128, 128), yaw=45)
    assert np.array_equal(front, render_mesh(head, size=(128, 128), yaw=360))
    darkest = [np.unravel_index(grey(i)[30:70].argmin(), (40, 128))[1] for i in (front, side)]
    assert darkest[1] != darkest[0]
    # Seen from its left, the head looks to the left of the picture.
    assert grey(side)[40:64].argmin() % 128 < 64


@pytest.mark.parametrize(("size", "wrong"), [(0.0, "got 0 m"), (1e38, "got inf m")])
def test_what_has_no_size_is_named(size, wrong):
    corners = size * torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    with pytest.raises(InputError, match=f"points must lie apart, .*{wrong}"):
        render_mesh(Mesh(corners, torch.tensor([[0, 1, 2]])), size=(32, 32))


def test_own_colours_are_shown(head):
    blue = torch.tensor([0.1, 0.2, 0.9]).expand(len(head.vertices), 3)
    image = render_mesh(head, size=(64, 64), colours=blue)
    covered = ~is_background(image)
    assert (image[covered][:, 2] > image[covered][:, 0]).mean() > 0.95


def test_moved_vertices_do_not_move_the_view(head):
    moved = head.vertices.clone()
    moved[head.groups["skin"]] *= 1.02
    first, second = render_mesh(head, size=(128, 128)), render_mesh(head, moved, size=(128, 128))
    pupils = [np.argwhere(grey(image)[40:62] < 50).mean(0) for image in (first, second)]
    assert pupils[0] == pytest.approx(pupils[1], abs=0.5)


def test_frames_of_a_performance(head):
    still = head.vertices.expand(5, -1, -1)
    images = list(render_frames(Performance(neutral=head, fps=25.0, motion=still), size=(64, 64)))
    assert len(images) == 5
    assert all(np.array_equal(image, images[0]) for image in images)
    assert np.array_equal(images[0], render_mesh(head, size=(64, 64)))


def test_head_motion_is_applied_and_stays_in_view(head):
    turn = torch.zeros(3, 6)
    turn[1, 1] = math.pi / 4
    turn[2, 3] = 0.3
    performance = Performance(
        neutral=head, fps=25.0, motion=head.vertices.expand(3, -1, -1), head_motion=turn
    )
    images = list(render_frames(performance, size=(96, 192)))
    assert not np.array_equal(images[0], images[1])
    columns = [np.argwhere(~is_background(image))[:, 1].mean() for image in images]
    assert columns[2] > columns[0] + 10
    assert all(is_background(image)[:, [0, -1]].all() for image in images)


def test_a_head_that_turns_is_as_large_as_one_at_rest(head):
    turn = torch.zeros(5, 6)
    turn[:, 0] = torch.linspace(-0.1, 0.1, 5)
    turn[:, 1] = torch.linspace(0.2, -0.2, 5)
    motion = head.vertices.expand(5, -1, -1)
    turning = Performance(neutral=head, fps=25.0, motion=motion, head_motion=turn)
    skull = [
        np.argwhere(~is_background(image)[:100])  # above the neck
        for image in (render_mesh(head, size=(128, 128)), *render_frames(turning, size=(128, 128)))
    ]
    widths = [float(np.ptp(place[:, 1])) for place in skull]
    assert widths[1:] == pytest.approx(5 * widths[:1], rel=0.08)
    assert all(place[:, 0].min() > 0 for place in skull)


def test_a_skin_is_finer_than_the_vertices(head):
    """A stripe as narrow as a third of a triangle is seen, and not on the eyes."""
    low, high = head.vertices[:, :2].amin(0), head.vertices[:, :2].amax(0)
    mapped = Mesh(
        head.vertices, head.faces, (head.vertices[:, :2] - low) / (high - low), head.faces, {}, head.groups
    )
    skin = torch.full((512, 512, 3), 0.5)
    skin[:, 254:258] = 0.02
    (image,) = render_frames(Performance(neutral=mapped, fps=25.0, motion=head.vertices[None]), skin=skin)
    row = grey(image)[300, 200:312]
    assert row.min() < 0.5 * row.max()
    assert ((row < 0.7 * row.max()).sum()) < 8
    with pytest.raises(InputError, match="mesh must have texture coordinates"):
        list(render_frames(Performance(neutral=head, fps=25.0, motion=head.vertices[None]), skin=skin))


@pytest.mark.parametrize(("group", "lower_forward"), [("lips", 1.5), ("lids", -0.7)])
def test_the_line_between_lips_or_lids_that_touch_is_smooth(group, lower_forward):
    """An upper one that looks down and a lower one, at a slant: grey steps, not full ones.

    A lower lip looks up, but a lower lid down as well.
    """
    x, height = torch.tensor([-0.1, 0.1]), 0.02
    edges = [
        torch.stack([x, 0.05 * x + side * height, torch.full((2,), forward * height)], dim=1)
        for side, forward in ((-1, lower_forward), (0, 0), (0, 0), (1, 1.5))
    ]
    faces = torch.tensor([[0, 1, 3], [0, 3, 2], [4, 5, 7], [4, 7, 6]])
    mesh = Mesh(torch.cat(edges), faces, groups={group: torch.arange(8)})
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), fov=3, size=(128, 256))
    columns = grey(render_mesh(mesh, camera=camera))[40:88, 28:228].T
    upper, lower = columns[:, :8].mean(), columns[:, -8:].mean()
    assert lower > upper + 40
    edge = ((columns - upper) / (lower - upper)).sum(axis=1)
    place = np.arange(len(edge))
    off = edge - np.polyval(np.polyfit(place, edge, 1), place)
    # In steps of a pixel it is 0.29 of one.
    assert off.std() < 0.2


@pytest.mark.parametrize("size", [48, 128, 129, 200])
def test_a_ball_has_no_hollows(size, monkeypatch):
    """No side of it: half a sample between two grids made 7 to 13 levels of 255 on the upper left."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    mesh = Mesh(torch.tensor(ball.vertices, dtype=torch.float32), torch.tensor(ball.faces))
    picture = render_mesh(mesh, size=(size, size)).astype(int)
    monkeypatch.setattr("meshanim.rendering.preview.HOLLOW_LIGHT", 1.0)
    # Near the outline, where depth bends, a straight line between the coarser grid's samples makes three.
    assert np.abs(render_mesh(mesh, size=(size, size)) - picture).max() <= 4


def test_no_hollow_is_black():
    """A plate with a deep shaft in it: light comes back from walls."""
    side = torch.linspace(-0.1, 0.1, 41)
    y, x = torch.meshgrid(side, side, indexing="ij")
    deep = (x.abs() < 0.006) & (y.abs() < 0.006)
    vertices = torch.stack([x, y, torch.where(deep, -0.15, 0.0)], dim=2).view(-1, 3)
    number = torch.arange(41 * 41).view(41, 41)
    one, two, three, four = (
        number[rows, columns].flatten()
        for rows in (slice(0, -1), slice(1, None))
        for columns in (slice(0, -1), slice(1, None))
    )
    faces = torch.cat([torch.stack([one, two, four], 1), torch.stack([one, four, three], 1)])
    image = render_mesh(Mesh(vertices, faces), camera=Camera.looking_at((0, 0, 1), (0, 0, 0), fov=15))
    inside = grey(image)[252:260, 252:260]
    assert inside.max() < 0.6 * grey(image)[100, 100]
    assert inside.min() > 0.15 * grey(image)[100, 100]


@pytest.mark.parametrize("colour", [(226, 149, 63), (204, 154, 119), (95, 60, 45)])
def test_a_skin_looks_as_it_is_where_it_faces_the_camera(colour):
    """Light of any strength makes other colours: bright skin goes yellow, as red is white before green is."""
    side = torch.tensor([-0.1, 0.1])
    corners = torch.cartesian_prod(side, side)
    vertices = torch.cat([corners, torch.zeros(4, 1)], dim=1)
    faces = torch.tensor([[0, 2, 3], [0, 3, 1]])
    plate = Mesh(vertices, faces, 5 * corners + 0.5, faces)
    skin = from_display(torch.tensor(colour) / 255).expand(8, 8, 3)
    (image,) = render_frames(Performance(neutral=plate, fps=25.0, motion=vertices[None]), (64, 64), skin=skin)
    assert np.abs(image[32, 32].astype(int) - colour).max() <= 8


def test_a_skin_in_the_light_of_its_film_has_the_same_shades():
    """A plate that turns away from a film's lamp loses as much light as it did there."""
    side = torch.tensor([-0.1, 0.1])
    corners = torch.cartesian_prod(side, side)
    faces = torch.tensor([[0, 2, 3], [0, 3, 1]])
    plate = Mesh(torch.cat([corners, torch.zeros(4, 1)], dim=1), faces, 5 * corners + 0.5, faces)
    camera = Camera.looking_at((0.4, 0, 0.9), (0, 0, 0), fov=10, size=(64, 64))
    towards = torch.tensor([0.4, 0, 0.9]) / math.hypot(0.4, 0.9)

    def film(normals):
        return torch.tensor([0.5, 0.4, 0.2]) * normals[:, :1].clamp(min=0)

    colour = torch.tensor([0.3, 0.2, 0.1])
    drawn = Preview(plate, camera, colour.expand(8, 8, 3), film=film)
    for angle in (0.2, 0.4, 0.9):
        turn = axis_angle_to_matrix(torch.tensor([0.0, angle, 0.0]))
        pixel = drawn.frame(plate.vertices @ turn.mT)[32, 32]
        seen = from_display(torch.from_numpy(pixel) / 255)
        torch.testing.assert_close(seen, colour * math.sin(angle) / towards[0], rtol=0.03, atol=0.002)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (3, 5)])
def test_pictures_of_any_size(head, size):
    assert render_mesh(head, size=size).shape == (*size, 3)


def test_the_camera_follows_the_type_of_the_vertices(head):
    camera = Camera.looking_at((0.1, 0, 1.2), (0, 0, 0), size=(48, 48))
    single, double = (render_mesh(head, camera=each) for each in (camera, camera.to(torch.float64)))
    assert np.array_equal(single, double)


def test_a_camera_without_perspective_sees_the_same_from_anywhere_along_its_axis(head):
    camera = Camera.looking_at((0.1, 0, 1.2), (0, 0, 0), size=(64, 64)).weak_perspective(1.2)
    picture = render_mesh(head, camera=camera).astype(int)
    for away in (-3.0, -1.2, 0.7, 10.0):
        moved = replace(camera, translation=camera.translation + torch.tensor([0, 0, away]))
        assert np.abs(render_mesh(head, camera=moved) - picture).max() <= 2


def test_bad_vertices_are_named(head):
    with pytest.raises(InputError, match="vertices must have shape"):
        render_mesh(head, head.vertices[:-1])
    broken = head.vertices.clone()
    broken[7, 1] = float("nan")
    with pytest.raises(InputError, match="finite"):
        render_mesh(head, broken)
    performance = Performance(neutral=head, fps=25.0, motion=broken[None])
    with pytest.raises(InputError, match="frame 0"):
        list(render_frames(performance, size=(32, 32)))


def test_a_real_face_has_eyes_and_skin(shared_data):
    packed = np.load(shared_data / "ict_facekit" / "ict_facekit_light.npz")
    groups = {"eye_left": torch.arange(21451, 23021), "eye_right": torch.arange(23021, 24591)}
    groups |= {"eyes": torch.arange(21451, 24591), "lashes": torch.arange(24591, 26719)}
    vertices, faces = torch.tensor(packed["mean"]) / 100, torch.tensor(packed["faces"], dtype=torch.int64)
    image = render_mesh(Mesh(vertices, faces, groups=groups), size=(256, 256))
    assert 0.2 < (~is_background(image)).mean() < 0.8
    assert (grey(image) < 40).any()


def test_lids_shade_the_eyes_beneath_them(monkeypatch):
    face = load_face("anny")
    shaded = render_mesh(face.neutral, size=(256, 256)).astype(int)
    monkeypatch.setattr("meshanim.rendering.preview.LID_SHADES", ((0.25, 0.0),))
    bare = render_mesh(face.neutral, size=(256, 256)).astype(int)
    rows, columns = (bare != shaded).any(2).nonzero()
    assert (shaded <= bare).all() and len(rows) < 0.02 * bare.shape[0] * bare.shape[1]
    lost = (bare - shaded).sum(2)
    eye = slice(rows.min(), rows.max() + 1), slice(columns.min(), 128)
    by_row = lost[eye].sum(1)
    # lids shade from above: the half beneath them loses most, and the rest by what spreads
    assert by_row[: len(by_row) // 2].sum() > 1.3 * by_row[len(by_row) // 2 :].sum()


def test_either_eye_mirrors_a_lamp_at_the_same_place_of_its_iris():
    face = load_face("anny")
    child = face.neutral.with_vertices(face.rest(face.identity(age=8.0)))
    normals, places = vertex_normals(child.vertices, child.faces), eye_coordinates(child)
    turns = straight_eyes(child)
    assert len(turns) == 2
    for index, turn in turns:
        front = index[places[index, 2] > 0.7]
        plain, turned = normals[front] - places[front], normals[front] @ turn.mT - places[front]
        assert abs(float(plain[:, 0].mean())) > 0.1 and abs(float(turned[:, 0].mean())) < 0.01
