"""From codes to displacements of a face: the paper's decoder and its baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from meshanim.nn import PrincipalComponents, SpiralDecoder
from meshanim.synthesis.neutral_encoder import Condition

Blocks = Callable[[], Iterable[Tensor]]


class BlendshapeMotion(nn.Module):
    """Blendshape baseline (Potamias et al. 2020, 5.2): principal components of the training motion.

    The basis is fixed; a linear layer turns codes into its coefficients, because an LSTM's output stays
    within 1 while an expression's apex lies many standard deviations from the mean.

    Args:
        vertex_count: V.
        latent_size: Z, of codes and of the basis.
    """

    def __init__(self, vertex_count: int, latent_size: int) -> None:
        super().__init__()
        self.weights = nn.Linear(latent_size, latent_size)
        self.basis = PrincipalComponents(vertex_count, latent_size)

    def calibrate(self, neutrals: Tensor, displacements: Blocks) -> None:
        """Find the basis of displacements, blocks (N, V, 3) in metres, yielded anew at every call."""
        self.basis.fit(displacements)

    def condition(self, neutral: Tensor) -> None:
        """Nothing: the same motion for every face."""
        return None

    def forward(
        self, code: Tensor, condition: Condition | None = None, lengths: Sequence[int] | None = None
    ) -> Tensor:
        """Displacements (N, V, 3) in metres of codes (N, Z)."""
        return self.basis.decode(self.weights(code))


def root_mean_square(blocks: Iterable[Tensor]) -> float:
    """Of all numbers in blocks of any sizes; never 0."""
    sums = [(float(block.square().sum(dtype=torch.float64)), block.numel()) for block in blocks]
    total, count = (sum(values) for values in zip(*sums, strict=True))
    return max((total / count) ** 0.5, 1e-9)


class SpiralMotion(nn.Module):
    """Spiral decoder (Potamias et al. 2020, Table 1), the same motion for every face.

    Args:
        decoder: from codes to (V, 3).
    """

    scale: Tensor

    def __init__(self, decoder: SpiralDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.register_buffer("scale", torch.ones(()))

    def calibrate(self, neutrals: Tensor, displacements: Blocks) -> None:
        """Measure the scale of displacements, blocks (N, V, 3) in metres."""
        self.scale.fill_(root_mean_square(displacements()))

    def condition(self, neutral: Tensor) -> None:
        """Nothing."""
        return None

    def forward(
        self, code: Tensor, condition: Condition | None = None, lengths: Sequence[int] | None = None
    ) -> Tensor:
        """Displacements (N, V, 3) in metres of codes (N, Z)."""
        return self.scale * self.decoder(code)
