"""A judge of expressions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from meshanim.nn.principal_components import PrincipalComponents


class ExpressionClassifier(nn.Module):
    """Names the expression of a sequence (Potamias et al. 2020, section 5.3).

    Every frame's displacement from the neutral face becomes coefficients of a principal component basis;
    the sequence is read at a fixed number of evenly spaced times; all its coefficients together go through
    three fully connected layers.

    Args:
        components: the basis of K components, of training displacements.
        classes: number of expressions.
        frames: times at which a sequence is read.
        widths: of the two hidden layers.

    Shapes:
        displacements (T, V, 3) in the basis' unit, any T; logits (S, classes).
    """

    def __init__(
        self,
        components: PrincipalComponents,
        classes: int = 6,
        frames: int = 24,
        widths: tuple[int, int] = (128, 64),
    ) -> None:
        super().__init__()
        self.components, self.frames = components, frames
        self.layers = nn.Sequential(
            nn.Linear(frames * len(components.deviation), widths[0]),
            nn.ReLU(),
            nn.Linear(widths[0], widths[1]),
            nn.ReLU(),
            nn.Linear(widths[1], classes),
        )

    def describe(self, displacements: Tensor) -> Tensor:
        """What the layers see of one sequence (T, V, 3): (frames * K,)."""
        coefficients = self.components.encode(displacements)
        position = torch.linspace(0, len(coefficients) - 1, self.frames, dtype=torch.float64)
        low = position.floor().long()
        high = (low + 1).clamp(max=len(coefficients) - 1)
        share = (position - low).to(coefficients.dtype)[:, None]
        return torch.lerp(coefficients[low], coefficients[high], share).flatten()

    def forward(self, described: Tensor) -> Tensor:
        """Logits (S, classes) of described sequences (S, frames * K)."""
        return self.layers(described)

    @torch.no_grad()
    def classify(self, displacements: Tensor) -> int:
        """The class of one sequence (T, V, 3) of displacements from the neutral face."""
        return int(self(self.describe(displacements)[None]).argmax())
