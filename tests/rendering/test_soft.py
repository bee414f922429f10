"""Soft blending against the formula written out, its limits, and a fit from far away."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import Camera, interpolate, rasterize, soft_blend, soft_rasterize


def scene(dtype=torch.float64):
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), 40, (12, 16)).to(dtype)
    vertices = [
        [-0.2, -0.2, 0],
        [0.2, -0.2, 0.05],
        [0, 0.2, 0],
        [-0.1, -0.1, 0.1],
        [0.3, 0.1, 0.1],
        [0, 0.3, 0.1],
    ]
    colours = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return torch.tensor(vertices, dtype=dtype), torch.arange(6).view(2, 3), camera, colours


def test_blending_is_the_formula():
    vertices, faces, camera, colours = scene()
    soft = soft_rasterize(vertices, faces, camera, 1.5, 4)
    background = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    image = soft_blend(soft, colours, background, sigma=0.7, gamma=0.2, far=1.3)
    for row in range(12):
        for column in range(16):
            above = torch.zeros(3, dtype=torch.float64)
            below, uncovered = torch.zeros(2, dtype=torch.float64) + torch.tensor([0.0, 1.0])
            for k in range(4):
                face = int(soft.face[row, column, k])
                if face < 0:
                    continue
                share = torch.sigmoid(soft.distance[row, column, k] / 0.7)
                weight = share * torch.exp(-soft.depth[row, column, k] / 0.2)
                above = above + weight * (soft.barycentric[row, column, k] @ colours[faces[face]])
                below, uncovered = below + weight, uncovered * (1 - share)
            beyond = torch.exp(torch.tensor(-1.3 / 0.2, dtype=torch.float64))
            expected = (above + beyond * background) / (below + beyond)
            assert torch.allclose(image[row, column, :3], expected, atol=1e-12)
            assert float(image[row, column, 3]) == pytest.approx(float(1 - uncovered), abs=1e-12)


def test_hard_limit_is_the_hard_picture():
    """With outlines far sharper than depths, which a millimetre tells apart.

    The background, 9 metres behind, weighs exp(-9000) of what stands before it, so that of a face beside a
    pixel less than that may be left: its distance over sigma must be above (far - depth) / gamma, and 14 more
    for a millionth. The closest outline passes a middle at a thousandth of a pixel.
    """
    vertices, faces, camera, colours = scene()
    hard = rasterize(vertices, faces, camera)
    soft = soft_rasterize(vertices, faces, camera)
    closest = soft.distance[soft.face >= 0].abs().min()
    nearest = soft.depth[soft.face >= 0].min()
    sigma = float(closest / ((10 - nearest) / 1e-3 + 14))
    image = soft_blend(soft, colours, torch.zeros(3, dtype=torch.float64), sigma=sigma, gamma=1e-3)
    assert torch.allclose(image[..., :3], interpolate(hard, colours), atol=1e-6)
    assert torch.allclose(image[..., 3], hard.covered.double(), atol=1e-6)


def test_gradients_are_differences():
    vertices, faces, camera, colours = scene()
    background = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64, requires_grad=True)

    def image(moved, painted, behind, rotation):
        seen = Camera(camera.matrix, rotation, camera.translation, camera.size)
        return soft_blend(soft_rasterize(moved, faces, seen, 1.5), painted, behind, 0.7, 0.2, 1.3)

    inputs = (vertices.requires_grad_(), colours.requires_grad_(), background, camera.rotation)
    assert torch.autograd.gradcheck(image, inputs, atol=1e-4)


def test_a_silhouette_finds_one_that_it_does_not_touch():
    """A hard picture says nothing there: its gradient ends a pixel away from the outline."""
    vertices, faces, camera, colours = scene(torch.float32)
    black = torch.zeros(3)

    def alpha(shift):
        moved = vertices[:3] * 0.5 + shift * torch.tensor([1.0, 0, 0])
        return soft_blend(soft_rasterize(moved, faces[:1], camera, 12.0), colours[:3], black, sigma=20.0)[
            ..., 3
        ]

    wanted = alpha(torch.tensor(0.2)).detach()
    shift = torch.tensor(-0.2, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        (alpha(shift) - wanted).square().sum().backward()
        optimizer.step()
    assert float(shift) == pytest.approx(0.2, abs=0.01)


def test_batches_and_refusals():
    vertices, faces, camera, colours = scene()
    one = soft_blend(soft_rasterize(vertices, faces, camera), colours, colours[0])
    many = soft_rasterize(vertices.expand(2, 3, 6, 3), faces, camera)
    assert torch.allclose(soft_blend(many, colours, colours[0])[1, 2], one, atol=1e-12)
    with pytest.raises(InputError, match="sigma must be above 0"):
        soft_blend(many, colours, colours[0], sigma=0.0)
    with pytest.raises(InputError, match=r"background must have shape \(3,\)"):
        soft_blend(many, colours, colours)
