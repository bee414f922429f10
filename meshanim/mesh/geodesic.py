"""Shortest distances along a surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from meshanim._check import InputError, check_indices
from meshanim.mesh.mesh import Mesh
from meshanim.ops import surface_distance


def geodesic_distance(mesh: Mesh, sources: int | Sequence[int] | Tensor) -> Tensor:
    """Shortest distance along the surface from the nearest of some vertices.

    Distances spread from the sources triangle by triangle: two known corners place the source in the
    plane of the third (Novotni and Klein, "Computing Geodesic Distances on Triangular Meshes", 2002),
    and vertices are updated, a band at a time, until nothing becomes shorter. Exact on a plane; on a
    sphere of 2,562 vertices 0.6 % short in the middle, 1.3 % at the far side, half that with edges half
    as long; up to 3 % long behind an inner corner.

    Args:
        mesh: V vertices.
        sources: vertex index or indices.

    Returns:
        (V,) in metres; infinite in components that have no source.

    Raises:
        InputError: no source, or an index out of range.
    """
    index = torch.as_tensor(sources).flatten()
    if index.numel() == 0 or index.is_floating_point() or index.dtype == torch.bool:
        raise InputError(f"sources must hold at least one vertex index, got {sources!r}")
    check_indices("sources", index, len(mesh.vertices))
    points = mesh.vertices.detach().cpu().double().numpy()
    faces = mesh.topology.usable_faces.numpy()
    distance = surface_distance(points, faces, index.cpu().numpy().astype(np.int64))
    return torch.from_numpy(distance).to(mesh.vertices)
