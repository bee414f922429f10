"""Laws of cameras, and their numbers in other houses, worked by hand."""

import math
from typing import Any

import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import Camera


def test_target_is_in_the_middle_and_up_is_up():
    camera = Camera.looking_at((0.3, 0.2, 1.0), (0.1, 0.0, 0.0), 30, (200, 300))
    middle = camera.project(torch.tensor([0.1, 0.0, 0.0]))
    assert middle[:2].tolist() == pytest.approx([150, 100], abs=1e-3)
    assert float(middle[2]) == pytest.approx(math.dist((0.3, 0.2, 1.0), (0.1, 0.0, 0.0)), rel=1e-6)
    assert camera.project(torch.tensor([0.1, 0.01, 0.0]))[1] < 100
    # The camera looks along -Z, so the world's +X lies to its right.
    assert camera.project(torch.tensor([0.11, 0.0, 0.0]))[0] > 150


def test_field_of_view_is_vertical():
    camera = Camera.looking_at((0, 0, 2), (0, 0, 0), 40, (100, 400))
    edge = torch.tensor([0.0, 2 * math.tan(math.radians(20)), 0.0])
    assert camera.project(edge)[:2].tolist() == pytest.approx([200, 0], abs=1e-3)


def test_projection_is_k_of_rx_plus_t():
    camera = Camera.looking_at((1, 2, 3), (0.5, 0.0, 0.2), 35, (64, 48))
    points = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    seen = torch.einsum("ij,bnj->bni", camera.rotation, points) + camera.translation
    plane = torch.einsum("ij,bnj->bni", camera.matrix, seen)
    expected = torch.cat([plane[..., :2] / plane[..., 2:], seen[..., 2:]], -1)
    assert torch.allclose(camera.project(points), expected, rtol=1e-5)
    assert torch.allclose(camera.position, torch.tensor([1.0, 2.0, 3.0]), atol=1e-5)
    assert torch.allclose(camera.rotation @ camera.rotation.mT, torch.eye(3), atol=1e-6)
    assert float(torch.linalg.det(camera.rotation)) == pytest.approx(1.0, abs=1e-5)


def test_scaled_camera_sees_the_same():
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), 25, (30, 40))
    point = torch.tensor([0.05, -0.02, 0.1])
    near, fine = camera.project(point), camera.scaled(3).project(point)
    assert torch.allclose(fine[:2], 3 * near[:2], rtol=1e-5)
    assert camera.scaled(3).size == (90, 120)

    assert camera.scaled(0.5).size == (15, 20)


def batch_of_cameras(dtype=torch.float64):
    """Four cameras that stand around the origin, with a skew and a principal point off the middle."""
    generator = torch.Generator().manual_seed(0)
    eye = torch.randn(4, 3, generator=generator, dtype=dtype) + torch.tensor([0.0, 0.0, 3.0])
    camera = Camera.looking_at(eye, torch.zeros(3), 40, (60, 80))
    matrix = camera.matrix.expand(4, 3, 3) + torch.tensor([[1.0, 2.0, 3.0], [0.0, -4.0, 5.0], [0.0] * 3])
    return Camera(matrix, camera.rotation, camera.translation, camera.size)


@pytest.mark.parametrize("perspective", [True, False])
def test_a_batch_is_its_members(perspective):
    batch = batch_of_cameras()
    batch = batch if perspective else batch.weak_perspective(3.0)
    points = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    projected = batch.project(points)
    everywhere = batch.project(points[0])
    for i in range(4):
        member = Camera(batch.matrix[i], batch.rotation[i], batch.translation[i], batch.size, perspective)
        assert torch.allclose(projected[i], member.project(points[i]), atol=1e-12)
        assert torch.allclose(everywhere[i], member.project(points[0]), atol=1e-12)
        assert torch.allclose(batch.position[i], member.position, atol=1e-12)


