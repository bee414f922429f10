"""Which face lies on the other side of each edge."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.ops._plans import find, keep


def opposite_faces(faces: Tensor) -> Tensor:
    """The face across each edge; worked out once and kept as long as ``faces`` lives unchanged.

    Args:
        faces: (F, 3) vertex indices, turned either way.

    Returns:
        (F, 3) int64, at place k the face beyond the edge that does not touch corner k; -1 where the edge has
        no second face, or more than two.
    """
    check_shape("faces", faces, (None, 3))
    kept = find("opposite", faces)
    return kept if isinstance(kept, Tensor) else keep(_opposite(faces), "opposite", faces)


def _opposite(faces: Tensor) -> Tensor:
    edges = torch.stack([faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]], dim=-1).view(-1, 2).sort(dim=1).values
    _, edge, count = torch.unique(edges, dim=0, return_inverse=True, return_counts=True)
    order = edge.argsort(stable=True)
    paired = order[count[edge[order]] == 2].view(-1, 2)
    result = torch.full_like(edge, -1)
    result[paired] = paired.flip(1) // 3
    return result.view(-1, 3)
