"""From a code to features on a mesh."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from meshanim._check import InputError
from meshanim.nn.levels import HasLevels, MeshLevels
from meshanim.nn.modulation import Modulation
from meshanim.nn.spiral_conv import Activation
from meshanim.nn.up_spiral_conv import UpSpiralConv


class SpiralDecoder(nn.Module):
    """Fully connected layer, then up-sampling and spiral convolution level by level.

    The mesh decoder of Potamias et al. 2020 (section 4, Table 1).

    With a hierarchy of n steps: code -> (V_n, widths[0]), then n times [up to the next finer level, spiral
    convolution to the next width, activation]. The last convolution is linear: the paper has a ReLU after
    every one, which could move no vertex towards a lower coordinate. For the paper's mesh of 28,431 vertices
    the vertex counts are 46, 228, 1138, 5687 and 28431.

    Args:
        hierarchy: the mesh hierarchy with n steps.
        latent_size: size Z of the code.
        widths: n + 1 channel counts, coarsest first; the last is the output's.
        activation: between the layers.

    Shapes:
        code (..., Z), output (..., V_0, widths[-1]).

    Raises:
        InputError: not one width per level.
    """

    def __init__(
        self,
        hierarchy: HasLevels,
        latent_size: int = 64,
        widths: Sequence[int] = (64, 32, 16, 8, 3),
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        levels = MeshLevels.of(hierarchy)
        counts, steps = levels.vertex_counts, len(levels.down)
        if len(widths) != steps + 1 or steps == 0:
            raise InputError(f"widths must be {steps + 1}, one per level, at least two, got {len(widths)}")
        self.latent_size, self.widths, self.coarse = latent_size, tuple(widths), counts[-1]
        self.fully_connected = nn.Linear(latent_size, self.coarse * widths[0])
        finer = range(steps - 1, -1, -1)
        self.convolutions = nn.ModuleList(
            [
                UpSpiralConv(
                    levels.up_indices[i],
                    levels.up_weights[i],
                    levels.spirals[i],
                    before,
                    after,
                    activation if i else None,
                )
                for i, before, after in zip(finer, widths[:-1], widths[1:], strict=True)
            ]
        )

    def forward(self, code: Tensor, coarse: Modulation | None = None) -> Tensor:
        """Decode codes (..., Z) to (..., V_0, widths[-1]).

        Args:
            code: the codes; with ``coarse`` exactly (B, Z).
            coarse: modulates the coarsest features, the fully connected layer's output.
        """
        batch = code.shape[:-1]
        features = self.fully_connected(code.reshape(-1, self.latent_size))
        features = features.view(-1, self.coarse, self.widths[0])
        if coarse is not None:
            features = coarse.apply(features)
        for convolution in self.convolutions:
            features = convolution(features)
        return features.view(*batch, *features.shape[1:])
