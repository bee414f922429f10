"""The layers that spiral convolutions are timed on, and what published networks do instead."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial import ConvexHull
from torch import Tensor
from torch.nn import functional

from meshanim.mesh import Mesh

LAYERS = [(228, 64, 32), (1138, 32, 16), (5687, 16, 8), (28431, 8, 3), (28431, 32, 32)]
"""Vertices and widths: the decoder's four of Potamias et al. 2020 (Table 1), and a wide one."""

PASSES = ("forward", "forward and backward")
Layer = tuple[int, int, int]


def sphere(vertices: int) -> Mesh:
    """A closed triangle mesh of exactly so many vertices."""
    index = np.arange(vertices)
    height = 1 - (2 * index + 1) / vertices
    angle = index * math.pi * (3 - math.sqrt(5))
    radius = np.sqrt(1 - height**2)
    points = np.stack((radius * np.cos(angle), height, radius * np.sin(angle)), axis=1)
    faces = ConvexHull(points).simplices.astype(np.int64)
    first, second, third = points[faces].transpose(1, 0, 2)
    inward = (np.cross(second - first, third - first) * first).sum(1) < 0
    faces[inward] = faces[inward, ::-1]
    return Mesh(torch.from_numpy(points).float(), torch.from_numpy(faces))


def inputs(layer: Layer, length: int, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, weight, bias, and a direction for the gradient."""
    vertices, channels, outputs = layer
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, vertices, channels), (outputs, length * channels), (outputs,), (batch, vertices, outputs)
    x, weight, bias, direction = (torch.randn(shape, generator=generator) for shape in shapes)
    return x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), direction


def reference(x: Tensor, spirals: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What SpiralNet++ does; ``spirals`` flat."""
    return functional.linear(x.index_select(1, spirals).view(x.shape[0], x.shape[1], -1), weight, bias)


def floors(layer: Layer, length: int, batch: int, size: int = 4) -> dict[str, dict[str, float]]:
    """Operations, and bytes that must be read or written once, by pass; ``size`` bytes a value."""
    vertices, channels, outputs = layer
    operations = 2 * batch * vertices * length * channels * outputs
    features, results = size * batch * vertices * channels, size * batch * vertices * outputs
    indices, weights = 4 * vertices * length, size * outputs * length * channels
    forward = features + results + indices + weights
    backward = 2 * features + results + 2 * indices + 2 * weights
    sizes = ((operations, forward), (3 * operations, forward + backward))
    return {
        what: dict(zip(("operations", "bytes"), pair, strict=True))
        for what, pair in zip(PASSES, sizes, strict=True)
    }
