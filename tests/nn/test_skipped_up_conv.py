"""A skip shared by all frames gives what a convolution over both side by side gives."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import SkippedUpConv


@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_a_convolution_over_features_and_skip(stride: int) -> None:
    layer = SkippedUpConv(3, 2, 5, stride).double()
    features = torch.randn(2, 4, 3, 6, 5, dtype=torch.float64)
    skip = torch.randn(2, 2, 6, 5, dtype=torch.float64)
    beside = torch.cat([features, skip[:, None].expand(2, 4, 2, 6, 5)], dim=2)
    expected = layer.conv(beside.flatten(0, 1)).unflatten(0, (2, 4))
    assert expected.shape == (2, 4, 5, 6 * stride, 5 * stride)
    torch.testing.assert_close(layer(features, layer.share(skip)), expected, rtol=1e-12, atol=1e-12)


def test_without_a_skip_it_is_plain() -> None:
    layer = SkippedUpConv(3, 0, 5)
    features = torch.randn(1, 2, 3, 4, 4)
    torch.testing.assert_close(layer(features)[0], layer.conv(features[0]))


def test_gradients_reach_weights_features_and_skip() -> None:
    layer = SkippedUpConv(2, 1, 2).double()
    features = torch.randn(1, 2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    skip = torch.randn(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, s: layer(x, layer.share(s)), (features, skip))
    layer(features, layer.share(skip)).sum().backward()
    assert layer.conv.weight.grad is not None and bool((layer.conv.weight.grad != 0).any())


def test_other_shapes_are_refused() -> None:
    layer = SkippedUpConv(3, 2, 5)
    with pytest.raises(InputError, match=r"features must have shape \(any, any, 3, any, any\)"):
        layer(torch.zeros(1, 2, 4, 4, 4))
    with pytest.raises(InputError, match="skip must have shape"):
        layer.share(torch.zeros(1, 3, 4, 4))
