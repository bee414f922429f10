import pytest
import torch
from torch import nn

from meshanim._check import InputError
from meshanim.metrics import frechet_distance

pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")


class Brightness(nn.Module):
    """Two features: the red and the green of the first pixel."""

    num_features = 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :2, 0, 0].float()


def frames(*colours: tuple[int, int]) -> torch.Tensor:
    stack = torch.zeros(len(colours), 8, 8, 3, dtype=torch.uint8)
    for frame, colour in zip(stack, colours, strict=True):
        frame[..., :2] = torch.tensor(colour, dtype=torch.uint8)
    return stack


def test_it_is_what_is_worked_by_hand() -> None:
    # Variances 2 and 8 of the red, none of the green; means 3 and 4 apart: 9 + 16 + 2 + 8 - 2 sqrt(16).
    first, second = frames((11, 20), (13, 20)), frames((13, 24), (17, 24))
    assert frechet_distance([first], [second], Brightness(), (8, 8)) == pytest.approx(27, rel=1e-4)
    parts = [second[:1], second[1:]]
    assert frechet_distance([second], parts, Brightness(), (8, 8)) == pytest.approx(0, abs=1e-6)


def test_what_does_not_fit_is_named() -> None:
    two = frames((1, 2), (3, 4))
    with pytest.raises(InputError, match="predicted must have at least two frames, got 1"):
        frechet_distance([two[:1]], [two], Brightness(), (8, 8))
    with pytest.raises(InputError, match=r"truth must have shape \(any, 8, 8, 3\)"):
        frechet_distance([two], [two[:, :4]], Brightness(), (8, 8))