@pytest.mark.parametrize("perspective", [True, False])
def test_unprojection_undoes_projection(perspective):
    batch = batch_of_cameras()
    batch = batch if perspective else batch.weak_perspective(3.0)
    points = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    column, row, depth = batch.project(points).unbind(-1)
    assert torch.allclose(batch.unproject(torch.stack([column, row], -1), depth), points, atol=1e-12)


def test_points_of_16_bits_come_back_as_such():
    camera = Camera.looking_at((0.1, 0.0, 1.0), (0.0, 0.0, 0.0), size=(64, 64))
    pixels, depth = torch.tensor([[10.0, 20.0], [40.0, 50.0]]), torch.tensor([1.0, 1.25])
    for dtype in (torch.float16, torch.bfloat16):
        found = camera.unproject(pixels.to(dtype), depth.to(dtype))
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), camera.unproject(pixels, depth), atol=0.02, rtol=0)


@pytest.mark.parametrize("perspective", [True, False])
def test_gradients_of_all_parameters(perspective):
    batch = batch_of_cameras()
    batch = batch if perspective else batch.weak_perspective(3.0)
    points = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1

    def project(matrix, rotation, translation, points):
        return Camera(matrix, rotation, translation, (60, 80), perspective).project(points)

    inputs = [batch.matrix[:1].clone(), batch.rotation, batch.translation, points]
    assert torch.autograd.gradcheck(project, [value.requires_grad_() for value in inputs])
    eye = torch.tensor([0.1, 0.2, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda e: Camera.looking_at(e, torch.zeros(3)).project(points), eye)


def test_weak_perspective_agrees_at_its_depth():
    camera = batch_of_cameras()
    pixels = torch.tensor([[10.0, 20.0], [70.0, 3.0]], dtype=torch.float64)
    for depth in (0.5, 4.0):
        points = camera.unproject(pixels, torch.full((2,), depth, dtype=torch.float64))
        assert torch.allclose(camera.weak_perspective(depth).project(points), camera.project(points))
    # 2 m across at 100 pixels per metre, whatever the depth: written out.
    weak = Camera(
        torch.tensor([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]]), torch.eye(3), torch.zeros(3), (48, 64), False
    )
    points = torch.tensor([[0.2, 0.1, -7.0], [0.2, 0.1, 9.0]])
    assert weak.project(points).tolist() == [[52, 34, -7], [52, 34, 9]]


def by_hand(perspective=True):
    """Camera 2 m in front of the origin that looks along the world's -Z: X stays, Y and Z turn over."""
    matrix = torch.tensor([[100.0, 0.0, 30.0], [0.0, 200.0, 20.0], [0.0, 0.0, 1.0]])
    return Camera(
        matrix, torch.diag(torch.tensor([1.0, -1, -1])), torch.tensor([0.0, 0, 2]), (50, 80), perspective
    )


def test_opengl_by_hand():
    """Point (0.1, 0.2, 0.5) is 1.5 m away, seen at column 100 * 0.1 / 1.5 + 30, row 200 * -0.2 / 1.5 + 20."""
    view, projection = by_hand().to_opengl(1.0, 3.0)
    assert view.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -2], [0, 0, 0, 1]]
    clip = projection @ view @ torch.tensor([0.1, 0.2, 0.5, 1.0])
    column, row = 100 * 0.1 / 1.5 + 30, 200 * -0.2 / 1.5 + 20
    assert float(clip[3]) == pytest.approx(1.5)
    expected = [2 * column / 80 - 1, 1 - 2 * row / 50, (4 / 2 * 1.5 - 2 * 3 / 2) / 1.5]
    assert (clip[:3] / clip[3]).tolist() == pytest.approx(expected, abs=1e-6)
    for depth, place in ((1.0, -1.0), (3.0, 1.0)):
        clip = projection @ view @ torch.tensor([0.0, 0.0, 2 - depth, 1.0])
        assert float(clip[2] / clip[3]) == pytest.approx(place, abs=1e-6)
    view, projection = by_hand(perspective=False).to_opengl(1.0, 3.0)
    clip = projection @ view @ torch.tensor([0.1, 0.2, 0.5, 1.0])
    # 1.5 m is the first quarter of the way from 1 m to 3 m.
    assert clip.tolist() == pytest.approx([2 * 40 / 80 - 1, 1 - 2 * -20 / 50, -0.5, 1.0], abs=1e-6)


