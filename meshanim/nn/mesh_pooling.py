"""Moving features between the levels of a mesh hierarchy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meshanim._check import check_shape
from meshanim.ops import mesh_pool


class MeshUp(nn.Module):
    r"""Carry features from a coarse level to the next finer one (Potamias et al. 2020, section 3.2).

    .. math:: \mathbf f^*_v = \sum_{k} w_{vk} \, \mathbf f_{i_{vk}}

    with barycentric weights of the fine vertex v in a coarse triangle, so that a constant stays constant.

    Args:
        indices: (V_fine, K) int64 coarse vertices.
        weights: (V_fine, K), rows sum to one.

    Shapes:
        input (B, V_coarse, C), output (B, V_fine, C).
    """

    indices: Tensor
    weights: Tensor

    def __init__(self, indices: Tensor, weights: Tensor) -> None:
        super().__init__()
        check_shape("indices", indices, (None, None))
        check_shape("weights", weights, tuple(indices.shape))
        self.register_buffer("indices", indices.to(torch.int64), persistent=False)
        self.register_buffer("weights", weights.to(torch.get_default_dtype()), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Carry features (B, V_coarse, C) to (B, V_fine, C)."""
        return mesh_pool(features, self.indices, self.weights)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"fine={self.indices.shape[0]}, corners={self.indices.shape[1]}"


class MeshDown(nn.Module):
    """Keep the features of the vertices that the coarser level keeps.

    Args:
        kept: (V_coarse,) int64, the fine vertex that each coarse vertex is.

    Shapes:
        input (B, V_fine, C), output (B, V_coarse, C).
    """

    kept: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        check_shape("kept", kept, (None,))
        self.register_buffer("kept", kept.to(torch.int64), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Select features (B, V_fine, C) to (B, V_coarse, C)."""
        return features.index_select(1, self.kept)

    def extra_repr(self) -> str:
        """Sizes for ``repr``."""
        return f"coarse={self.kept.shape[0]}"
