"""From codes to displacements of a face: the two decoders that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from meshanim.nn import PrincipalComponents, SpiralDecoder
from meshanim.synthesis.neutral_encoder import Condition, NeutralEncoder

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


class SpiralMotion(nn.Module):
    """Spiral decoder (Potamias et al. 2020, Table 1), alone or conditioned on the neutral face.

    Conditioned, it gives D(z, face) - D(0, face): nothing moves at the origin of the latent space.

    Args:
        decoder: from codes to (V, 3).
        neutral_encoder: conditions the decoder; None decodes the same motion for every face.
    """

    scale: Tensor

    def __init__(self, decoder: SpiralDecoder, neutral_encoder: NeutralEncoder | None = None) -> None:
        super().__init__()
        self.decoder, self.neutral_encoder = decoder, neutral_encoder
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def calibrate(self, neutrals: Tensor, displacements: Blocks) -> None:
        """Measure the scale of displacements, blocks (N, V, 3) in metres, and of neutral faces (S, V, 3)."""
        sums = [(float(block.square().sum(dtype=torch.float64)), block.numel()) for block in displacements()]
        total, count = (sum(values) for values in zip(*sums, strict=True))
        self.scale.fill_(max((total / count) ** 0.5, 1e-9))
        if self.neutral_encoder is not None:
            self.neutral_encoder.calibrate(neutrals)

    def condition(self, neutral: Tensor) -> Condition | None:
        """What the decoder learns about faces (S, V, 3), in metres; None for one that does not look."""
        return None if self.neutral_encoder is None else self.neutral_encoder(neutral)

    def forward(
        self, code: Tensor, condition: Condition | None = None, lengths: Sequence[int] | None = None
    ) -> Tensor:
        """Displacements (N, V, 3) in metres of codes (N, Z).

        Args:
            code: frames in order of their subjects.
            condition: of the subjects, from :meth:`condition`.
            lengths: frames of each subject; by default all are the only subject's.
        """
        if condition is None:
            return self.scale * self.decoder(code)
        counts = [len(code)] if lengths is None else list(lengths)
        spread = condition.repeated(counts)
        moved = self.decoder(code, spread.modulations)
        rest = self.decoder(code.new_zeros(len(counts), code.shape[1]), condition.modulations)
        moved = torch.cat([part - still for part, still in zip(moved.split(counts), rest, strict=True)])
        return self.scale * spread.carried(moved)
