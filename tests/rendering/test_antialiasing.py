"""Silhouettes of a mesh whose faces are smaller than pixels, against a picture of four times as many."""

import numpy as np
import pytest
import torch

from meshanim.mesh import Mesh
from meshanim.rendering import antialias, framing_camera, rasterize


@pytest.fixture(scope="module")
def ict(shared_data):
    packed = np.load(shared_data / "ict_facekit" / "ict_facekit_light.npz")
    mesh = Mesh(torch.tensor(packed["mean"]) / 100, torch.tensor(packed["faces"], dtype=torch.int64))
    return mesh.vertices.double(), mesh.faces


def covered(ict, motion, camera, blended):
    """Sum over the picture of a weight that differs from place to place, in pixels of the coarse one."""
    vertices, faces = ict
    middle = vertices.mean(0)
    got = rasterize((vertices - middle) * (1 + motion[3]) + middle + motion[:3], faces, camera)
    row, column = (
        (torch.arange(count, dtype=torch.float64) + 0.5) / count * SIZE[axis]
        for axis, count in enumerate(camera.size)
    )
    weight = 1 + 0.5 * torch.sin(0.01 * row[:, None] + 0.006 * column)
    image = got.covered.double()[..., None]
    image = antialias(image, got) if blended else image
    return (image[..., 0] * weight).sum() * SIZE[0] * SIZE[1] / weight.numel()


SIZE = (512, 512)


def test_coverage_and_its_gradient_are_those_of_a_finer_picture(ict):
    """Of 52,000 faces on 86,000 pixels most of the outline belongs to faces that no pixel sees."""
    camera = framing_camera(ict[0], SIZE)
    camera, fine = camera.to(torch.float64), camera.to(torch.float64).scaled(4)
    motion = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    total = covered(ict, motion, camera, True)
    (gradient,) = torch.autograd.grad(total, motion)
    still = motion.detach()
    # An outline of about 1,200 pixels of which each is wrong by a tenth or so, on either side.
    assert float(total.detach()) == pytest.approx(float(covered(ict, still, fine, False)), abs=20)
    # Sideways, upwards, and in size. What one side of the outline gains by a shift the other one loses: of
    # what the weight leaves, 3 percent are about one of either side. Steps are of several fine pixels.
    for i, step, bound in ((0, 2e-3, 0.03), (1, 2e-3, 0.03), (3, 1e-2, 0.005)):
        move = torch.zeros_like(still)
        move[i] = step
        difference = covered(ict, move, fine, False) - covered(ict, -move, fine, False)
        assert float(gradient[i]) == pytest.approx(float(difference) / (2 * step), rel=bound)
