"""The 68 landmarks that a face's mesh names."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.mesh.mesh import Mesh

LANDMARKS = tuple(f"landmark68_{number:02d}" for number in range(68))
"""Names of the 68 landmarks on a mesh, in the order of Multi-PIE."""


def landmark_vertices(mesh: Mesh) -> Tensor:
    """(68,) the vertices of a mesh's :data:`LANDMARKS`.

    Raises:
        InputError: the mesh lacks one of them.
    """
    if missing := [name for name in LANDMARKS if name not in mesh.landmarks]:
        raise InputError(
            f"the face's mesh must have the landmarks {LANDMARKS[0]} to {LANDMARKS[-1]}, got no {missing[0]}"
        )
    return torch.tensor([mesh.landmarks[name] for name in LANDMARKS])
