"""From a label track to a path in the latent space."""

from __future__ import annotations

from torch import Tensor, nn


class LabelEncoder(nn.Module):
    """LSTM over the expression label track (Potamias et al. 2020, section 4).

    Args:
        label_count: expressions per frame.
        latent_size: size Z of the output.
        bidirectional: read the track from its end too, with a second LSTM of the same size, and add a fully
            connected layer over both. While labels rise, only what is still to come tells how far they will.
        layers: LSTMs one upon the other.

    Shapes:
        labels (S, T, label_count), path (S, T, Z).
    """

    def __init__(
        self, label_count: int = 6, latent_size: int = 64, bidirectional: bool = False, layers: int = 1
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(label_count, latent_size, layers, batch_first=True, bidirectional=bidirectional)
        self.both = nn.Linear(2 * latent_size, latent_size) if bidirectional else nn.Identity()

    def forward(self, labels: Tensor) -> Tensor:
        """Encode labels (S, T, label_count) to (S, T, Z); every frame sees those before it, or all."""
        return self.both(self.lstm(labels)[0])
