"""The mesh decoder as published spiral networks have it, in plain PyTorch on the parameters of ours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from meshanim.nn import MeshLevels, SpiralDecoder, UpSpiralConv

Pooling = Callable[[Tensor], Tensor]


def scatter_pooling(levels: MeshLevels, level: int) -> Pooling:
    """``index_select`` with a weighted ``scatter_add_``, as SpiralNet++ does it."""
    indices, weights = levels.up_indices[level], levels.up_weights[level]
    columns, values = indices.reshape(-1), weights.reshape(-1, 1)
    rows = torch.arange(len(indices)).repeat_interleave(indices.shape[1])[None, :, None]

    def pool(x: Tensor) -> Tensor:
        terms = x.index_select(1, columns) * values
        out = x.new_zeros(x.shape[0], len(indices), x.shape[2])
        return out.scatter_add_(1, rows.expand_as(terms), terms)

    return pool


def csr_pooling(levels: MeshLevels, level: int) -> Pooling:
    """A product with a sparse CSR matrix."""
    indices, weights = levels.up_indices[level], levels.up_weights[level]
    fine, corners = indices.shape
    starts = torch.arange(0, fine * corners + 1, corners)
    order = indices.argsort(1)
    columns, values = indices.gather(1, order).reshape(-1), weights.gather(1, order).reshape(-1)
    size = (fine, levels.vertex_counts[level + 1])
    matrix = torch.sparse_csr_tensor(starts, columns, values, size, check_invariants=False)

    def pool(x: Tensor) -> Tensor:
        batch, coarse, channels = x.shape
        wide = matrix @ x.transpose(0, 1).reshape(coarse, batch * channels)
        return wide.view(fine, batch, channels).transpose(0, 1)

    return pool


def gather_pooling(levels: MeshLevels, level: int) -> Pooling:
    """A weighted sum of gathered rows: nothing atomic, and nothing that ``torch.compile`` cannot fuse."""
    indices, weights = levels.up_indices[level], levels.up_weights[level]

    def pool(x: Tensor) -> Tensor:
        rows = x.index_select(1, indices.reshape(-1)).view(len(x), *indices.shape, x.shape[2])
        return (rows * weights.unsqueeze(-1)).sum(2)

    return pool


class PlainDecoder(nn.Module):
    """The decoder in plain PyTorch, on the parameters of ours."""

    def __init__(
        self, decoder: SpiralDecoder, levels: MeshLevels, pooling: Callable[[MeshLevels, int], Pooling]
    ) -> None:
        super().__init__()
        self.decoder, self.spirals = decoder, levels.spirals
        self.pools = [pooling(levels, level) for level in range(len(levels.down))]

    def forward(self, code: Tensor) -> Tensor:
        x = self.decoder.fully_connected(code).unflatten(-1, (-1, self.decoder.widths[0]))
        for level, layer in zip(range(len(self.pools) - 1, -1, -1), self.decoder.convolutions, strict=True):
            assert isinstance(layer, UpSpiralConv)
            spirals = self.spirals[level]
            rows = self.pools[level](x).index_select(1, spirals.reshape(-1))
            x = functional.linear(rows.view(len(x), len(spirals), -1), layer.weight, layer.bias)
            x = x.relu() if layer.activation else x
        return x
