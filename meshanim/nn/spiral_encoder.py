"""From features on a mesh to a code."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from meshanim._check import InputError
from meshanim.nn.levels import HasLevels, MeshLevels
from meshanim.nn.mesh_pooling import MeshDown
from meshanim.nn.spiral_conv import Activation, SpiralConv


class SpiralEncoder(nn.Module):
    """Spiral convolution and down-sampling level by level, then a fully connected layer.

    With a hierarchy of n steps: n times [spiral convolution to the next width, activation, down to the next
    coarser level], then all features of the coarsest level -> code. The mirror image of
    :class:`SpiralDecoder`.

    Args:
        hierarchy: the mesh hierarchy with n steps.
        latent_size: size Z of the code.
        widths: n + 1 channel counts, finest first; the first is the input's.
        activation: after every convolution.

    Shapes:
        input (..., V_0, widths[0]), code (..., Z).

    Raises:
        InputError: not one width per level.
    """

    def __init__(
        self,
        hierarchy: HasLevels,
        latent_size: int = 64,
        widths: Sequence[int] = (3, 8, 16, 32, 64),
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        levels = MeshLevels.of(hierarchy)
        counts, steps = levels.vertex_counts, len(levels.down)
        if len(widths) != steps + 1 or steps == 0:
            raise InputError(f"widths must be {steps + 1}, one per level, at least two, got {len(widths)}")
        self.latent_size, self.widths = latent_size, tuple(widths)
        self.convolutions = nn.ModuleList(
            [
                SpiralConv(spirals, before, after, activation)
                for spirals, before, after in zip(levels.spirals[:-1], widths[:-1], widths[1:], strict=True)
            ]
        )
        self.down = nn.ModuleList([MeshDown(kept) for kept in levels.down])
        self.fully_connected = nn.Linear(counts[-1] * widths[-1], latent_size)

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Features of inputs (B, V_0, widths[0]) at all levels, finest first: n + 1 of (B, V_i, ...).

        Level i < n holds its convolution's output, before down-sampling; the coarsest level what comes down.
        """
        found, flow = [], inputs
        for convolution, down in zip(self.convolutions, self.down, strict=True):
            found.append(convolution(flow))
            flow = down(found[-1])
        return [*found, flow]

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode inputs (..., V_0, widths[0]) to (..., Z)."""
        batch = inputs.shape[:-2]
        coarsest = self.features(inputs.reshape(-1, *inputs.shape[-2:]))[-1]
        return self.fully_connected(coarsest.flatten(1)).view(*batch, self.latent_size)
