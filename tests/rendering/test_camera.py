"""Laws of the pinhole camera."""

import math

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


def test_bad_cameras_are_named():
    with pytest.raises(InputError, match="straight above"):
        Camera.looking_at((0, 1, 0), (0, 0, 0))
    with pytest.raises(InputError, match="fov must be"):
        Camera.looking_at((0, 0, 1), (0, 0, 0), fov=0)
    with pytest.raises(InputError, match=r"matrix must have shape \(3, 3\)"):
        Camera(torch.eye(4), torch.eye(3), torch.zeros(3), (4, 4))
    with pytest.raises(InputError, match="width must be at least 1"):
        Camera(torch.eye(3), torch.eye(3), torch.zeros(3), (4, 0))