def test_pytorch3d_by_hand():
    """Its camera has X left and Y up: from ours, X and Y turn over, and matrices are transposed."""
    rotation = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    camera = Camera(by_hand().matrix, rotation, torch.tensor([1.0, 2.0, 3.0]), (50, 80))
    found = camera.to_pytorch3d()
    assert found["R"].tolist() == [[[0, 1, 0], [-1, 0, 0], [0, 0, 1]]]
    assert found["T"].tolist() == [[-1, -2, 3]]
    assert found["focal_length"].tolist() == [[100, 200]]
    assert found["principal_point"].tolist() == [[30, 20]]
    assert found["image_size"].tolist() == [[50, 80]] and found["in_ndc"] is False
    # What a point's image is there: principal point minus focal length times X, Y over Z.
    point = torch.tensor([0.3, 0.4, 0.5])
    x, y, z = (point @ found["R"][0] + found["T"][0]).tolist()
    assert camera.project(point).tolist() == pytest.approx([30 - 100 * x / z, 20 - 200 * y / z, z])


@pytest.mark.parametrize("perspective", [True, False])
def test_there_and_back_is_the_same_camera(perspective):
    batch = batch_of_cameras()
    batch = batch if perspective else batch.weak_perspective(3.0)
    points = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    view, projection = batch.to_opengl(0.1, 10)
    back = Camera.from_opengl(view, projection, batch.size)
    assert torch.allclose(back.project(points), batch.project(points), atol=1e-12)
    matrix = batch.matrix * torch.tensor([[1.0, 0, 1], [1, 1, 1], [1, 1, 1]])
    straight = Camera(matrix, batch.rotation, batch.translation, batch.size, perspective)
    numbers = straight.to_pytorch3d()
    assert tuple(numbers["R"].shape) == (4, 3, 3) and tuple(numbers["focal_length"].shape) == (4, 2)
    del numbers["image_size"], numbers["in_ndc"]
    back = Camera.from_pytorch3d(**numbers, size=batch.size, perspective=perspective)
    assert torch.equal(back.project(points), straight.project(points))
    with pytest.raises(InputError, match="no skew"):
        batch.to_pytorch3d()


def test_bad_cameras_are_named():
    with pytest.raises(InputError, match="straight above"):
        Camera.looking_at((0, 1, 0), (0, 0, 0))
    with pytest.raises(InputError, match="fov must be"):
        Camera.looking_at((0, 0, 1), (0, 0, 0), fov=0)
    with pytest.raises(InputError, match=r"matrix must have a shape ending in \(3, 3\)"):
        Camera(torch.eye(4), torch.eye(3), torch.zeros(3), (4, 4))
    with pytest.raises(InputError, match="width must be at least 1"):
        Camera(torch.eye(3), torch.eye(3), torch.zeros(3), (4, 0))
    pixels: Any = 256
    for made in (
        lambda: Camera(torch.eye(3), torch.eye(3), torch.zeros(3), pixels),
        lambda: Camera.looking_at((0, 0, 1), (0, 0, 0), size=pixels),
    ):
        with pytest.raises(InputError, match=r"size must be a pair \(height, width\) in pixels, got 256"):
            made()
    with pytest.raises(InputError, match=r"points must have a shape ending in \(any, 3\)"):
        batch_of_cameras().project(torch.zeros(3))
    with pytest.raises(InputError, match="far must be above 1"):
        by_hand().to_opengl(1.0, 1.0)
