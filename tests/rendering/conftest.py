"""A head of balls: one for a skull, two for eyes, one below for a neck."""

import numpy as np
import pytest
import torch
import trimesh

from meshanim.mesh import Mesh


def ball(radius, centre, subdivisions=3):
    sphere = trimesh.creation.icosphere(subdivisions, radius)
    vertices = torch.tensor(np.asarray(sphere.vertices), dtype=torch.float32) + torch.tensor(centre)
    return vertices, torch.tensor(np.asarray(sphere.faces), dtype=torch.int64)


@pytest.fixture(scope="module")
def head():
    """A ball for a skull, two for eyes, one below for a neck."""
    parts = {
        "skin": ball(0.10, (0.0, 0.0, 0.0)),
        "eye_left": ball(0.02, (0.04, 0.02, 0.085)),
        "eye_right": ball(0.02, (-0.04, 0.02, 0.085)),
        "neck": ball(0.06, (0.0, -0.13, -0.02)),
    }
    vertices, faces, groups, start = [], [], {}, 0
    for name, (points, triangles) in parts.items():
        vertices.append(points)
        faces.append(triangles + start)
        groups[name] = torch.arange(start, start + len(points))
        start += len(points)
    groups["eyes"] = torch.cat([groups["eye_left"], groups["eye_right"]])
    return Mesh(torch.cat(vertices), torch.cat(faces), groups=groups)
