"""From a label track to a path in the latent space."""

from __future__ import annotations

from torch import Tensor, nn


class LabelEncoder(nn.Module):
    """LSTM over the expression label track (Potamias et al. 2020, section 4).

    Args:
        label_count: expressions per frame.
        latent_size: size Z of the output.

    Shapes:
        labels (S, T, label_count), path (S, T, Z).
    """

    def __init__(self, label_count: int = 6, latent_size: int = 64) -> None:
        super().__init__()
        self.lstm = nn.LSTM(label_count, latent_size, batch_first=True)

    def forward(self, labels: Tensor) -> Tensor:
        """Encode labels (S, T, label_count) to (S, T, Z); every frame sees those before it."""
        return self.lstm(labels)[0]
