import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import MeshLevels, MeshUp, SpiralConv, UpSpiralConv


def test_it_is_up_sampling_then_convolution(make_levels) -> None:
    levels: MeshLevels = make_levels(30, 8)
    up, spirals = (levels.up_indices[0], levels.up_weights[0]), levels.spirals[0]
    layer, second = UpSpiralConv(*up, spirals, 4, 5, "elu"), SpiralConv(spirals, 4, 5, "elu")
    second.load_state_dict(layer.state_dict())
    features = torch.randn(2, 8, 4, requires_grad=True)
    found, wanted = layer(features), second(MeshUp(*up)(features))
    torch.testing.assert_close(found, wanted)
    gradients = [
        torch.autograd.grad(y.sum(), (features, *module.parameters()))
        for y, module in ((found, layer), (wanted, second))
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_double_precision_moves_with_the_module(make_levels) -> None:
    levels: MeshLevels = make_levels(30, 8)
    layer = UpSpiralConv(levels.up_indices[0], levels.up_weights[0], levels.spirals[0], 4, 5).double()
    assert layer(torch.randn(2, 8, 4, dtype=torch.float64)).dtype == torch.float64
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_sizes_must_fit() -> None:
    spirals, indices = torch.zeros(6, 2, dtype=torch.int64), torch.zeros(6, 3, dtype=torch.int64)
    with pytest.raises(InputError, match=r"up_indices must have shape \(6, any\), got \(5, 3\)"):
        UpSpiralConv(indices[:5], torch.zeros(5, 3), spirals, 4, 5)
    with pytest.raises(InputError, match=r"up_weights must have shape \(6, 3\), got \(6, 2\)"):
        UpSpiralConv(indices, torch.zeros(6, 2), spirals, 4, 5)


def test_repr() -> None:
    spirals, indices = torch.zeros(6, 2, dtype=torch.int64), torch.zeros(6, 3, dtype=torch.int64)
    layer = UpSpiralConv(indices, torch.zeros(6, 3), spirals, 4, 5, bias=False)
    assert repr(layer) == "UpSpiralConv(4, 5, vertices=6, length=2, activation=None, bias=False, corners=3)"
